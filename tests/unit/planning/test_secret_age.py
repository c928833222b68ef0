"""How old the knowledge of Secrets may be."""

import pytest

from tests.builders import NOON, a_job, an_observation
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.errors import ConnectionFailed, QueueError
from workqueuejob.planning.actions import CreateWave, EndJob
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.ledger.periods import PeriodEnd
from workqueuejob.planning.observing.observed import ObservedJob
from workqueuejob.planning.rules.secret_age import (
    choose_longest_age,
    is_at_work,
    needs_current_secrets,
)
from workqueuejob.planning.verdict import QUEUE_DRAINED, RUN_FAILED, Progress, Verdict

WAITING = Verdict(Progress.WAITING_FOR_ITEMS, "")
COMPLETE = Verdict(Progress.COMPLETE, "", "Drained")
WAVE = CreateWave(wave=2, completions=3, parallelism=2)


def an_end(reason: str) -> EndJob:
    return EndJob("job", succeeded=True, reason=reason, message="", resource_version="1")


def test_secrets_are_read_every_minute_while_idle_and_every_few_seconds_otherwise() -> None:
    assert choose_longest_age(failures=0, is_at_work=False) == 60
    assert choose_longest_age(failures=0, is_at_work=True) == 5
    waits = [choose_longest_age(failures=n, is_at_work=False) for n in range(1, 6)]
    assert waits == [2, 4, 8, 10, 10]


@pytest.mark.parametrize(
    ("jobs", "depth", "expected"),
    [
        ((), QueueDepth(0, in_flight=0), False),
        ((), QueueDepth(1, in_flight=0), True),
        ((), QueueDepth(0, in_flight=0, delayed=1), True),
        ((a_job(),), QueueDepth(0, in_flight=0), True),
        ((), ConnectionFailed("mq: refused"), False),
    ],
)
def test_run_is_at_work_with_pods_or_items(
    jobs: tuple[ObservedJob, ...], depth: QueueDepth | QueueError, *, expected: bool
) -> None:
    assert is_at_work(an_observation(*jobs, depth=depth)) is expected


@pytest.mark.parametrize(
    "decided",
    [
        Plan(COMPLETE),
        Plan(WAITING, (WAVE,)),
        Plan(WAITING, (an_end(QUEUE_DRAINED),)),
        Plan(WAITING, period_end=PeriodEnd(NOON)),
    ],
)
def test_what_rests_on_an_empty_queue_or_begins_work_needs_current_secrets(decided: Plan) -> None:
    assert needs_current_secrets(an_observation(), decided)


@pytest.mark.parametrize(
    ("jobs", "decided"),
    [
        ((), Plan(WAITING)),
        ((a_job(),), Plan(WAITING, (WAVE,))),
        ((), Plan(WAITING, (an_end(RUN_FAILED),))),
    ],
)
def test_other_plans_rest_on_what_is_known(jobs: tuple[ObservedJob, ...], decided: Plan) -> None:
    assert not needs_current_secrets(an_observation(*jobs), decided)
