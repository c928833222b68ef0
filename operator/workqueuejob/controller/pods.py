"""Looks at pods, but only when a Job's own numbers say that some don't start."""

import time

from workqueuejob.api import WorkQueueJob
from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.names import UID_LABEL
from workqueuejob.planning.observed import ObservedJob, PodProblem
from workqueuejob.planning.pod_reading import find_pod_problem, is_pod_missing, missing_pods

_PATIENCE_SECONDS = 5.0
_REREAD_SECONDS = 5.0
_SAMPLE = 50


class PodWatchman:
    """Finds out why the pods of one WorkQueueJob don't start."""

    def __init__(self) -> None:
        self._waiting_since: float | None = None
        self._read_at = 0.0
        self._problem: PodProblem | None = None

    async def look(
        self, cluster: ClusterAPI, resource: WorkQueueJob, jobs: tuple[ObservedJob, ...]
    ) -> PodProblem | None:
        """Return the problem, if pods have not been starting for some seconds.

        Raises ClusterError.
        """
        now = time.monotonic()
        missing = [job for job in jobs if is_pod_missing(job)]
        if not missing and all(job.ready >= job.active for job in jobs):
            self._waiting_since = self._problem = None
            return None
        self._waiting_since = self._waiting_since or now
        if now - self._waiting_since < _PATIENCE_SECONDS:
            return self._problem
        if now - self._read_at >= _REREAD_SECONDS:
            self._read_at = now
            pods = await cluster.list_pods(
                resource.metadata.namespace,
                label_selector=f"{UID_LABEL}={resource.metadata.uid}",
                field_selector="status.phase=Pending",
                limit=_SAMPLE,
            )
            self._problem = find_pod_problem(pods) or missing_pods(missing)
        return self._problem
