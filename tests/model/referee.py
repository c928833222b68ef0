"""What must hold at every step, judged by the truth that only the model knows."""

from collections import deque
from typing import Any

from tests.model.broker import Broker, Detail
from tests.model.job_controller import Job, JobController
from tests.model.pods import Pod
from tests.model.resource_store import ResourceStore
from tests.model.strangers import Strangers
from workqueuejob.api.spec import RunPolicy
from workqueuejob.api.status import JOBS_MAX
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.errors import QueueError
from workqueuejob.names import job_name
from workqueuejob.planning.actions import (
    Action,
    CreateWave,
    DeleteJob,
    EndJob,
    GrowWave,
    RaiseParallelism,
    SetSuspend,
)
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.evidence.futility import MAX_FUTILE_WAVES
from workqueuejob.planning.evidence.proof import SEVERAL_READS
from workqueuejob.planning.ledger.periods import counts_before
from workqueuejob.planning.ledger.run import is_folded
from workqueuejob.planning.observing.observed import Observed, count_open
from workqueuejob.planning.verdict import (
    QUEUE_DRAINED,
    RUN_DEADLINE,
    RUN_FAILED,
    RUN_SUSPENDED,
    TOO_MANY_DEAD_LETTERED,
    WARM_PODS_NOT_NEEDED,
    Progress,
    find_end,
)

_IDLE_WORKER_SECONDS = 6.0
"""For so long at most a worker is taken to wait for its first item."""


