"""Writes one WorkQueueJob's status when it has changed, and then its Events.

A change of numbers only is written every 2 seconds at most. An Event is written after the status
that it is about. If the status can't be written, the next try repeats the change and its Event.
"""

import time
from datetime import UTC, datetime
from typing import Any

import structlog

from workqueuejob.api import WorkQueueJob, WorkQueueJobStatus
from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.cluster.events import build_event
from workqueuejob.cluster.observation import rest_on
from workqueuejob.errors import ClusterError, JobRejected, TemplateInvalid
from workqueuejob.metrics import count_items
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.ledger.books import Books
from workqueuejob.planning.observing.observed import Observed
from workqueuejob.planning.status.events import Event, EventType, build_events
from workqueuejob.planning.status.status import (
    build_status,
    differs,
    differs_in_more_than_numbers,
)

STATUS_INTERVAL_SECONDS = 2.0
"""Between two writes of the status that change only numbers."""

_STATUS_REJECTED = "StatusRejected"

_log = structlog.get_logger(__name__)


class StatusWriter:
    """Writes the status and the Events of one WorkQueueJob."""

    def __init__(self, cluster: ClusterAPI, instance: str) -> None:
        self._cluster = cluster
        self._instance = instance
        self._written_at = 0.0
        self._refusals: dict[str, str] = {}
        self.is_behind = False
        """Whether changed numbers wait to be written."""

    async def write(
        self, observed: Observed, decided: Plan, *, books: Books, now: datetime
    ) -> WorkQueueJob | None:
        """Write the status if it is due; return the object as it is stored then, else None.

        Raises ClusterError; Conflict when another client has changed the object, NotFound when it
        is gone. A refused status causes an Event, because no condition can show it.
        """
        resource = observed.resource
        old, new = resource.status, build_status(observed, decided, books=books, now=now)
        self.is_behind = False
        if not differs(old, new):
            return None
        since = time.monotonic() - self._written_at
        if since < STATUS_INTERVAL_SECONDS and not differs_in_more_than_numbers(old, new):
            self.is_behind = True
            return None
        metadata = resource.metadata
        try:
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
        self._written_at = time.monotonic()
        # What follows from the status, such as deletions of counted Jobs, rests on this answer.
        rest_on(self._written_at)
        count_items(old.items, new.items)
        for event in build_events(old, new, decided):
            await self._record(resource, event)
        return WorkQueueJob.from_manifest(manifest)

    async def record_refusal(
        self, resource: WorkQueueJob, reason: str, refusal: ClusterError
    ) -> None:
        """Write an Event about a refused request, once for each message however often it comes."""
        message = str(refusal)
        if self._refusals.get(reason) != message:
            self._refusals[reason] = message
            await self._record(resource, Event(EventType.WARNING, reason, "Reconcile", message))

    async def _record(self, resource: WorkQueueJob, event: Event) -> None:
        _log.info("event recorded", reason=event.reason, note=event.message)
        # An Event tells what has just been done or refused.
        rest_on(time.monotonic())
        manifest = build_event(resource, event, instance=self._instance, now=datetime.now(UTC))
        try:
            await self._cluster.create_event(resource.metadata.namespace, manifest)
        except ClusterError as error:
            _log.warning("an Event was not written", error=str(error))


def _to_patch(status: WorkQueueJobStatus) -> dict[str, Any]:
    """Return a JSON merge patch, in which null removes a field that is not known any more."""
    patch: dict[str, Any] = status.model_dump(mode="json", by_alias=True)
    return {key: None if value == [] else value for key, value in patch.items()}
