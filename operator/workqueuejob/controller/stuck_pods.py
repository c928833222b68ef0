"""Lists pods to find those that don't end, but only when a Job has waited for one for a while."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from workqueuejob.api import WorkQueueJob
from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.names import JOB_LABEL
from workqueuejob.planning.observing.observed import ObservedJob, StuckPod
from workqueuejob.planning.observing.ownership import read_job_uid
from workqueuejob.planning.observing.stuck_pods import find_stuck_pods

PATIENCE_SECONDS = 20.0
STUCK_PODS_REREAD_SECONDS = 10.0


class StuckPodWatchman:
    """Remembers since when Jobs wait for terminating pods, and which pods are stuck."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[str, float] = {}
        self._read_at: dict[str, float] = {}
        self._found: dict[str, tuple[StuckPod, ...]] = {}

    @property
    def pods(self) -> tuple[StuckPod, ...]:
        """The stuck pods that the last listing of each Job showed."""
        return tuple(pod for pods in self._found.values() for pod in pods)

    @property
    def is_waiting(self) -> bool:
        """Whether a Job waits for a terminating pod, so that `look` is due again soon."""
        return bool(self._since)

    async def look(
        self, cluster: ClusterAPI, resource: WorkQueueJob, jobs: tuple[ObservedJob, ...]
    ) -> tuple[StuckPod, ...]:
        """Return the pods that should have ended long ago, by `find_stuck_pods`' rule.

        Raises ClusterError.
        """
        now = self._clock()
        uids = {job.name: job.uid for job in jobs if job.terminating}
        waited_for = uids.keys()
        self._since = {name: self._since.get(name, now) for name in waited_for}
        self._found = {name: pods for name, pods in self._found.items() if name in waited_for}
        for name, since in self._since.items():
            due = max(
                since + PATIENCE_SECONDS, self._read_at.get(name, 0.0) + STUCK_PODS_REREAD_SECONDS
            )
            if now >= due:
                self._read_at[name] = now
                pods = await cluster.list_pods(
                    resource.metadata.namespace,
                    label_selector=f"{JOB_LABEL}={name}",
                    field_selector="status.phase!=Succeeded,status.phase!=Failed",
                )
                # Labels can be forged, so the owner decides.
                own = [pod for pod in pods if read_job_uid(pod) == uids[name]]
                self._found[name] = find_stuck_pods(own, now=datetime.now(UTC))
        self._read_at = {name: at for name, at in self._read_at.items() if name in waited_for}
        return self.pods
