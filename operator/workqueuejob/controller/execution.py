"""Carries out the plans of one WorkQueueJob, and remembers what the API server refused.

What is refused keeps nothing else from being done. It is tried again after a growing pause, and
until then is what the status shows, or an Event where it hinders nothing.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import structlog

from workqueuejob.api import WorkQueueJob
from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.controller.applying import apply_actions
from workqueuejob.controller.obstacles import Obstacles, name_refusal
from workqueuejob.controller.refusals import Refusals
from workqueuejob.controller.status_writer import StatusWriter
from workqueuejob.controller.store import JobStore
from workqueuejob.errors import ClusterError, Conflict, NotLeading, WorkQueueJobError
from workqueuejob.planning.actions import Action, CreateWave
from workqueuejob.planning.decision import RECHECK_SECONDS, Plan
from workqueuejob.planning.pods.job_manifest import WorkerImage
from workqueuejob.planning.rules.hindrances import admit_refusal
from workqueuejob.planning.rules.history import list_expired
from workqueuejob.planning.rules.limits import time_left

_log = structlog.get_logger(__name__)

_REFUSED_DELETION_SECONDS = 30.0


class Execution:
    """What is done for one WorkQueueJob, and what is not."""

    def __init__(
        self,
        cluster: ClusterAPI,
        store: JobStore,
        status_writer: StatusWriter,
        *,
        worker_image: WorkerImage,
    ) -> None:
        self._cluster, self._store, self._status_writer = cluster, store, status_writer
        self._worker_image = worker_image
        self.obstacles = Obstacles(worker_image)
        self._refusals, self._deletions = Refusals(), Refusals()

    @property
    def obstacle(self) -> WorkQueueJobError | None:
        """What keeps new Jobs from being made."""
        return self.obstacles.current

    @property
    def retry_after_seconds(self) -> float | None:
        """How long until something that was refused may be tried again; None: nothing was."""
        sources = (self.obstacles, self._refusals, self._deletions)
        known = [delay for one in sources if (delay := one.retry_after_seconds) is not None]
        return min(known) if known else None

    def forget_refusals(self) -> None:
        """Try all again: it may have been the API server that was away."""
        for one in (self.obstacles, self._refusals, self._deletions):
            one.clear()

    def is_check_wanted(self, resource: WorkQueueJob, wanted: tuple[Action, ...]) -> bool:
        """Return whether to ask if a Job would be accepted; changes of other Jobs go first.

        wanted: the actions of the plan without that answer.
        """
        is_urgent = any(
            not isinstance(action, CreateWave) and self._refusals.may_try(action)
            for action in wanted
        )
        return not is_urgent and self.obstacles.is_due(resource)

    async def carry_out(self, resource: WorkQueueJob, decided: Plan) -> Plan | None:
        """Do what is planned; return the plan as far as it was done, None if no Job could be made.

        Raises Conflict and NotLeading.
        """
        try:
            done = await self._apply(resource, decided.actions, self._refusals)
        except (Conflict, NotLeading):
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
        """Delete Jobs that are not to be kept; where one can't be, that is told by an Event."""
        await self._apply(resource, deletions, self._deletions)
        refusal = self._deletions.current
        if refusal is not None:
            await self._tell_refused_deletion(resource, refusal)

    async def retire(self, resource: WorkQueueJob) -> float | None:
        """Delete what is not to be kept of a run that is over; return when to look again."""
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
        except (Conflict, NotLeading):
            raise
        except ClusterError as refusal:
            await self._tell_refused_deletion(resource, refusal)
            return _REFUSED_DELETION_SECONDS
        _log.info("deleted", reason="ttlSecondsAfterFinished is over")
        return None

    async def _tell_refused_deletion(self, resource: WorkQueueJob, refusal: ClusterError) -> None:
        await self._status_writer.record_refusal(
            resource, "DeletionRejected", name_refusal(refusal)
        )

    async def _apply(
        self, resource: WorkQueueJob, actions: tuple[Action, ...], refusals: Refusals
    ) -> tuple[Action, ...]:
        return await apply_actions(
            self._cluster,
            resource,
            self._store,
            actions,
            worker_image=self._worker_image,
            refusals=refusals,
        )
