"""When a glance at a run's queue is enough, and when it must be measured."""

import pytest

from tests.builders import a_depth, a_job, an_observation, an_unmeasured_observation
from workqueuejob.errors import QueueNotFound
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.observing.observed import Observed
from workqueuejob.planning.rules.idleness import is_idle
from workqueuejob.planning.verdict import Progress, Verdict

WAITING = Plan(Verdict(Progress.WAITING_FOR_ITEMS, ""))
PROVING = Plan(Verdict(Progress.WAITING_FOR_ITEMS, ""), recheck_after_seconds=1.0)
SUSPENDED = Plan(Verdict(Progress.SUSPENDED, ""))


@pytest.mark.parametrize(
    ("observed", "decided", "expected"),
    [
        (an_observation(depth=a_depth(0)), WAITING, True),
        (an_observation(depth=a_depth(0)), PROVING, False),
        (an_observation(depth=a_depth(1)), WAITING, False),
        (an_observation(depth=a_depth(0, delayed=1)), WAITING, False),
        (an_observation(a_job(), depth=a_depth(0)), WAITING, False),
        (an_observation(depth=a_depth(5)), SUSPENDED, True),
        (an_observation(depth=QueueNotFound("a")), WAITING, False),
        (an_unmeasured_observation(), WAITING, False),
    ],
)
def test_run_is_idle_when_it_waits_for_news_and_proves_nothing(
    observed: Observed, decided: Plan, *, expected: bool
) -> None:
    assert is_idle(observed, decided) is expected
