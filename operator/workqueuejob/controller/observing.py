"""Observes what a plan is made from: a run's Jobs, their pods and its queue. Decides nothing.

The Jobs come first, and then a measurement that started after they were last seen to change. An
older measurement may count an item that a pod has settled since.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from workqueuejob.api import WorkQueueJob
from workqueuejob.brokers.depth import Measurement
from workqueuejob.cluster.observation import LONGEST_AGE_SECONDS, rest_on
from workqueuejob.controller.execution import Execution
from workqueuejob.controller.failed_pods import FailedPods
from workqueuejob.controller.queue_follower import QueueFollower
from workqueuejob.controller.store import JobStore
from workqueuejob.controller.stuck_pods import STUCK_PODS_REREAD_SECONDS, StuckPodWatchman
from workqueuejob.controller.surroundings import Surroundings
from workqueuejob.controller.waiting_pods import WaitingPodWatchman
from workqueuejob.controller.worker_reports import WorkerReports
from workqueuejob.errors import QueueError
from workqueuejob.planning.ledger.spans import restrict
from workqueuejob.planning.observing.observed import Observed, ObservedJob
from workqueuejob.planning.observing.ownership import is_own_job
from workqueuejob.planning.observing.stuck_pods import mark_stuck

_MEASUREMENT_TIMEOUT_SECONDS = 5.0
_RECENT_SECONDS = LONGEST_AGE_SECONDS / 2
"""The age of a depth that leaves time to plan and to write."""
_RELIST_SECONDS = 60.0
"""How old the list of Jobs may be while one of them is not over."""

Wait = Callable[[float], Awaitable[None]]
"""Waits until there is news, for at most so many seconds."""


class Observer:
    """Observes one WorkQueueJob, and remembers what its pods have shown."""

    def __init__(
        self,
        surroundings: Surroundings,
        store: JobStore,
        *,
        queue: QueueFollower,
        execution: Execution,
        namespace: str,
    ) -> None:
        self._cluster = surroundings.cluster
        self._job_lists = surroundings.job_lists
        self._store = store
        self._queue = queue
        self._execution = execution
        self._reports = WorkerReports(namespace)
        self._pods = WaitingPodWatchman()
        self._stuck = StuckPodWatchman()
        self._failed = FailedPods()
        self._listed_at: float | None = None
        self._demands_recent = False

    @property
    def has_listed(self) -> bool:
        """Whether the Jobs were listed and `forget_list` was not called since."""
        return self._listed_at is not None

    def forget_list(self) -> None:
        """Let the Jobs be listed in the next round, because what is known may be out of date."""
        self._listed_at = None

    async def list_jobs_if_due(self, resource: WorkQueueJob) -> None:
        """List the Jobs in the first round, and again while one is not over; raises ClusterError.

        The watch brings them in between, but may miss a deletion while it reconnects.
        """
        now = time.monotonic()
        is_any_left = any(not job.state.is_terminal for job in self._store.jobs)
        is_old = self._listed_at is not None and now - self._listed_at >= _RELIST_SECONDS
        if self._listed_at is not None and not (is_any_left and is_old):
            return
        metadata = resource.metadata
        jobs, resource_version = await self._job_lists.list_jobs(metadata.namespace, metadata.uid)
        # Labels can be forged, so the owner decides.
        own = [job for job in jobs if is_own_job(job, resource)]
        self._store.replace_all(own, resource_version=resource_version)
        self._listed_at = now

    @property
    def look_again_after_seconds(self) -> tuple[float | None, float | None]:
        """Seconds until pods that don't start, or don't end, are looked at again; None: never."""
        stuck = STUCK_PODS_REREAD_SECONDS if self._stuck.is_waiting else None
        return self._pods.look_again_after_seconds, stuck

    def put_pod(self, manifest: Mapping[str, Any], *, is_gone: bool) -> bool:
        """Take in a pod with the worker's label, or its deletion; return whether it is news."""
        if not self._reports.put(manifest, is_gone=is_gone):
            return False
        # The items that it reports as settled must not be in the measurement beside them.
        self._store.touch()
        return True

    def demand_recent(self) -> None:
        """Let the next observation have a depth that is recent enough to write by."""
        self._demands_recent = True

    async def observe(self, resource: WorkQueueJob, wait: Wait) -> Observed:
        """Return the Jobs, and a measurement that started after they were last seen to change.

        The measurement is None if there is none within _MEASUREMENT_TIMEOUT_SECONDS. What is
        written next rests on the older of the two. Raises ClusterError.
        """
        rest_on(time.monotonic())
        problem = await self._pods.look(self._cluster, resource, self._store.jobs)
        terminating = await self._execution.obstacles.is_namespace_terminating(
            self._cluster, resource, is_suspected=self._pods.sees_deleted_pods
        )
        stuck = await self._stuck.look(self._cluster, resource, self._store.jobs)
        jobs, measurement, observed_at = await self._measure_after_jobs(wait)
        rest_on(observed_at)
        return Observed(
            resource=resource,
            jobs=await self._complete(resource, jobs),
            measurement=restrict(measurement, resource) if measurement else None,
            obstacle=self._execution.obstacle,
            pod_problem=problem,
            namespace_terminating=terminating,
            stuck_pods=stuck,
        )

    async def with_current_jobs(self, observed: Observed) -> Observed:
        """Return the same with the Jobs as they are after a plan was carried out."""
        jobs = await self._complete(observed.resource, self._store.jobs)
        return replace(observed, jobs=jobs, obstacle=self._execution.obstacle)

    async def _measure_after_jobs(
        self, wait: Wait
    ) -> tuple[tuple[ObservedJob, ...], Measurement | None, float]:
        """Return the Jobs, the measurement, and when the older of the two was true."""
        jobs, changed_at, read_at = self._store.jobs, self._store.changed_at, time.monotonic()
        deadline = read_at + _MEASUREMENT_TIMEOUT_SECONDS
        demands_recent, self._demands_recent = self._demands_recent, False
        asked = False
        while True:
            latest = self._queue.latest
            if latest is not None:
                if isinstance(latest.result, QueueError):
                    return jobs, latest, read_at
                is_recent = time.monotonic() - latest.answered_at <= _RECENT_SECONDS
                if latest.started > changed_at and (is_recent or not demands_recent):
                    return jobs, latest, min(read_at, latest.answered_at)
            if not asked:
                self._queue.request()
                asked = True
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return self._store.jobs, None, time.monotonic()
            await wait(remaining)

    async def _complete(
        self, resource: WorkQueueJob, jobs: tuple[ObservedJob, ...]
    ) -> tuple[ObservedJob, ...]:
        """Return the Jobs with what their pods show: stuck ones, reports, and failures."""
        marked = mark_stuck(jobs, self._stuck.pods)
        reported = await self._reports.attach(self._cluster, resource, marked)
        return await self._failed.attach(self._cluster, resource, reported)
