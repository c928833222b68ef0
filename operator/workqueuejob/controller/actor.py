"""Reconciles one WorkQueueJob, round after round, as long as it exists.

observe → reckon → plan → apply → status → events. Each actor is a task of its own, so that a broken
WorkQueueJob delays no other. Nothing is decided here.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import structlog

from workqueuejob.api import WorkQueueJob
from workqueuejob.controller.execution import Execution
from workqueuejob.controller.observing import Observer
from workqueuejob.controller.queue_follower import QueueFollower
from workqueuejob.controller.retrying import Retrying
from workqueuejob.controller.status_writer import STATUS_INTERVAL_SECONDS, StatusWriter
from workqueuejob.controller.store import JobStore
from workqueuejob.controller.surroundings import Surroundings
from workqueuejob.errors import ClusterError, ClusterUnavailable, Conflict, NotFound
from workqueuejob.metrics import RECONCILES
from workqueuejob.names import UID_LABEL
from workqueuejob.planning.actions import list_never_started
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.evidence.evidence import Evidence, gather_evidence
from workqueuejob.planning.ledger.books import Books, reckon
from workqueuejob.planning.observing.observed import Observed
from workqueuejob.planning.observing.ownership import is_own_job
from workqueuejob.planning.plan import plan
from workqueuejob.planning.rules.secret_age import is_at_work, needs_current_secrets
from workqueuejob.planning.verdict import find_end

_log = structlog.get_logger(__name__)

_RESYNC_SECONDS = 60.0
"""The longest time between two lists of the Jobs of a run that has unfinished ones."""


class Actor:
    """One WorkQueueJob's reconcile loop and what it remembers between two rounds."""

    def __init__(
        self,
        surroundings: Surroundings,
        resource: WorkQueueJob,
        *,
        on_gone: Callable[["Actor"], None] = lambda _: None,
    ) -> None:
        """Begin to reconcile.

        on_gone: called when the object is gone and the actor found out by itself, not by a watch.
        """
        self._cluster = surroundings.cluster
        self._loop = asyncio.get_running_loop()
        self._awake = asyncio.Event()
        self._awake.set()
        self._edited = asyncio.Event()
        self.resource = resource
        self._on_gone = on_gone
        self._turns = surroundings.turns
        self.store = JobStore()
        self._queue = QueueFollower(
            surroundings.secrets,
            surroundings.meter,
            self._wake_from_thread,
            allowed_hosts=surroundings.allowed_hosts,
        )
        self._evidence = Evidence()
        self._evidence_of = 0
        self._listed_at: float | None = None
        self._status_writer = StatusWriter(self._cluster, surroundings.instance)
        self._execution = Execution(
            self._cluster, self.store, self._status_writer, worker_image=surroundings.worker_image
        )
        self._observer = Observer(
            self._cluster,
            self.store,
            queue=self._queue,
            execution=self._execution,
            namespace=resource.metadata.namespace,
        )
        self._retrying = Retrying()
        self.busy_since: float | None = None
        self._task = asyncio.create_task(self._run(), name=f"actor {resource.metadata.name}")

    def update(self, resource: WorkQueueJob) -> None:
        """Take in a newer version of the object."""
        generation = self.resource.metadata.generation
        if self._take_in(resource):
            if resource.metadata.generation != generation:
                self._edited.set()
            self.wake()

    def _take_in(self, resource: WorkQueueJob) -> bool:
        """Go on with this version of the object if it is newer; return whether it is."""
        known, new = self.resource.metadata, resource.metadata
        if int(new.resource_version) <= int(known.resource_version):
            return False
        self.resource = resource
        return True

    def put_job(self, manifest: Mapping[str, Any]) -> None:
        """Take in a Job from the watch, if it is one of the run's."""
        if is_own_job(manifest, self.resource) and self.store.put(manifest):
            self.wake()

    def remove_job(self, manifest: Mapping[str, Any]) -> None:
        """Take in a Job's deletion, if it is one of the run's. Its name alone proves nothing."""
        metadata = manifest["metadata"]
        if is_own_job(manifest, self.resource) and self.store.remove(
            metadata["name"], uid=metadata["uid"]
        ):
            self.wake()

    def put_pod(self, manifest: Mapping[str, Any], *, is_gone: bool) -> None:
        """Take in a pod with a worker's label, or its deletion, from the watch."""
        if self._observer.put_pod(manifest, is_gone=is_gone):
            self.wake()

    def wake(self) -> None:
        """Reconcile soon."""
        self._awake.set()

    async def close(self) -> None:
        """End the loop. The step that is under way is abandoned, which any step can be."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    def _wake_from_thread(self) -> None:
        """Reconcile soon; the meter's thread calls this."""
        # The loop is closed when the operator ends before the meter's thread does.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.wake)

    async def _run(self) -> None:
        """Reconcile until the object is gone or the task is cancelled."""
        metadata = self.resource.metadata
        structlog.contextvars.bind_contextvars(namespace=metadata.namespace, name=metadata.name)
        try:
            while True:
                await self._turns.take()
                self._awake.clear()
                self._edited.clear()
                delay = await self._step()
                lasting = self._retrying.is_lasting
                await self._sleep(delay, self._edited if lasting else self._awake)
        except _Gone:
            _log.info("the object is gone", reason="found by looking, not told by the watch")
            self._on_gone(self)
        finally:
            self._queue.close()

    async def _sleep(self, seconds: float | None, woken: asyncio.Event) -> None:
        """Wait until woken, at most so long; None: without a limit."""
        # Not wait_for: before Python 3.12 it may swallow a cancellation.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await woken.wait()

    async def _wait_for_news(self, seconds: float) -> None:
        """Wait for a wake-up within a round; another round follows this one all the same."""
        self._awake.clear()
        await self._sleep(seconds, self._awake)
        self._awake.set()
        await self._turns.take()

    async def _step(self) -> float | None:
        """Reconcile once; return the seconds after which to do so again unasked."""
        self.busy_since = time.monotonic()
        try:
            with RECONCILES.time():
                delay = await self._reconcile()
        except Conflict as conflict:
            # Another client wrote in between: the watch brings the object, and the Jobs are listed.
            self._listed_at = None
            return self._retrying.meet_conflict(conflict)
        except NotFound as error:
            return await self._look_for_object(error)
        except _Gone:
            raise
        except ClusterError as error:
            if isinstance(error, ClusterUnavailable):
                self._execution.forget_refusals()
            return self._retrying.meet(error.reason, error)
        except Exception as error:  # noqa: BLE001 - one object's bug must not end its neighbours
            return self._retrying.meet(type(error).__name__, error)
        finally:
            self.busy_since = None
        self._retrying.succeed()
        return delay

    async def _look_for_object(self, error: NotFound) -> float:
        """Find out whether it is the object itself that is gone; return the seconds to wait."""
        self._listed_at = None
        try:
            await self._reread()
        except ClusterError as unknown:
            return self._retrying.meet(unknown.reason, unknown)
        return self._retrying.meet_conflict(error)

    async def _reread(self) -> None:
        """Read the object, and forget the Jobs, because the watches may show both late or never.

        What is read now is right even if its version is lower, as after a restored backup. Raises
        _Gone if the object is gone.
        """
        metadata = self.resource.metadata
        manifest = await self._cluster.read_work_queue_job(metadata.namespace, metadata.name)
        if manifest is None or manifest["metadata"]["uid"] != metadata.uid:
            raise _Gone
        self.resource = WorkQueueJob.from_manifest(manifest)
        self.store.clear()

    async def _reconcile(self) -> float | None:
        """Do what the run needs now; return the seconds after which to look again unasked.

        A step that fails or is abandoned costs nothing but time: what was done stays done, and the
        next round begins with what the API server and the broker show then.

        None: nothing is due before the next change. Raises ClusterError, and _Gone if the object is
        gone.
        """
        # After conflicts in a row the watch may be behind: read the object itself.
        if self._listed_at is None and self._retrying.is_repeated:
            await self._reread()
        resource = self.resource
        # An object that is being deleted takes its Jobs with it.
        if resource.metadata.deletion_timestamp is not None:
            self._queue.close()
            return None
        # A run that has ended needs no queue. Delete what is not to be kept of it, and answer a
        # change of its spec.
        if find_end(resource.status.conditions) is not None:
            self._queue.close()
            delay = await self._execution.retire(resource)
            await self._acknowledge(resource)
            return delay
        # The watches bring the Jobs, but may miss a deletion, so they are also listed now and then.
        await self._list_jobs_if_due()
        # Have the queue measured that spec and Secrets lead to by now, which may be another one.
        await self._queue.follow(resource)
        self._forget_former_queue()
        # Look at the Jobs and then at the queue, and reckon the books of what was seen. Evidence,
        # rules and status all use these.
        observed = await self._observer.observe(resource, self._wait_for_news)
        books = reckon(observed)
        # Before the first Job of a template, ask the API server whether it takes one. The answer
        # is part of what is observed.
        if self._is_check_wanted(observed, books):
            await self._execution.obstacles.check(self._cluster, resource)
            observed = await self._observer.observe(resource, self._wait_for_news)
            books = reckon(observed)
        # Decide, by this observation and the evidence of those before it.
        now = datetime.now(UTC)
        self._evidence = gather_evidence(self._evidence, observed, books=books, now=now)
        decided = plan(observed, self._evidence, books=books, now=now)
        # A plan that must not rest on an older Secret begins again with the current one.
        if not await self._rests_on_current_secrets(observed, decided):
            return 0.0
        # Carry it out, and look at the Jobs again where that has changed them.
        observed, books, decided = await self._carry_out(observed, decided, books=books, now=now)
        # Write the status, once, and then the Events that tell of it.
        await self._write_status(observed, decided, books=books, now=now)
        # Delete finished Jobs beyond the limits: a status of an earlier round has recorded them.
        await self._execution.expire(self.resource, decided.deletions)
        # A run that ended just now begins its next round at once, which is that of an ended run.
        if find_end(self.resource.status.conditions) is not None:
            return 0.0
        return self._next_delay(decided)

    def _is_check_wanted(self, observed: Observed, books: Books) -> bool:
        """Return whether to ask the API server first if it takes Jobs of this template."""
        now = datetime.now(UTC)
        evidence = gather_evidence(self._evidence, observed, books=books, now=now)
        wanted = plan(observed, evidence, books=books, now=now).actions
        return self._execution.is_check_wanted(observed.resource, wanted)

    async def _carry_out(
        self, observed: Observed, decided: Plan, *, books: Books, now: datetime
    ) -> tuple[Observed, Books, Plan]:
        """Do what is planned; return the Jobs and books after it, and the plan as it was done.

        Where no Job could be made, it is the plan which says so.
        """
        done = await self._execution.carry_out(observed.resource, decided)
        if decided.actions:
            observed = await self._observer.with_current_jobs(observed)
            withdrawn = list_never_started(done.actions if done else ())
            books = reckon(observed, never_started=withdrawn)
        return observed, books, done or plan(observed, self._evidence, books=books, now=now)

    async def _acknowledge(self, resource: WorkQueueJob) -> None:
        """Say what a change of spec after the end comes to, without a look at Jobs or queue."""
        observed, now = Observed(resource, jobs=(), measurement=None), datetime.now(UTC)
        books = reckon(observed)
        decided = plan(observed, self._evidence, books=books, now=now)
        await self._write_status(observed, decided, books=books, now=now)

    async def _write_status(
        self, observed: Observed, decided: Plan, *, books: Books, now: datetime
    ) -> None:
        """Write the status if it is worth it, and go on with the object as it is stored then."""
        written = await self._status_writer.write(observed, decided, books=books, now=now)
        if written is not None:
            self._take_in(written)

    async def _list_jobs_if_due(self) -> None:
        """List the Jobs at first, and now and then: a watch that reconnects may miss a deletion."""
        now = time.monotonic()
        busy = any(not job.state.is_terminal for job in self.store.jobs)
        if self._listed_at is not None and not (busy and now - self._listed_at >= _RESYNC_SECONDS):
            return
        metadata = self.resource.metadata
        jobs, resource_version = await self._cluster.list_jobs(
            metadata.namespace, label_selector=f"{UID_LABEL}={metadata.uid}"
        )
        # Anyone may write a label.
        own_jobs = [job for job in jobs if is_own_job(job, self.resource)]
        self.store.replace_all(own_jobs, resource_version=resource_version)
        self._listed_at = now

    def _forget_former_queue(self) -> None:
        """Drop the evidence if Secrets or spec lead to another queue, of which it says nothing."""
        if self._evidence_of != self._queue.changes:
            self._evidence_of = self._queue.changes
            self._evidence = Evidence(pace=self._evidence.pace)

    async def _rests_on_current_secrets(self, observed: Observed, decided: Plan) -> bool:
        """Return whether the plan may be carried out with what is known of the Secrets."""
        self._queue.is_at_work = is_at_work(observed)
        measurement = observed.measurement
        if measurement is None or not needs_current_secrets(observed, decided):
            return True
        return await self._queue.confirm(observed.resource, measurement)

    def _next_delay(self, decided: Plan) -> float | None:
        """Return the seconds until something is due by itself; None: nothing is."""
        delays = [
            decided.recheck_after_seconds,
            self._execution.retry_after_seconds,
            self._queue.reread_after_seconds,
            *self._observer.look_again_after_seconds,
        ]
        if self._status_writer.is_behind:
            delays.append(STATUS_INTERVAL_SECONDS)
        known = [delay for delay in delays if delay is not None]
        return min(known) if known else None


class _Gone(Exception):
    """The object is not there any more; another one may have its name."""
