"""Lists pods to see why they don't start, but only when a Job's numbers show that some don't."""

import time
from datetime import UTC, datetime

from workqueuejob.api import WorkQueueJob
from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.names import UID_LABEL
from workqueuejob.planning.observing.observed import ObservedJob, PodProblem
from workqueuejob.planning.observing.ownership import keep_own_pods
from workqueuejob.planning.observing.waiting_pods import (
    find_back_off,
    find_pod_problem,
    find_unclaimed_pods,
    is_any_pod_deleted,
    is_pod_missing,
    missing_pods,
)

_PATIENCE_SECONDS = 5.0
WAITING_PODS_REREAD_SECONDS = 5.0
_MAX_SAMPLED_PODS = 50


class WaitingPodWatchman:
    """Remembers since when pods of one WorkQueueJob don't start, and why."""

    def __init__(self) -> None:
        self._waiting_since: float | None = None
        self._read_at = 0.0
        self._problem: PodProblem | None = None
        self.sees_deleted_pods = False
        """Whether pods have been in deletion for some seconds."""

    @property
    def is_waiting(self) -> bool:
        """Whether pods don't start or don't end, so that `look` is due again soon."""
        return self._waiting_since is not None

    async def look(
        self, cluster: ClusterAPI, resource: WorkQueueJob, jobs: tuple[ObservedJob, ...]
    ) -> PodProblem | None:
        """Return the problem, if pods have not started, or not ended, for _PATIENCE_SECONDS.

        Raises ClusterError.
        """
        now = time.monotonic()
        missing = [job for job in jobs if is_pod_missing(job)]
        if not missing and all(job.ready >= job.active and not job.terminating for job in jobs):
            self._waiting_since = self._problem = None
            self.sees_deleted_pods = False
            return None
        self._waiting_since = self._waiting_since or now
        if now - self._waiting_since < _PATIENCE_SECONDS:
            return self._problem
        if now - self._read_at >= WAITING_PODS_REREAD_SECONDS:
            self._read_at = now
            listed = await cluster.list_pods(
                resource.metadata.namespace,
                label_selector=f"{UID_LABEL}={resource.metadata.uid}",
                field_selector="status.phase!=Succeeded",
                limit=_MAX_SAMPLED_PODS,
            )
            pods = keep_own_pods(listed, jobs)
            self.sees_deleted_pods = is_any_pod_deleted(pods)
            self._problem = (
                find_pod_problem(pods)
                or find_unclaimed_pods(pods, now=datetime.now(UTC))
                or find_back_off(pods)
                or missing_pods(missing)
            )
        return self._problem
