"""Reconciles one WorkQueueJob: one round from what is there to what the run needs.

observe → reckon → plan → apply → status → events. Decides nothing itself: `plan` does. When there
is a round, and what follows a failed one, the actor decides.
"""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from workqueuejob.api import WorkQueueJob
from workqueuejob.cluster.budget import sending
from workqueuejob.cluster.observation import rest_on
from workqueuejob.controller.execution import Execution
from workqueuejob.controller.next_look import NextLook
from workqueuejob.controller.observing import Observer, Wait
from workqueuejob.controller.queue_follower import QueueFollower
from workqueuejob.controller.status_writer import StatusWriter
from workqueuejob.controller.store import JobStore
from workqueuejob.controller.surroundings import Surroundings
from workqueuejob.controller.tenure import Tenure
from workqueuejob.planning.actions import list_never_started
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.evidence.evidence import (
    Evidence,
    gather_evidence,
    leave_queue,
    note_done,
)
from workqueuejob.planning.ledger.books import Books, reckon
from workqueuejob.planning.observing.observed import Observed
from workqueuejob.planning.observing.ownership import is_own_job
from workqueuejob.planning.pacing.urgency import NUMBERS_INTERVAL_SECONDS, Urgency
from workqueuejob.planning.plan import plan
from workqueuejob.planning.verdict import find_end


class ObjectGone(Exception):
    """The WorkQueueJob does not exist any more; another one may have its name."""


