"""Whatever happens to our workers: no item is lost, the ledger adds up, and every run ends."""

from dataclasses import replace

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from tests.model.broker import Detail, Fault
from tests.model.leased_queue import LeasedQueue
from tests.model.pods import Pod, Step
from tests.model.profiles import effort
from tests.model.schedule import Schedule
from tests.model.workers import Worker
from tests.model.world import Setting, World
from workqueuejob.api import Autoscale
from workqueuejob.names import KUEUE_LABEL

pytestmark = pytest.mark.timeout(3600)

_HIDES_AFTER_SECONDS = 1200.0
"""Two thirds of RabbitMQ's consumer timeout."""

_FAULTS = [Fault.ERROR, Fault.TIMEOUT, Fault.NO_MANAGEMENT]
items_of_a_kind = st.frozensets(st.integers(0, 8), max_size=2)


def keep_within_quota(worker: Worker) -> Worker:
    """Return a worker that the API server would take."""
    most = worker.concurrency if worker.quota is None else worker.quota
    return replace(worker, concurrency=min(worker.concurrency, most))


settings_of_runs = st.builds(
    Setting,
    worker=st.builds(
        Worker,
        quota=st.sampled_from([None, None, None, 1, 2]),
        max_attempts=st.integers(1, 3),
        max_lost_attempts=st.integers(1, 4),
        retry_delay_seconds=st.sampled_from([0.0, 4.0, 40.0]),
        poison=items_of_a_kind,
        killers=items_of_a_kind,
        concurrency=st.sampled_from([1, 1, 2, 4]),
    ).map(keep_within_quota),
    detail=st.sampled_from(
        [Detail.LEASES, Detail.LEASES, Detail.COUNTS, Detail.LAGS, Detail.HIDES]
    ),
    spec=st.fixed_dictionaries(
        {
            "run_policy": st.sampled_from(["UntilDrained", "Continuous"]),
            "parallelism": st.integers(1, 4),
            "drained_after_seconds": st.sampled_from([0, 5]),
            "successful_jobs_history_limit": st.sampled_from([0, 1, 3]),
            "failed_jobs_history_limit": st.sampled_from([0, 1]),
            "job_metadata": st.sampled_from([{}, {}, {"labels": {KUEUE_LABEL: "team-a"}}]),
            "active_deadline_seconds": st.sampled_from([None, None, 40]),
            "backoff_limit": st.sampled_from([0, 2, 6]),
        },
        optional={
            "failure_policy": st.sampled_from(
                [
                    {"max_dead_lettered": 0},
                    {"max_dead_lettered": 2},
                    {"max_dead_lettered": "40%", "min_settled_items": 3},
                ]
            )
        },
    ),
)


class WorkerSchedule(Schedule):
    """Our worker.

    rounds_per_item: an item that kills its pods wants a back-off for each attempt.
    """

    rounds = 250
    rounds_per_item = 60

    @initialize(
        setting=settings_of_runs,
        items=st.sampled_from([*range(1, 13), 0]),
        rounds=st.sampled_from([3, 2, 4, 8, 1, 0]),
        warm=st.sampled_from([0, 0, 0, 1, 2, 3]),
    )
    def begin(self, setting: Setting, items: int, rounds: int, warm: int) -> None:
        """Begin where something is going on; chance alone seldom gets there."""
        assert setting.worker is not None
        self.world, self.worker = World(setting), setting.worker
        if self.may_keep_pods:
            self.person_keeps_pods_warm(warm)
        self.world.queue.publish(items)
        self.pass_rounds(rounds, Step.WORK)

    @property
    def holding(self) -> list[Pod]:
        """The pods that hold an item."""
        return [pod for pod in self.running if pod.name in self.world.queue.holders]

    @property
    def may_keep_pods(self) -> bool:
        """Whether the API server would take minParallelism."""
        unable = {Detail.HIDES, Detail.LOG}
        return self.worker.quota is None and self.world.setting.detail not in unable

    @precondition(lambda self: self.may_keep_pods)
    @rule(pods=st.integers(0, 4))
    def person_keeps_pods_warm(self, pods: int) -> None:
        known = self.world.store.current.spec.autoscale or Autoscale(items_per_worker=2)
        autoscale = known.model_copy(update={"min_parallelism": pods})
        self.world.store.change_spec(autoscale=autoscale)

    @rule(fault=st.sampled_from(_FAULTS), times=st.integers(1, 2))
    def measurement_fails(self, fault: Fault, times: int) -> None:
        self.world.broker.faults.clear()
        self.world.broker.faults.extend([fault] * times)

    @rule()
    def broker_forgets_what_it_counted(self) -> None:
        if isinstance(self.world.queue, LeasedQueue) and self.world.queue.counts is not None:
            self.world.forget_counts()

    @rule()
    def watch_delivers_pods(self) -> None:
        self.world.operator.hear_of_pods()

    @precondition(lambda self: self.holding)
    @rule(number=st.integers(0, 5))
    def worker_is_killed_before_it_could_tell(self, number: int) -> None:
        holder = self.holding[number % len(self.holding)]
        self.worker.be_killed(holder, self.world.queue, after_settling=True)

    @precondition(lambda self: self.world.queue.may_forget)
    @precondition(lambda self: self.running and self.world.queue.settled)
    @rule(number=st.integers(0, 20))
    def broker_is_killed_before_it_has_written_down_an_acknowledgement(self, number: int) -> None:
        queue = self.world.queue
        queue.forget(list(queue.settled)[number % len(queue.settled)])

    @precondition(lambda self: self.running)
    @rule(number=st.integers(0, 5))
    def worker_can_not_go_on(self, number: int) -> None:
        self.worker.give_up(self.choose(number), self.world.queue)

    @precondition(lambda self: self.running)
    @rule(number=st.integers(0, 5), freezes=st.booleans())
    def worker_freezes_or_thaws(self, number: int, freezes: bool) -> None:
        self.choose(number).is_frozen = freezes

    @precondition(lambda self: self.holding)
    @rule(number=st.integers(0, 5))
    def item_takes_longer_than_the_broker_lets_it_be_held(self, number: int) -> None:
        holder = self.holding[number % len(self.holding)]
        # Minutes, in which everybody hears that the pod runs.
        self.world.sync_jobs()
        self.world.deliver_events()
        self.world.advance(_HIDES_AFTER_SECONDS)
        self.world.queue.hide(holder.name)


WorkerSchedule.TestCase.settings = effort(400)
TestWorkerSchedule = WorkerSchedule.TestCase