class Referee:
    """Watches one run; every method raises AssertionError when a rule is broken."""

    def __init__(
        self,
        store: ResourceStore,
        controller: JobController,
        broker: Broker,
        strangers: Strangers,
    ) -> None:
        self._store, self._controller, self._strangers = store, controller, strangers
        self._queue, self._broker = controller.queue, broker
        self._ceiling = store.current.spec.parallelism
        self._ready_at_reads: deque[tuple[float, int]] = deque([(-1.0, 0)], maxlen=SEVERAL_READS)
        self._disturbances_at_waves: dict[int, int] = {}
        self._blind_moments = 0
        self._record: dict[str, Any] | None = None
        self._left_behind: set[str] = set()

    def judge_plan(self, observed: Observed, decided: Plan) -> None:
        """Judge a plan against what is true at the moment of its measurement."""
        measurement = observed.measurement
        if measurement is not None and isinstance(measurement.result, QueueError):
            self._blind_moments += 1
        if measurement is not None and measurement.started > self._ready_at_reads[-1][0]:
            self._ready_at_reads.append((measurement.started, len(self._queue.ready)))
        if self._is_scaling_free():
            self._ceiling = observed.resource.spec.parallelism
        self._judge_deletions(observed, decided)
        if decided.scaling is not None:
            wanted = decided.scaling.pods
            assert wanted <= observed.resource.spec.parallelism, "more wanted than allowed"
        for action in decided.actions:
            self._judge_action(observed, action)
        if find_end(observed.resource.status.conditions) is None:
            self._judge_end_of_run(decided)

    def _judge_action(self, observed: Observed, action: Action) -> None:
        match action:
            case CreateWave():
                self._judge_wave(observed, action)
            case SetSuspend():
                known = next(job for job in observed.jobs if job.name == action.job)
                assert not known.is_queued, "a Job of Kueue's was suspended or resumed"
                if action.parallelism is not None:
                    assert known.suspended, "the parallelism of a running Job was lowered"
                    assert not action.suspend, "parallelism was lowered too early"
            case RaiseParallelism():
                known = next(job for job in observed.jobs if job.name == action.job)
                assert not known.is_queued, "a Job of Kueue's was resized"
                assert action.parallelism > known.parallelism, "parallelism was lowered"
            case GrowWave():
                self._judge_growth(observed, action)
            case EndJob():
                self._judge_end_of_job(observed, action)
            case DeleteJob():
                known = next(job for job in observed.jobs if job.name == action.job)
                recorded = observed.resource.status.waves or 0
                assert known.wave <= recorded, "a number that is not recorded was let go"

    def _list_counted(self) -> list[Pod]:
        """Return the pods that count: what becomes of a stuck one nobody knows."""
        now = self._controller.clock.seconds
        return [pod for pod in self._controller.live_pods if not pod.is_stuck(now)]

    def _has_only_stuck(self, job: Job) -> bool:
        now = self._controller.clock.seconds
        return bool(job.live_pods) and all(pod.is_stuck(now) for pod in job.live_pods)

    def _leave_behind(self) -> None:
        """Note the Jobs before which a run may end; they stay so when their node comes back."""
        jobs = self._controller.jobs.values()
        ending = {job.name for job in jobs if job.is_ending and self._has_only_stuck(job)}
        self._left_behind |= ending

    def _is_scaling_free(self) -> bool:
        """Return whether no pod is there that a smaller parallelism would have to spare."""
        jobs = [job for job in self._controller.jobs.values() if not job.is_terminal]
        waits = [job.spec.get("suspend") and not job.is_queued for job in jobs]
        return all(waits) and not self._controller.live_pods

    def excuse_restart(self) -> None:
        """Note that the operator forgot what it had seen."""
        self._blind_moments += 1

    def judge_step(self) -> None:
        """Judge what is true now."""
        queue, jobs = self._queue, self._controller.jobs.values()
        assert sorted(queue.items) == list(range(queue.published)), "an item was lost or doubled"
        created = self._controller.created
        assert len(set(created)) == len(created), "a wave's number was used twice"
        self._ceiling = max(self._ceiling, self._store.current.spec.parallelism)
        assert len(self._list_counted()) <= self._ceiling, "too many pods"
        assert not self._controller.scaled_down, "a pod at work was scaled down"
        if self._store.current.spec.mode == "Fine":
            for job in jobs:
                is_elastic = job.spec["completions"] == job.spec["parallelism"]
                assert is_elastic or job.was_lowered, "a wave not elastic"
        status = self._store.current.status
        assert len(status.jobs) <= JOBS_MAX, "status is not bounded"
        if find_end(status.conditions):
            self._leave_behind()
            open_jobs = {job.name for job in jobs if not job.is_terminal}
            assert open_jobs <= self._left_behind, "the run ended before its Jobs"
            record = status.model_dump(exclude={"observed_generation", "conditions"})
            self._record = self._record or record
            assert record == self._record, "the record of a run that has ended was changed"

    def _judge_deletions(self, observed: Observed, decided: Plan) -> None:
        for deletion in decided.deletions:
            job = next(job for job in observed.jobs if job.name == deletion.job)
            assert is_folded(observed.resource.status, job.wave), "deleted but not in the totals"

    def _judge_wave(self, observed: Observed, action: CreateWave) -> None:
        assert observed.measurement is not None, "an unmeasured queue made a wave"
        assert isinstance(observed.measurement.result, QueueDepth), "an error made a wave"
        assert not observed.resource.spec.suspend, "a suspended run made a wave"
        bound = observed.measurement.result.partitions
        assert bound is None or action.completions <= bound, "more pods than partitions"
        first = counts_before(observed.resource).waves + 1
        given_up = any(j.failure_reason == RUN_FAILED for j in observed.jobs if j.wave >= first)
        assert not given_up, "a run that had given up made a wave"
        if action.is_warm:
            self._judge_warm_wave(observed, action)
        self._disturbances_at_waves[action.wave] = self._disturbances

    def _judge_warm_wave(self, observed: Observed, action: CreateWave) -> None:
        spec = observed.resource.spec
        assert spec.run_policy is RunPolicy.CONTINUOUS, "pods are kept for a run that ends"
        assert observed.depth is not None
        assert not observed.depth.ready, "pods are kept to wait although items are ready"
        least = spec.autoscale.min_parallelism if spec.autoscale else 0
        assert count_open(observed.jobs) + action.completions <= least, "too many are kept"

    def _judge_growth(self, observed: Observed, action: GrowWave) -> None:
        assert observed.depth is not None, "an unmeasured queue gave a wave more pods"
        assert not observed.resource.spec.suspend, "a suspended run gave a wave more pods"
        known = next(job for job in observed.jobs if job.name == action.job)
        assert action.completions > known.completions, "completions were lowered"

    def _judge_end_of_job(self, observed: Observed, action: EndJob) -> None:
        """No pod that holds an item is ended, as far as the broker can tell.

        Where it tells late, one that has just taken its item may be; where it tells nothing, the
        user's own time-out decides.
        """
        if action.reason in {RUN_DEADLINE, RUN_SUSPENDED}:
            assert action.with_grace, "an item at work was cut short"
            return
        assert observed.measurement is not None, "an unmeasured queue ended a Job"
        depth = observed.measurement.result
        assert isinstance(depth, QueueDepth), "an error ended a Job"
        rabbitmq = observed.resource.spec.queue.rabbitmq
        timeout = rabbitmq.surplus_pod_timeout_seconds if rabbitmq else None
        timed = timeout is not None and depth.in_flight_known is None
        if action.reason == TOO_MANY_DEAD_LETTERED:
            return
        if action.job not in self._controller.jobs or (timed and action.reason == QUEUE_DRAINED):
            return
        holders = self._broker.holders_measured
        is_by_numbers = action.reason in {QUEUE_DRAINED, WARM_PODS_NOT_NEEDED}
        if depth.in_flight_lately is not None and is_by_numbers:
            holders &= self._broker.holders_lately
        if action.reason == WARM_PODS_NOT_NEEDED:
            assert action.with_grace, "an item at work was cut short"
            # Held out of sight for longer than the broker lets it be: its grace is all it has.
            holders &= self._queue.seen_holders
        now, job = self._controller.clock.seconds, self._controller.jobs[action.job]
        if action.reason == QUEUE_DRAINED and observed.resource.spec.worker is not None:
            assert action.with_grace, "an item at work was cut short"
            if depth.in_flight != 0:
                long = (one for one in holders if self._has_held_for_long(one, observed))
                holders = frozenset(long)
        # A stuck pod was deleted long ago, by whoever gave its node up.
        pods = {pod.name for pod in job.live_pods if not pod.is_stuck(now)}
        assert not pods & holders, f"a pod at work was ended: {action.reason}"

    def _has_held_for_long(self, pod: str, observed: Observed) -> bool:
        """Return whether a worker was known to run, and not to have begun just now.

        What comes when the queue has been empty may go straight to an idle worker.
        """
        known = {worker.uid for job in observed.jobs for worker in job.workers}
        held = self._controller.clock.seconds - self._queue.taken_at.get(pod, 0.0)
        return pod in known and held >= _IDLE_WORKER_SECONDS

    def _judge_end_of_run(self, decided: Plan) -> None:
        if decided.period_end is not None and not decided.period_end.is_given_up:
            assert any(ready == 0 for _, ready in self._ready_at_reads), "over, but never empty"
            assert not self._list_busy(), "over, but pods are at work"
        if decided.verdict.progress == Progress.COMPLETE:
            was_empty = any(ready == 0 for _, ready in self._ready_at_reads)
            assert was_empty, "Complete although the queue never was empty"
            assert not self._list_counted(), "Complete although pods exist"
        if decided.verdict.end_reason == "NoProgress":
            last = max(self._disturbances_at_waves)
            for wave in range(last - MAX_FUTILE_WAVES + 1, last + 1):
                assert self._is_futile(wave), "NoProgress although a wave settled something"

    def _list_busy(self) -> list[Pod]:
        """Return the pods that don't wait for their first item, as far as the broker can tell."""
        holders = self._broker.holders_measured & self._queue.seen_holders
        if self._broker.detail is Detail.LAGS:
            holders &= self._broker.holders_lately
        now = self._controller.clock.seconds
        return [
            pod
            for job in self._controller.jobs.values()
            for pod in job.live_pods
            if not pod.is_stuck(now)
            if not job.awaits_first or pod.name in holders
        ]

    def _is_futile(self, wave: int) -> bool:
        """What others do meanwhile, or the operator can't see, may hide what a wave settled."""
        metadata = self._store.current.metadata
        pods = f"{job_name(metadata.name, metadata.uid, wave)}-"
        settled = any(consumer.startswith(pods) for consumer in self._queue.settled.values())
        return not settled or self._disturbances > self._disturbances_at_waves[wave]

    @property
    def _disturbances(self) -> int:
        return self._queue.published + self._strangers.moves + self._blind_moments