class Reconciler:
    """One WorkQueueJob, and what its rounds remember: Jobs, evidence, refusals, reports."""

    def __init__(
        self,
        surroundings: Surroundings,
        resource: WorkQueueJob,
        *,
        on_measurement: Callable[[], None],
        wait_for_news: Wait,
    ) -> None:
        """Prepare; the meter's thread calls on_measurement, a round awaits wait_for_news."""
        self.resource = resource
        self._cluster = surroundings.cluster
        self._wait_for_news = wait_for_news
        self._store = JobStore()
        self._queue = QueueFollower(
            surroundings.secrets,
            surroundings.meter,
            on_measurement,
            allowed_hosts=surroundings.allowed_hosts,
        )
        self._stalls, self._stall_seen = surroundings.stalls, surroundings.stalls.last_end
        self._evidence, self._evidence_of = Evidence(), 0
        self._next_look = NextLook()
        self._status_writer = StatusWriter(
            self._cluster, surroundings.installation, surroundings.instance, surroundings.budget
        )
        self.tenure = Tenure(surroundings.installation, self._status_writer, self._store)
        self.execution = Execution(surroundings, self._store, self._status_writer)
        self.observer = Observer(
            surroundings,
            self._store,
            queue=self._queue,
            execution=self.execution,
            namespace=resource.metadata.namespace,
        )

    def take_in(self, resource: WorkQueueJob) -> bool:
        """Take in the object if it is newer than the known one; return whether it is."""
        known, new = self.resource.metadata, resource.metadata
        if int(new.resource_version) <= int(known.resource_version):
            return False
        self.resource = resource
        return True

    def put_job(self, manifest: Mapping[str, Any]) -> bool:
        """Take in a Job if this WorkQueueJob controls it; return whether it is news."""
        return is_own_job(manifest, self.resource) and self._store.put(manifest)

    def remove_job(self, manifest: Mapping[str, Any]) -> bool:
        """Take in a Job's deletion if the Job is this WorkQueueJob's; return whether it is news."""
        metadata = manifest["metadata"]
        return is_own_job(manifest, self.resource) and self._store.remove(
            metadata["name"], uid=metadata["uid"]
        )

    def close(self) -> None:
        """Stop measuring the queue."""
        self._queue.close()

    async def reread(self) -> None:
        """Read the object, and forget its Jobs, because the watches may be late or miss changes.

        The object as read now counts even if its version is lower, as after a restored backup.
        Raises ClusterError, and ObjectGone if the object does not exist any more.
        """
        metadata = self.resource.metadata
        manifest = await self._cluster.read_work_queue_job(metadata.namespace, metadata.name)
        if manifest is None or manifest["metadata"]["uid"] != metadata.uid:
            raise ObjectGone
        self.resource = WorkQueueJob.from_manifest(manifest)
        self._store.clear()

    async def reconcile(self, *, is_repeated: bool, is_news: bool = True) -> float | None:
        """Do what the run needs now; return the seconds after which to look again unasked.

        A step that fails or is abandoned costs only time: what was done stays done, and the next
        round begins with what the API server and the broker show then.

        None: the next change is awaited. is_repeated: at least the last two rounds failed. is_news:
        something has come; otherwise only time has passed. Raises ClusterError; ObjectGone if the
        object does not exist any more.
        """
        rest_on(time.monotonic())
        stall = self._stalls.last_end
        # An idle run's Secrets are read again from time to time, and nothing else is due then.
        is_news = is_news or stall != self._stall_seen or self._next_look.is_now
        if not is_news and await self._queue.is_still_idle(self.resource):
            return self._next_look.seconds_until(self._queue.reread_after_seconds)
        self._next_look.set(0.0)
        # After conflicts in a row the watch may be behind: read the object itself. So may it be
        # after the event loop has stalled; then the Jobs are listed too.
        if self._stall_seen != stall:
            self.observer.forget_list()
            await self.reread()
            self._stall_seen = stall
        elif is_repeated and not self.observer.has_listed:
            await self.reread()
        resource = self.resource
        # Leave alone what is being deleted with its Jobs, and what another installation works on.
        is_deleted = resource.metadata.deletion_timestamp is not None
        if is_deleted or await self.tenure.is_of_other(resource):
            self._queue.close()
            return None
        # A run that has ended needs no queue. Delete what it need not keep, and answer an edit.
        if find_end(resource.status.conditions) is not None:
            self._queue.close()
            delay = await self.execution.retire(resource)
            await self._acknowledge(resource)
            return delay
        # The watches bring the Jobs, but may miss a deletion, so they are also listed now and then.
        await self.observer.list_jobs_if_due(resource)
        await self.tenure.require(resource)
        # Watch the queue that spec and Secrets lead to by now, which may be another one.
        await self._queue.follow(resource)
        self._forget_former_queue()
        # Look at the Jobs and then at the queue, and reckon the books of this observation, which
        # evidence, rules and status use.
        observed = await self.observer.observe(resource, self._wait_for_news)
        books = reckon(observed)
        # Before the first Job of a template, ask the API server whether it takes one. The answer
        # is part of what is observed.
        if self._is_check_wanted(observed, books):
            with sending(Urgency.VISIBLE):
                await self.execution.obstacles.check(self._cluster, resource)
            observed = await self.observer.observe(resource, self._wait_for_news)
            books = reckon(observed)
        # Decide, by this observation and the evidence of those before it.
        now = datetime.now(UTC)
        self._evidence = gather_evidence(self._evidence, observed, books=books, now=now)
        decided = plan(observed, self._evidence, books=books, now=now)
        if self._stalls.last_end != stall:
            # The watches have fallen behind since this round began.
            return 0.0
        with sending(Urgency.DECISION):
            # If Secrets changed the queue, start a new round.
            if not await self._queue.is_current_for(observed, decided):
                return 0.0
            # Carry it out, and look at the Jobs again where that has changed them.
            observed, books, decided = await self._carry_out(
                observed, decided, books=books, now=now
            )
        # Write the status, once, and then the Events about it.
        await self._write_status(observed, decided, books=books, now=now)
        # Delete finished Jobs beyond the limits: a status of an earlier round has recorded them.
        with sending(Urgency.VISIBLE):
            await self.execution.expire(self.resource, decided.deletions)
        # A run that ended just now begins its next round at once, which is that of an ended run.
        if find_end(self.resource.status.conditions) is not None:
            return 0.0
        return self._next_delay(decided)

    def _is_check_wanted(self, observed: Observed, books: Books) -> bool:
        """Return whether to ask the API server first if it takes Jobs of this template."""
        now = datetime.now(UTC)
        evidence = gather_evidence(self._evidence, observed, books=books, now=now)
        wanted = plan(observed, evidence, books=books, now=now).actions
        return self.execution.is_check_wanted(observed.resource, wanted)

    async def _carry_out(
        self, observed: Observed, decided: Plan, *, books: Books, now: datetime
    ) -> tuple[Observed, Books, Plan]:
        """Do what is planned; return the Jobs and books after it, and the plan as it was done.

        Where no Job could be made, it returns a plan that reports it.
        """
        done = await self.execution.carry_out(observed.resource, decided)
        await self.tenure.require(observed.resource)
        actions = done.actions if done else ()
        self._evidence = note_done(self._evidence, actions, now=now)
        if decided.actions:
            # What the status says of them rests on the answers.
            rest_on(time.monotonic())
            observed = await self.observer.with_current_jobs(observed)
            books = reckon(observed, never_started=list_never_started(actions))
        return observed, books, done or plan(observed, self._evidence, books=books, now=now)

    async def _acknowledge(self, resource: WorkQueueJob) -> None:
        """Show in the status what a change of spec means after the end; look at no Job or queue."""
        observed, now = Observed(resource, jobs=(), measurement=None), datetime.now(UTC)
        books = reckon(observed)
        decided = plan(observed, self._evidence, books=books, now=now)
        await self._write_status(observed, decided, books=books, now=now)

    async def _write_status(
        self, observed: Observed, decided: Plan, *, books: Books, now: datetime
    ) -> None:
        """Write the status if it is due, and take in the object as it is stored then."""
        written = await self._status_writer.write(observed, decided, books=books, now=now)
        if written is not None:
            self.take_in(written)

    def _forget_former_queue(self) -> None:
        """Drop what was seen of a former queue when spec or Secrets lead to another one."""
        if self._evidence_of != self._queue.changes:
            self._evidence_of = self._queue.changes
            self._evidence = leave_queue(self._evidence)

    def _next_delay(self, decided: Plan) -> float | None:
        """Return the seconds until the first thing is due that no change announces, or None."""
        self._next_look.set(
            decided.recheck_after_seconds,
            self.execution.retry_after_seconds,
            *self.observer.look_again_after_seconds,
            NUMBERS_INTERVAL_SECONDS if self._status_writer.is_behind else None,
        )
        return self._next_look.seconds_until(self._queue.reread_after_seconds)
