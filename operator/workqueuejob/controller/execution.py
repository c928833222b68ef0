"""Carries out the plans of one WorkQueueJob, and remembers what the API server refused.

A refused request keeps no other one from being sent. It is tried again after a growing pause. Until
then the status shows the refusal, or an Event does if the run goes on without the request.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import structlog

from workqueuejob.api import WorkQueueJob
from workqueuejob.controller.applying import Applier
from workqueuejob.controller.obstacles import Obstacles, name_refusal
from workqueuejob.controller.refusals import Refusals
from workqueuejob.controller.status_writer import StatusWriter
from workqueuejob.controller.store import JobStore
from workqueuejob.controller.surroundings import Surroundings
from workqueuejob.errors import ClusterError, Conflict, NotWritten, WorkQueueJobError
from workqueuejob.planning.actions import Action, CreateWave
from workqueuejob.planning.decision import RECHECK_SECONDS, Plan
from workqueuejob.planning.rules.hindrances import admit_refusal
from workqueuejob.planning.rules.history import list_expired
from workqueuejob.planning.rules.limits import time_left

_log = structlog.get_logger(__name__)

_REFUSED_DELETION_SECONDS = 30.0


class Execution:
    """The effects of one WorkQueueJob's plans, and its refusals."""

    def __init__(
        self, surroundings: Surroundings, store: JobStore, status_writer: StatusWriter
    ) -> None:
        self._cluster, self._store = surroundings.cluster, store
        self._status_writer = status_writer
        worker_image, installation = surroundings.worker_image, surroundings.installation.name
        self._applier = Applier(self._cluster, store, worker_image, installation)
        self.obstacles = Obstacles(worker_image, installation)
        self._refusals, self._deletions = Refusals(), Refusals()

    @property
    def obstacle(self) -> WorkQueueJobError | None:
        """The refusal that keeps new Jobs from being made, or None."""
        return self.obstacles.current

    @property
    def retry_after_seconds(self) -> float | None:
        """Seconds until a refused request may be tried again, or None if none was refused."""
        sources = (self.obstacles, self._refusals, self._deletions)
        delays = [source.retry_after_seconds for source in sources]
        known = [delay for delay in delays if delay is not None]
        return min(known) if known else None

    def forget_refusals(self) -> None:
        """Let everything be tried again, because the API server may have been away."""
        for refused in (self.obstacles, self._refusals, self._deletions):
            refused.clear()

    def is_check_wanted(self, resource: WorkQueueJob, wanted: tuple[Action, ...]) -> bool:
        """Return whether to ask the API server first if it accepts a Job of this template.

        Changes of existing Jobs go first. wanted: the actions of the plan without that answer.
        """
        is_urgent = any(
            not isinstance(action, CreateWave) and self._refusals.may_try(action)
            for action in wanted
        )
        return not is_urgent and self.obstacles.is_due(resource)

    async def carry_out(self, resource: WorkQueueJob, decided: Plan) -> Plan | None:
        """Carry out the plan, and return it as far as it was carried out.

        None: a Job could not be made, and the plan is void. Raises Conflict and NotWritten.
        """
        try:
            done = await self._applier.apply(resource, decided.actions, self._refusals)
        except (Conflict, NotWritten):
            raise
        except ClusterError as obstacle:
            self.obstacles.meet(obstacle)
            _log.warning("no Job could be made", reason=obstacle.reason)
            return None
        if any(isinstance(action, CreateWave) for action in done):
            self.obstacles.clear()
        refusal = self._refusals.current
        if refusal is None:
            return replace(decided, actions=done)
        return admit_refusal(decided, refusal, done)

    async def expire(self, resource: WorkQueueJob, deletions: tuple[Action, ...]) -> None:
        """Delete Jobs beyond the history limits; write an Event about one that can't be deleted."""
        await self._applier.apply(resource, deletions, self._deletions)
        refusal = self._deletions.current
        if refusal is not None:
            await self._record_refused_deletion(resource, refusal)

    async def retire(self, resource: WorkQueueJob) -> float | None:
        """Delete what is not to be kept of a run that has ended.

        That is the WorkQueueJob after its ttlSecondsAfterFinished, and before, Jobs beyond the
        history limits. Returns the seconds until there may be more to delete, or None.
        """
        left = time_left(resource, now=datetime.now(UTC))
        if left is not None and left <= timedelta():
            return await self._delete(resource)
        expired = list_expired(resource, self._store.jobs)
        await self.expire(resource, expired)
        if expired:
            return self._deletions.retry_after_seconds or RECHECK_SECONDS
        return left.total_seconds() if left is not None else None

    async def _delete(self, resource: WorkQueueJob) -> float | None:
        metadata = resource.metadata
        try:
            await self._cluster.delete_work_queue_job(
                metadata.namespace,
                metadata.name,
                uid=metadata.uid,
                resource_version=metadata.resource_version,
            )
        except (Conflict, NotWritten):
            raise
        except ClusterError as refusal:
            await self._record_refused_deletion(resource, refusal)
            return _REFUSED_DELETION_SECONDS
        _log.info("deleted", reason="ttlSecondsAfterFinished is over")
        return None

    async def _record_refused_deletion(self, resource: WorkQueueJob, refusal: ClusterError) -> None:
        await self._status_writer.record_refusal(
            resource, "DeletionRejected", name_refusal(refusal)
        )
