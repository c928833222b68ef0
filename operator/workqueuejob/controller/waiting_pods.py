"""Lists pods to see why they don't start, but only when a Job's numbers show that some don't."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from workqueuejob.api import WorkQueueJob
from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.names import UID_LABEL
from workqueuejob.planning.observing.lingering_pods import find_left_containers, find_slow_start
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
_FIRST_PAUSE_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 30.0
_SHARE_OF_WAIT = 0.25
_MAX_SAMPLED_PODS = 50


class WaitingPodWatchman:
    """Remembers since when pods of one WorkQueueJob don't start, and why."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting_since: float | None = None
        self._deleting_since: float | None = None
        self._read_at = 0.0
        self._problem: PodProblem | None = None
        self.sees_deleted_pods = False
        """Whether pods have been in deletion for some seconds."""

    @property
    def look_again_after_seconds(self) -> float | None:
        """Seconds until `look` is due again; None if no pod waits.

        The pause is a quarter of the time for which pods have waited, from 5 to 30 seconds. What
        keeps pods waiting for an hour is not looked at every 5 seconds.
        """
        return None if self._waiting_since is None else self._pause_seconds

    @property
    def _pause_seconds(self) -> float:
        # That pods are being deleted is a new question, however long others have waited.
        since = max(self._waiting_since or 0.0, self._deleting_since or 0.0)
        pause_seconds = _SHARE_OF_WAIT * (self._clock() - since)
        return min(_LONGEST_PAUSE_SECONDS, max(_FIRST_PAUSE_SECONDS, pause_seconds))

    async def look(
        self, cluster: ClusterAPI, resource: WorkQueueJob, jobs: tuple[ObservedJob, ...]
    ) -> PodProblem | None:
        """Return the problem, if pods have not started, or not ended, for _PATIENCE_SECONDS.

        Raises ClusterError.
        """
        now = self._clock()
        missing = [job for job in jobs if is_pod_missing(job)]
        if not missing and all(job.ready >= job.active and not job.terminating for job in jobs):
            self._waiting_since = self._deleting_since = self._problem = None
            self.sees_deleted_pods = False
            return None
        self._waiting_since = self._waiting_since or now
        is_deleting = any(job.terminating for job in jobs)
        self._deleting_since = (self._deleting_since or now) if is_deleting else None
        if now - self._waiting_since < _PATIENCE_SECONDS:
            return self._problem
        if now >= self._read_at + self._pause_seconds:
            self._read_at = now
            listed = await cluster.list_pods(
                resource.metadata.namespace,
                label_selector=f"{UID_LABEL}={resource.metadata.uid}",
                field_selector="status.phase!=Succeeded",
                limit=_MAX_SAMPLED_PODS,
            )
            pods = keep_own_pods(listed, jobs)
            self.sees_deleted_pods = is_any_pod_deleted(pods)
            wall = datetime.now(UTC)
            self._problem = (
                find_pod_problem(pods)
                or find_unclaimed_pods(pods, now=wall)
                or find_slow_start(pods, now=wall)
                or find_left_containers(pods, now=wall)
                or find_back_off(pods)
                or missing_pods(missing)
            )
        return self._problem
