"""Whatever happens on a partitioned log: nothing is lost, no marker is an item, and runs end."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize

from tests.model.broker import Detail
from tests.model.pods import Step
from tests.model.profiles import effort
from tests.model.test_worker_schedules import WorkerSchedule, items_of_a_kind
from tests.model.workers import Worker
from tests.model.world import Setting, World

pytestmark = pytest.mark.timeout(3600)

settings_of_runs = st.builds(
    Setting,
    worker=st.builds(
        Worker,
        max_attempts=st.integers(1, 3),
        max_lost_attempts=st.integers(1, 4),
        retry_delay_seconds=st.sampled_from([0.0, 4.0, 40.0]),
        poison=items_of_a_kind,
        killers=items_of_a_kind,
        concurrency=st.sampled_from([1, 1, 2, 4]),
    ),
    detail=st.just(Detail.LOG),
    spec=st.fixed_dictionaries(
        {
            "run_policy": st.sampled_from(["UntilDrained", "UntilDrained", "Continuous"]),
            "empty_start": st.sampled_from(["Complete", "Wait"]),
            "parallelism": st.integers(1, 4),
            "drained_after_seconds": st.sampled_from([0, 5]),
            "backoff_limit": st.sampled_from([0, 2, 6]),
        }
    ),
)


class LogSchedule(WorkerSchedule):
    """Our worker at a topic; a killed one is missed for the length of its session."""

    rounds = 400
    rounds_per_item = 120

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
        self.pass_rounds(rounds, Step.WORK)


LogSchedule.TestCase.settings = effort(200)
TestLogSchedule = LogSchedule.TestCase
