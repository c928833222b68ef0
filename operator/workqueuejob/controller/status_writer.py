"""Writes one WorkQueueJob's status when it has changed, and then its Events.

A change of numbers only is written every 2 seconds at most, and every 10 while other requests need
the budget. An Event is written after the status
that it is about. If the status can't be written, the next try repeats the change and its Event.
"""

import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog

from workqueuejob.api import WorkQueueJob, WorkQueueJobStatus
from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.cluster.budget import RequestBudget, sending
from workqueuejob.cluster.events import Reporter, build_event
from workqueuejob.cluster.observation import rest_on
from workqueuejob.errors import ClusterError, JobNameConflict, JobRejected, TemplateInvalid
from workqueuejob.metrics import count_items
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.ledger.books import Books
from workqueuejob.planning.observing.observed import Observed
from workqueuejob.planning.pacing.urgency import (
    RESTLESS_WRITES,
    Due,
    Urgency,
    is_restless,
    judge_numbers,
    judge_status,
)
from workqueuejob.planning.rules.installations import Installation, claim
from workqueuejob.planning.status.events import Event, EventType, build_events
from workqueuejob.planning.status.status import build_status

_TOLD_SECONDS = 600.0
"""While conditions change to and fro, an Event of one reason is not repeated within this time."""

_STATUS_REJECTED = "StatusRejected"

_log = structlog.get_logger(__name__)


class StatusWriter:
    """Writes the status and the Events of one WorkQueueJob."""

    def __init__(
        self,
        cluster: ClusterAPI,
        installation: Installation,
        instance: str,
        budget: RequestBudget,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._installation = installation
        self._reporter = Reporter(installation.name, instance)
        self._budget = budget
        self._written_at = float("-inf")
        self._behind_since: float | None = None
        self._looks_written: deque[float] = deque(maxlen=RESTLESS_WRITES)
        self._told: dict[str, float] = {}
        self._refusals: dict[str, str] = {}
        self.has_written = False
        """Whether this process has written the status, and its installation's name into it."""

    @property
    def is_behind(self) -> bool:
        """Whether changed numbers wait to be written."""
        return self._behind_since is not None

    async def write(
        self, observed: Observed, decided: Plan, *, books: Books, now: datetime
    ) -> WorkQueueJob | None:
        """Write the status if it is due; return the object as it is stored then, else None.

        Raises ClusterError; Conflict when another client has changed the object, NotFound when it
        is gone. A refused status causes an Event, because no condition can show it.
        """
        resource = observed.resource
        old, new = resource.status, build_status(observed, decided, books=books, now=now)
        new = claim(self._installation, old, new)
        restless = is_restless(self._looks_written, now=self._clock())
        urgency = judge_status(old, new, acted=bool(decided.actions), restless=restless)
        is_look = urgency is Urgency.VISIBLE
        if urgency is Urgency.NUMBERS:
            urgency = self._judge_numbers(restless=restless)
        else:
            self._behind_since = None
        if urgency is None:
            return None
        metadata = resource.metadata
        try:
            with sending(urgency):
                manifest = await self._cluster.patch_status(
                    metadata.namespace,
                    metadata.name,
                    _to_patch(new),
                    resource_version=metadata.resource_version,
                )
        except (JobRejected, TemplateInvalid) as refusal:
            await self.record_refusal(resource, _STATUS_REJECTED, refusal)
            raise
        self._refusals.pop(_STATUS_REJECTED, None)
        self.has_written = True
        self._written_at, self._behind_since = self._clock(), None
        if is_look:
            self._looks_written.append(self._written_at)
        # What follows from the status, such as deletions of counted Jobs, rests on this answer.
        rest_on(time.monotonic())
        count_items(old.items, new.items)
        for event in build_events(old, new, decided):
            if urgency is Urgency.DECISION or not restless or self._is_untold(event):
                await self.record(resource, event)
        return WorkQueueJob.from_manifest(manifest)

    def _judge_numbers(self, *, restless: bool) -> Urgency | None:
        """Return how urgent changed numbers are now; None if they wait."""
        now = self._clock()
        self._behind_since = now if self._behind_since is None else self._behind_since
        since_write, behind = now - self._written_at, now - self._behind_since
        match judge_numbers(since_write=since_write, behind=behind, restless=restless):
            case Due.NOW:
                return Urgency.VISIBLE
            case Due.IF_SPARE if self._budget.spare_for_numbers():
                return Urgency.NUMBERS
            case _:
                return None

    def _is_untold(self, event: Event) -> bool:
        """Return whether no Event of the same reason was written lately."""
        return self._clock() - self._told.get(event.reason, float("-inf")) > _TOLD_SECONDS

    async def record_refusal(
        self, resource: WorkQueueJob, reason: str, refusal: ClusterError
    ) -> None:
        """Write an Event about a refused request, once for each message however often it comes."""
        message = str(refusal)
        if self._refusals.get(reason) != message:
            self._refusals[reason] = message
            await self.record(resource, Event(EventType.WARNING, reason, "Reconcile", message))

    async def record(self, resource: WorkQueueJob, event: Event) -> None:
        """Write an Event. One that can't be written is logged, and not tried again."""
        self._told[event.reason] = self._clock()
        _log.info("event recorded", reason=event.reason, note=event.message)
        # An Event tells what has just been done or refused.
        rest_on(time.monotonic())
        manifest = build_event(resource, event, reporter=self._reporter, now=datetime.now(UTC))
        try:
            with sending(Urgency.VISIBLE):
                await self._cluster.create_event(resource.metadata.namespace, manifest)
        except ClusterError as error:
            if event.is_once and isinstance(error, JobNameConflict):
                return
            _log.warning("an Event was not written", error=str(error))


def _to_patch(status: WorkQueueJobStatus) -> dict[str, Any]:
    """Return a JSON merge patch, in which null removes a field that is not known any more."""
    patch: dict[str, Any] = status.model_dump(mode="json", by_alias=True)
    return {key: None if value == [] else value for key, value in patch.items()}
