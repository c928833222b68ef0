"""Finds out whether this process may work on a WorkQueueJob, and says so when it may not.

Another installation of the operator may work on it (`planning/rules/installations.py`). Then this
one writes nothing but one Event for each WorkQueueJob, so that two of them can't answer each other.
"""

import structlog

from workqueuejob.api import WorkQueueJob
from workqueuejob.controller.status_writer import StatusWriter
from workqueuejob.controller.store import JobStore
from workqueuejob.errors import Conflict
from workqueuejob.planning.rules.installations import (
    OPERATOR_CONFLICT,
    Installation,
    explain_conflict,
    find_other_installation,
)
from workqueuejob.planning.status.events import Event, EventType

_log = structlog.get_logger(__name__)


class Tenure:
    """The tenure of one WorkQueueJob: whose it is, as last seen."""

    def __init__(
        self, installation: Installation, status_writer: StatusWriter, store: JobStore
    ) -> None:
        self._own = installation
        self._status_writer = status_writer
        self._store = store
        self._has_held = False
        self._reported: str | None = None
        self.other: str | None = None
        """The other installation that works on it; None: this one may."""

    async def is_of_other(self, resource: WorkQueueJob) -> bool:
        """Return whether another installation works on it, by its status and its known Jobs.

        The first time this is so, a log line and an Event say it.
        """
        is_named = resource.status.installation == self._own.name
        self._has_held = self._has_held or is_named or self._status_writer.has_written
        self.other = find_other_installation(
            self._own, resource, self._store.jobs, has_held=self._has_held
        )
        if self.other is None:
            return False
        if self.other != self._reported:
            self._reported = self.other
            await self._report(resource, self.other)
        return True

    async def require(self, resource: WorkQueueJob) -> None:
        """Raise Conflict if another installation has begun the run since the round began."""
        if await self.is_of_other(resource):
            raise Conflict("another installation of the operator has begun the run")

    async def _report(self, resource: WorkQueueJob, other: str) -> None:
        message = explain_conflict(self._own, other, namespace=resource.metadata.namespace)
        _log.warning("left to another installation", reason=OPERATOR_CONFLICT, other=other)
        event = Event(EventType.WARNING, OPERATOR_CONFLICT, "Reconcile", message, is_once=True)
        await self._status_writer.record(resource, event)
