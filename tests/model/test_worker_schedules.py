"""Whatever happens to our workers: no item is lost, the ledger adds up, and every run ends."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.model.broker import Detail, Fault
from tests.model.leased_queue import LeasedQueue
from tests.model.pods import Pod, Step
from tests.model.profiles import effort
from tests.model.workers import Worker
from tests.model.world import Setting, World

pytestmark = pytest.mark.timeout(3600)

_ROUNDS = 250
_ROUNDS_PER_ITEM = 60
"""An item that kills its pods wants a back-off for each attempt."""

_FAULTS = [Fault.ERROR, Fault.TIMEOUT, Fault.NO_MANAGEMENT]
items_of_a_kind = st.frozensets(st.integers(0, 8), max_size=2)

settings_of_runs = st.builds(
    Setting,
    worker=st.builds(
        Worker,
        quota=st.sampled_from([None, None, None, 1, 2]),
        max_attempts=st.integers(1, 3),
        retry_delay_seconds=st.sampled_from([0.0, 4.0, 40.0]),
        poison=items_of_a_kind,
        killers=items_of_a_kind,
    ),
    detail=st.sampled_from(
        [Detail.LEASES, Detail.LEASES, Detail.COUNTS, Detail.LAGS, Detail.HIDES]
    ),
    spec=st.fixed_dictionaries(
        {
            "parallelism": st.integers(1, 4),
            "drained_after_seconds": st.sampled_from([0, 5]),
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


class WorkerSchedule(RuleBasedStateMachine):
    """Chooses what happens next; the World holds the rules."""

    @initialize(
        setting=settings_of_runs,
        items=st.sampled_from([*range(1, 13), 0]),
        rounds=st.sampled_from([3, 2, 4, 8, 1, 0]),
    )
    def begin(self, setting: Setting, items: int, rounds: int) -> None:
        """Begin where something is going on; chance alone seldom gets there."""
        assert setting.worker is not None
        self.world, self.worker = World(setting), setting.worker
        self.world.queue.publish(items)
        for _ in range(rounds):
            self.world.pass_round(Step.WORK)
            self.world.judge()

    @property
    def running(self) -> list[Pod]:
        """The pods that live."""
        return self.world.controller.live_pods

    @property
    def holding(self) -> list[Pod]:
        """Those of them that hold an item."""
        return [pod for pod in self.running if pod.name in self.world.queue.held]

    def choose(self, number: int) -> Pod:
        """Return one of the pods that live."""
        return self.running[number % len(self.running)]

    @rule(items=st.integers(1, 4))
    def publish_burst(self, items: int) -> None:
        self.world.queue.publish(items)

    @rule(steps=st.integers(1, 6))
    def operator_goes_on(self, steps: int) -> None:
        for _ in range(steps):
            self.world.operator.step()

    @rule()
    def operator_restarts(self) -> None:
        self.world.restart_operator()

    @rule()
    def request_fails(self) -> None:
        self.world.operator.fails_next_request = True

    @rule(fault=st.sampled_from(_FAULTS), times=st.integers(1, 2))
    def measurement_fails(self, fault: Fault, times: int) -> None:
        self.world.broker.faults.clear()
        self.world.broker.faults.extend([fault] * times)

    @rule()
    def broker_forgets_what_it_counted(self) -> None:
        if isinstance(self.world.queue, LeasedQueue) and self.world.queue.counts is not None:
            self.world.forget_counts()

    @precondition(lambda self: self.world.jobs)
    @rule(number=st.integers(0, 5))
    def controller_syncs_a_job(self, number: int) -> None:
        jobs = self.world.jobs
        self.world.controller.sync(jobs[number % len(jobs)])

    @rule()
    def controller_syncs_all(self) -> None:
        self.world.sync_jobs()

    @precondition(lambda self: self.world.jobs)
    @rule(number=st.integers(0, 5))
    def watch_delivers_a_job(self, number: int) -> None:
        jobs = self.world.jobs
        self.world.operator.hear_of(jobs[number % len(jobs)].name)

    @rule()
    def watch_delivers_pods(self) -> None:
        self.world.operator.hear_of_pods()

    @rule()
    def watch_catches_up(self) -> None:
        self.world.deliver_events()

    @precondition(lambda self: self.running)
    @rule(number=st.integers(0, 5), step=st.sampled_from(Step))
    def worker_goes_on(self, number: int, step: Step) -> None:
        self.world.controller.step_pod(self.choose(number), step)

    @rule()
    def workers_work(self) -> None:
        self.world.step_pods(Step.WORK)

    @precondition(lambda self: self.holding)
    @rule(number=st.integers(0, 5))
    def worker_is_killed_before_it_could_tell(self, number: int) -> None:
        holder = self.holding[number % len(self.holding)]
        self.worker.be_killed(holder, self.world.queue, after_settling=True)

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
        # Minutes, in which everybody hears that the pod runs.
        self.world.sync_jobs()
        self.world.deliver_events()
        self.world.queue.hide(self.holding[number % len(self.holding)].name)

    @rule(rounds=st.integers(5, 40))
    def items_take_their_time(self, rounds: int) -> None:
        for _ in range(rounds):
            self.world.pass_round(None)
            self.world.judge()

    @precondition(lambda self: self.running)
    @rule(number=st.integers(0, 5))
    def node_evicts_a_pod(self, number: int) -> None:
        self.world.controller.evict(self.choose(number))

    @rule(suspend=st.booleans())
    def person_suspends_or_resumes(self, suspend: bool) -> None:
        self.world.store.change_spec(suspend=suspend)

    @rule(parallelism=st.integers(0, 5))
    def person_scales(self, parallelism: int) -> None:
        self.world.store.change_spec(parallelism=parallelism)

    @rule(number=st.integers(0, 2))
    def person_changes_the_template(self, number: int) -> None:
        self.world.change_template(number)

    @rule(number=st.integers(0, 5))
    def person_deletes_a_job(self, number: int) -> None:
        self.world.delete_recorded_job(number)

    @rule(seconds=st.sampled_from([0.25, 0.5, 1.0, 2.5, 12.0, 60.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.advance(seconds)

    @rule(rounds=st.integers(1, 12), step=st.sampled_from([Step.WORK, Step.WORK, *Step]))
    def all_is_well_for_a_while(self, rounds: int, step: Step) -> None:
        for _ in range(rounds):
            self.world.pass_round(step)
            self.world.judge()

    @invariant()
    def rules_hold(self) -> None:
        if hasattr(self, "world"):
            self.world.judge()

    def teardown(self) -> None:
        """Whatever happened so far: from now on nothing does, and so the run ends."""
        if hasattr(self, "world"):
            rounds = _ROUNDS + _ROUNDS_PER_ITEM * self.world.queue.published
            self.world.run_to_end(Step.WORK, rounds=rounds)
            assert self.world.is_settled, self.world.store.current.status


WorkerSchedule.TestCase.settings = effort(400)
TestWorkerSchedule = WorkerSchedule.TestCase
