"""Reconciles one WorkQueueJob, one step after the other, for as long as it exists.

observe → plan → apply → status → events. Each actor is a task of its own, so that a broken
WorkQueueJob delays no other. Nothing is decided here.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from workqueuejob.api import WorkQueueJob
from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.controller.applying import apply_actions
from workqueuejob.controller.measuring import QueueMeasuring, QueueMeter
from workqueuejob.controller.obstacles import OBSTACLES, Obstacles
from workqueuejob.controller.pods import REREAD_SECONDS, PodWatchman
from workqueuejob.controller.reporting import STATUS_INTERVAL_SECONDS, Reporter
from workqueuejob.controller.reports import WorkerReports
from workqueuejob.controller.store import JobStore
from workqueuejob.errors import ClusterError, Conflict, QueueError
from workqueuejob.metrics import RECONCILE_ERRORS, RECONCILES
from workqueuejob.names import UID_LABEL
from workqueuejob.planning.actions import Action
from workqueuejob.planning.depth import Measurement
from workqueuejob.planning.evidence import Evidence, gather_evidence
from workqueuejob.planning.history import list_expired
from workqueuejob.planning.job_manifest import WorkerImage
from workqueuejob.planning.limits import time_left
from workqueuejob.planning.log_spans import restrict
from workqueuejob.planning.observed import Observed, ObservedJob
from workqueuejob.planning.ownership import is_own_job
from workqueuejob.planning.plan import plan
from workqueuejob.planning.situation import RECHECK_SECONDS, Plan
from workqueuejob.planning.verdict import find_end
from workqueuejob.queues.hosts import ALL_HOSTS, AllowedHosts

_log = structlog.get_logger(__name__)

_MEASUREMENT_TIMEOUT_SECONDS = 5.0
_BROKEN_QUEUE_RECHECK_SECONDS = 2.0
_RESYNC_SECONDS = 60.0
_FIRST_RETRY_SECONDS = 0.5
_LONGEST_RETRY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all actors share.

    instance: the operator's own name, for Events.
    worker_image: what injected workers are copied from.
    allowed_hosts: those that may be connected to as brokers.
    """

    cluster: ClusterAPI
    meter: QueueMeter
    instance: str
    worker_image: WorkerImage
    allowed_hosts: AllowedHosts = ALL_HOSTS


