"""A run that takes too long is ended; one that has ended goes after a while."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.builders import (
    a_depth,
    a_finished_job,
    a_job,
    a_streak,
    a_work_queue_job,
    a_worker_spec,
    after,
    an_observation,
    an_unmeasured_observation,
)
from tests.reckoning import build_status, plan
from workqueuejob.api import Condition, ConditionStatus, CountedItems, ItemsStatus, WorkQueueJob
from workqueuejob.api.status import WorkQueueJobStatus
from workqueuejob.planning.actions import EndJob, SetSuspend
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.evidence.evidence import Evidence
from workqueuejob.planning.observing.observed import JobState, Observed
from workqueuejob.planning.rules.limits import time_left
from workqueuejob.planning.verdict import RUN_DEADLINE, Progress


def a_run(status: dict[str, Any] | None = None, **spec: Any) -> WorkQueueJob:
    known = WorkQueueJobStatus.model_validate({"start_time": after(0), **(status or {})})
    return a_work_queue_job(active_deadline_seconds=60, status=known, **spec)


def decide(observed: Observed, *, at: float) -> Plan:
    return plan(observed, Evidence(), now=after(at))


def test_pods_at_work_are_ended_with_their_grace_when_the_time_is_up() -> None:
    observed = an_observation(a_job(active=1), depth=a_depth(2, 1), resource=a_run({"waves": 1}))

    (end,) = decide(observed, at=60).actions

    assert isinstance(end, EndJob)
    assert (end.succeeded, end.reason, end.with_grace) == (False, RUN_DEADLINE, True)


def test_job_that_is_still_suspended_is_ended_and_then_resumed_so_that_it_can_finish() -> None:
    suspended = a_job(suspended=True)
    ending = replace(suspended, state=JobState.ENDING)
    run = a_run({"waves": 1})

    (end,) = decide(an_observation(suspended, depth=a_depth(2), resource=run), at=60).actions
    (resume,) = decide(an_observation(ending, depth=a_depth(2), resource=run), at=61).actions

    assert isinstance(end, EndJob)
    assert resume == SetSuspend(ending.name, suspend=False, resource_version="101")


def test_run_goes_on_until_then() -> None:
    observed = an_observation(a_job(active=1), depth=a_depth(2, 1), resource=a_run({"waves": 1}))

    assert decide(observed, at=59).actions == ()


def test_run_is_failed_once_its_pods_are_gone() -> None:
    ending = a_job(state=JobState.ENDING, terminating=1)
    ended = a_finished_job(state=JobState.FAILED, succeeded=1)
    run = a_run({"waves": 1})

    waiting = decide(an_observation(ending, depth=a_depth(2), resource=run), at=61)
    over = decide(an_observation(ended, depth=a_depth(2), resource=run), at=62)

    assert (waiting.verdict.progress, waiting.actions) == (Progress.WORKING, ())
    assert (over.verdict.progress, over.verdict.end_reason) == ("Failed", "DeadlineExceeded")
    assert "spec.activeDeadlineSeconds 60" in over.verdict.message
    assert "2 ready" in over.verdict.message


def test_item_of_a_worker_that_was_ended_is_awaited_before_what_is_left_is_told() -> None:
    run = a_run(**a_worker_spec())
    killed = CountedItems(uncertain=1)
    ended = a_finished_job(state=JobState.FAILED, succeeded=0, items=killed)
    observed = an_observation(ended, depth=a_depth(0, consumers=0), resource=run)

    waiting = decide(observed, at=61)
    over = plan(observed, Evidence(quiet=a_streak(11, until=80)), now=after(80))

    assert waiting.verdict.progress == Progress.WORKING
    assert over.verdict.end_reason == "DeadlineExceeded"


def test_queue_that_can_not_be_measured_does_not_keep_a_run_alive() -> None:
    decided = decide(an_unmeasured_observation(resource=a_run()), at=61)

    assert decided.verdict.end_reason == "DeadlineExceeded"


def test_suspended_run_has_no_deadline_and_begins_anew() -> None:
    done = ItemsStatus(total=9, succeeded=4, remaining=5)
    suspended = a_run({"items": done}, suspend=True)
    at_rest = an_unmeasured_observation(resource=suspended)

    assert decide(at_rest, at=600).verdict.progress == Progress.SUSPENDED
    status = build_status(at_rest, decide(at_rest, at=600), now=after(600))
    assert status.start_time is None
    assert status.items_per_minute is None

    resumed = an_unmeasured_observation(
        resource=a_work_queue_job(active_deadline_seconds=60, status=status)
    )
    again = build_status(resumed, decide(resumed, at=700), now=after(700))
    assert again.start_time == after(700)
    assert again.succeeded_before_start == 4


def test_rate_is_that_since_the_run_was_resumed() -> None:
    known = {"succeeded_before_start": 4}
    observed = an_observation(
        a_job(succeeded=10, completions=20), depth=a_depth(10), resource=a_run(known)
    )

    status = build_status(observed, decide(observed, at=30), now=after(30))

    assert status.items_per_minute == "12.0"


@pytest.mark.parametrize(("seconds", "left"), [(0, -20), (60, 40), (None, None)])
def test_run_that_has_ended_is_kept_for_as_long_as_it_says(
    seconds: int | None, left: int | None
) -> None:
    end = Condition(
        type="Failed",
        status=ConditionStatus.TRUE,
        reason="DeadlineExceeded",
        message="over",
        last_transition_time=after(100),
    )
    run = a_work_queue_job(
        ttl_seconds_after_finished=seconds, status=WorkQueueJobStatus(conditions=(end,))
    )

    kept = time_left(run, now=after(120))

    assert kept == (None if left is None else timedelta(seconds=left))


def test_run_that_goes_on_is_kept() -> None:
    assert time_left(a_work_queue_job(ttl_seconds_after_finished=0), now=after(0)) is None
