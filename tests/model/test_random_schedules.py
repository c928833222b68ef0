"""Whatever happens in whatever order: no item is lost, no work is killed, and every run ends."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.model.broker import RABBITMQ, Fault
from tests.model.pods import Program, Step
from tests.model.profiles import effort
from tests.model.world import Setting, World

pytestmark = pytest.mark.timeout(3600)

_ROUNDS = 200
"""Enough for every back-off and every attempt of a futile program."""

_ROUNDS_PER_ITEM = 10

_UNTIL_DRAINED = 10**6


def settings_of_runs(mode: str, items_per_pod: list[int]) -> st.SearchStrategy[Setting]:
    """Return the settings of runs of one mode."""
    return st.builds(
        Setting,
        program=st.builds(
            Program,
            items_per_pod=st.sampled_from(items_per_pod),
            waits_for_ever=st.booleans(),
            handles_sigterm=st.booleans(),
        ),
        detail=st.sampled_from(RABBITMQ),
        surplus_timeout_seconds=st.sampled_from([None, 20]),
        spec=st.fixed_dictionaries(
            {
                "mode": st.just(mode),
                "parallelism": st.integers(1, 3),
                "drained_after_seconds": st.sampled_from([0, 5]),
                "backoff_limit": st.integers(0, 2),
                "empty_start": st.sampled_from(["Complete", "Wait"]),
            }
        ),
    )


coarse_runs = settings_of_runs("Coarse", [1, 1, 1, 2])
fine_runs = settings_of_runs("Fine", [_UNTIL_DRAINED])


class RandomSchedule(RuleBasedStateMachine):
    """Chooses what happens next; the World holds the rules."""

    @initialize(
        setting=coarse_runs | coarse_runs | fine_runs,
        items=st.integers(0, 6),
        last_program=st.sampled_from([Step.WORK, Step.CRASH, Step.PRETEND]),
    )
    def begin(self, setting: Setting, items: int, last_program: Step) -> None:
        self.world = World(setting)
        self.last_program = last_program
        self.world.queue.publish(items)

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

    @rule(fault=st.sampled_from(Fault), times=st.integers(1, 2))
    def measurement_fails(self, fault: Fault, times: int) -> None:
        self.world.broker.faults.clear()
        self.world.broker.faults.extend([fault] * times)

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
    def watch_catches_up(self) -> None:
        self.world.deliver_events()

    @precondition(lambda self: self.world.controller.live_pods)
    @rule(number=st.integers(0, 5), step=st.sampled_from(Step))
    def pod_goes_on(self, number: int, step: Step) -> None:
        pods = self.world.controller.live_pods
        self.world.controller.step_pod(pods[number % len(pods)], step)

    @precondition(lambda self: self.world.controller.live_pods)
    @rule()
    def pods_work(self) -> None:
        self.world.step_pods(Step.WORK)

    @precondition(lambda self: self.world.controller.live_pods)
    @rule(number=st.integers(0, 5))
    def node_evicts_a_pod(self, number: int) -> None:
        pods = self.world.controller.live_pods
        self.world.controller.evict(pods[number % len(pods)])

    @rule()
    def stranger_comes(self) -> None:
        self.world.strangers.come()

    @rule()
    def strangers_settle(self) -> None:
        self.world.strangers.settle_all()

    @rule()
    def strangers_leave(self) -> None:
        self.world.strangers.leave()

    @rule(suspend=st.booleans())
    def person_suspends_or_resumes(self, suspend: bool) -> None:
        self.world.store.change_spec(suspend=suspend)

    @rule(parallelism=st.integers(0, 4))
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

    @rule(rounds=st.integers(1, 6), step=st.sampled_from(Step))
    def all_is_well_for_a_while(self, rounds: int, step: Step) -> None:
        for _ in range(rounds):
            self.world.pass_round(step)
            self.world.referee.judge_step()

    @rule(rounds=st.integers(5, 40))
    def items_take_their_time(self, rounds: int) -> None:
        for _ in range(rounds):
            self.world.pass_round(None)
            self.world.referee.judge_step()

    @invariant()
    def rules_hold(self) -> None:
        if hasattr(self, "world"):
            self.world.referee.judge_step()

    def teardown(self) -> None:
        """Whatever happened so far: from now on nothing does, and so the run ends."""
        if hasattr(self, "world"):
            rounds = _ROUNDS + _ROUNDS_PER_ITEM * self.world.queue.published
            self.world.run_to_end(self.last_program, rounds=rounds)
            assert self.world.is_settled, self.world.store.current.status


RandomSchedule.TestCase.settings = effort(200)
TestRandomSchedule = RandomSchedule.TestCase