class Actor:
    """One WorkQueueJob's reconcile loop and what it remembers between two rounds."""

    def __init__(self, surroundings: Surroundings, resource: WorkQueueJob) -> None:
        self._cluster = surroundings.cluster
        self._loop = asyncio.get_running_loop()
        self._awake = asyncio.Event()
        self._awake.set()
        self.resource = resource
        self.store = JobStore()
        self._queue = QueueMeasuring(
            self._cluster,
            surroundings.meter,
            self._wake_from_thread,
            allowed_hosts=surroundings.allowed_hosts,
        )
        self._worker_image = surroundings.worker_image
        self._obstacles = Obstacles(surroundings.worker_image)
        self._reports = WorkerReports(resource.metadata.namespace)
        self._pods = PodWatchman()
        self._evidence = Evidence()
        self._listed_at: float | None = None
        self._reporter = Reporter(self._cluster, surroundings.instance)
        self._retry_seconds = _FIRST_RETRY_SECONDS
        self._failing: str | None = None
        self.busy_since: float | None = None
        self._task = asyncio.create_task(self._run(), name=f"actor {resource.metadata.name}")

    def update(self, resource: WorkQueueJob) -> None:
        """Take in a newer version of the object."""
        if self._take_in(resource):
            self.wake()

    def _take_in(self, resource: WorkQueueJob) -> bool:
        known, new = self.resource.metadata, resource.metadata
        if int(new.resource_version) <= int(known.resource_version):
            return False
        self.resource = resource
        return True

    def put_job(self, manifest: Mapping[str, Any]) -> None:
        """Take in a Job from the watch, if it is one of ours."""
        if is_own_job(manifest, self.resource) and self.store.put(manifest):
            self.wake()

    def remove_job(self, manifest: Mapping[str, Any]) -> None:
        """Take in a Job's deletion; what is deleted under its name elsewhere means nothing."""
        metadata = manifest["metadata"]
        if is_own_job(manifest, self.resource) and self.store.remove(
            metadata["name"], uid=metadata["uid"]
        ):
            self.wake()

    def put_pod(self, manifest: Mapping[str, Any], *, is_gone: bool) -> None:
        """Take in a pod that calls itself a worker's, or its deletion, from the watch."""
        if self._reports.put(manifest, is_gone=is_gone):
            # What it has settled must not be in a measurement that it is counted beside.
            self.store.touch()
            self.wake()

    def wake(self) -> None:
        """Reconcile soon."""
        self._awake.set()

    async def close(self) -> None:
        """End the loop; what is under way is abandoned, which any step survives."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    def _wake_from_thread(self) -> None:
        # The loop is closed when the operator ends before the meter's thread does.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.wake)

    async def _run(self) -> None:
        metadata = self.resource.metadata
        structlog.contextvars.bind_contextvars(namespace=metadata.namespace, name=metadata.name)
        try:
            while True:
                self._awake.clear()
                delay = await self._step()
                await self._sleep(delay)
        finally:
            self._queue.close()

    async def _sleep(self, seconds: float | None) -> None:
        """Wait until woken, at most so long; None: for ever."""
        # Not wait_for: before Python 3.12 it may swallow a cancellation.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._awake.wait()

    async def _step(self) -> float | None:
        """Reconcile once; return the seconds after which to do so again unasked."""
        self.busy_since = time.monotonic()
        try:
            with RECONCILES.time():
                delay = await self._reconcile()
        except Conflict:
            # Somebody else wrote in between: the watch brings it, or we list again.
            self._listed_at = None
            return 0.2
        except ClusterError as error:
            return self._back_off(error.reason, error)
        except Exception as error:  # noqa: BLE001 - one object's bug must not end its neighbours
            return self._back_off(type(error).__name__, error)
        finally:
            self.busy_since = None
        self._retry_seconds = _FIRST_RETRY_SECONDS
        if self._failing is not None:
            self._failing = None
            _log.info("reconciling again")
        return delay

    def _back_off(self, reason: str, error: Exception) -> float:
        RECONCILE_ERRORS.labels(reason).inc()
        if self._failing != reason:
            self._failing = reason
            _log.error(
                "reconcile failed",
                reason=reason,
                error=str(error),
                exc_info=None if isinstance(error, ClusterError) else error,
            )
        delay = self._retry_seconds * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
        self._retry_seconds = min(_LONGEST_RETRY_SECONDS, self._retry_seconds * 2)
        return delay

    async def _reconcile(self) -> float | None:
        resource = self.resource
        if resource.metadata.deletion_timestamp is not None:
            self._queue.close()
            return None
        if _is_over(resource):
            self._queue.close()
            return await self._retire(resource)
        await self._list_jobs_if_due()
        await self._obstacles.check(self._cluster, resource)
        await self._queue.follow(resource)
        observed = await self._observe(resource)
        now = datetime.now(UTC)
        self._evidence = gather_evidence(self._evidence, observed, now=now)
        decided = plan(observed, self._evidence, now=now)
        try:
            await self._apply(resource, decided.actions)
        except OBSTACLES as obstacle:
            self._obstacles.meet(obstacle)
            _log.warning("no Job could be made", reason=obstacle.reason)
            observed = await self._with_current_jobs(observed)
            decided = plan(observed, self._evidence, now=now)
        else:
            if decided.actions:
                self._obstacles.clear()
                observed = await self._with_current_jobs(observed)
        written = await self._reporter.report(observed, decided, now=now)
        if written is not None:
            self._take_in(written)
        await self._apply(self.resource, decided.deletions)
        if _is_over(self.resource):
            return 0.0
        return self._next_delay(decided)

    async def _retire(self, resource: WorkQueueJob) -> float | None:
        """Delete what is not to be kept of a run that is over; return when to look again."""
        left = time_left(resource, now=datetime.now(UTC))
        if left is not None and left <= timedelta():
            metadata = resource.metadata
            await self._cluster.delete_work_queue_job(
                metadata.namespace,
                metadata.name,
                uid=metadata.uid,
                resource_version=metadata.resource_version,
            )
            _log.info("deleted", reason="ttlSecondsAfterFinished is over")
            return None
        expired = list_expired(resource, self.store.jobs)
        await self._apply(resource, expired)
        if expired:
            return RECHECK_SECONDS
        return left.total_seconds() if left is not None else None

    async def _apply(self, resource: WorkQueueJob, actions: tuple[Action, ...]) -> None:
        await apply_actions(
            self._cluster, resource, self.store, actions, worker_image=self._worker_image
        )

    async def _list_jobs_if_due(self) -> None:
        """List at first, and now and then: a watch may miss a deletion while it reconnects."""
        now = time.monotonic()
        busy = any(not job.state.is_terminal for job in self.store.jobs)
        if self._listed_at is not None and not (busy and now - self._listed_at >= _RESYNC_SECONDS):
            return
        metadata = self.resource.metadata
        jobs, resource_version = await self._cluster.list_jobs(
            metadata.namespace, label_selector=f"{UID_LABEL}={metadata.uid}"
        )
        # Anyone may write a label.
        ours = [job for job in jobs if is_own_job(job, self.resource)]
        self.store.replace_all(ours, resource_version=resource_version)
        self._listed_at = now

    async def _observe(self, resource: WorkQueueJob) -> Observed:
        """Return the Jobs and a measurement that started after they were last seen to change."""
        problem = await self._pods.look(self._cluster, resource, self.store.jobs)
        terminating = (
            self._pods.sees_deleted_pods
            and await self._obstacles.is_namespace_terminating(self._cluster, resource)
        )
        jobs, measurement = await self._measure_after_jobs()
        return Observed(
            resource=resource,
            jobs=await self._reports.attach(self._cluster, resource, jobs),
            measurement=restrict(measurement, resource) if measurement else None,
            obstacle=self._obstacles.current,
            pod_problem=problem,
            namespace_terminating=terminating,
        )

    async def _measure_after_jobs(self) -> tuple[tuple[ObservedJob, ...], Measurement | None]:
        jobs, changed_at = self.store.jobs, self.store.changed_at
        deadline = time.monotonic() + _MEASUREMENT_TIMEOUT_SECONDS
        asked = False
        while True:
            latest = self._queue.latest
            if latest is not None and (
                isinstance(latest.result, QueueError) or latest.started > changed_at
            ):
                return jobs, latest
            if not asked:
                self._queue.request()
                asked = True
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return jobs, None
            self._awake.clear()
            await self._sleep(remaining)
            self._awake.set()

    async def _with_current_jobs(self, observed: Observed) -> Observed:
        jobs = await self._reports.attach(self._cluster, observed.resource, self.store.jobs)
        return replace(observed, jobs=jobs, obstacle=self._obstacles.current)

    def _next_delay(self, decided: Plan) -> float | None:
        delays = [decided.recheck_after_seconds, self._obstacles.retry_after_seconds]
        if self._reporter.is_behind:
            delays.append(STATUS_INTERVAL_SECONDS)
        if self._queue.is_broken:
            delays.append(_BROKEN_QUEUE_RECHECK_SECONDS)
        if self._pods.is_waiting:
            delays.append(REREAD_SECONDS)
        known = [delay for delay in delays if delay is not None]
        return min(known) if known else None


def _is_over(resource: WorkQueueJob) -> bool:
    """Return whether the run has ended and its status says so for the current spec."""
    return (
        find_end(resource.status.conditions) is not None
        and resource.status.observed_generation == resource.metadata.generation
    )
