"""Whatever happens in whatever order: no item is lost, no work is killed, and every run ends."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from tests.model.broker import RABBITMQ, Fault
from tests.model.pods import Program, Step
from tests.model.profiles import effort
from tests.model.schedule import Schedule
from tests.model.world import Setting, World
from workqueuejob.names import KUEUE_LABEL

pytestmark = pytest.mark.timeout(3600)

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
                "run_policy": st.sampled_from(["UntilDrained", "Continuous"]),
                "parallelism": st.integers(1, 3),
                "drained_after_seconds": st.sampled_from([0, 5]),
                "backoff_limit": st.integers(0, 2),
                "successful_jobs_history_limit": st.sampled_from([0, 1, 3]),
                "failed_jobs_history_limit": st.sampled_from([0, 1]),
                "job_metadata": st.sampled_from([{}, {}, {"labels": {KUEUE_LABEL: "team-a"}}]),
                "active_deadline_seconds": st.sampled_from([None, None, 40]),
                "empty_start": st.sampled_from(["Complete", "Wait"]),
            }
        ),
    )


coarse_runs = settings_of_runs("Coarse", [1, 1, 1, 2])
fine_runs = settings_of_runs("Fine", [_UNTIL_DRAINED])


class RandomSchedule(Schedule):
    """A user's own program, and strangers.

    rounds: enough for every back-off and every attempt of a futile program.
    """

    rounds = 200
    rounds_per_item = 10

    @initialize(
        setting=coarse_runs | coarse_runs | fine_runs,
        items=st.integers(0, 6),
        last_step=st.sampled_from([Step.WORK, Step.CRASH, Step.PRETEND]),
    )
    def begin(self, setting: Setting, items: int, last_step: Step) -> None:
        self.world, self.last_step = World(setting), last_step
        self.world.queue.publish(items)

    @rule(fault=st.sampled_from(Fault), times=st.integers(1, 2))
    def measurement_fails(self, fault: Fault, times: int) -> None:
        self.world.broker.faults.clear()
        self.world.broker.faults.extend([fault] * times)

    @rule()
    def stranger_comes(self) -> None:
        self.world.strangers.come()

    @rule()
    def strangers_settle(self) -> None:
        self.world.strangers.settle_all()

    @rule()
    def strangers_leave(self) -> None:
        self.world.strangers.leave()


RandomSchedule.TestCase.settings = effort(200)
TestRandomSchedule = RandomSchedule.TestCase
