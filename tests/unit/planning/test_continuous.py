"""A run that never ends: it waits, works, waits again, and pauses where others would fail."""

from dataclasses import replace
from typing import Any

import pytest

from tests.builders import (
    a_depth,
    a_finished_job,
    a_job,
    a_streak,
    a_work_queue_job,
    after,
    an_observation,
)
from tests.reckoning import build_status, plan
from workqueuejob.api import (
    BusyPeriod,
    CountsBefore,
    ItemsStatus,
    PodsStatus,
    WorkQueueJob,
    WorkQueueJobStatus,
)
from workqueuejob.planning.actions import CreateWave
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.evidence.evidence import Evidence
from workqueuejob.planning.evidence.movement import Movement
from workqueuejob.planning.observing.observed import JobState, Observed
from workqueuejob.planning.status.status import differs
from workqueuejob.planning.verdict import RUN_FAILED, Progress

DRAINED = Evidence(drained=a_streak(10, until=60))
QUIET = Evidence(quiet=a_streak(8, until=60))
BUSY = BusyPeriod(start_time=after(0), before=CountsBefore(waves=4, pods_failed=7, succeeded=20))


def a_continuous_run(status: dict[str, Any] | None = None, **spec: Any) -> WorkQueueJob:
    known = WorkQueueJobStatus.model_validate(status or {})
    return a_work_queue_job(run_policy="Continuous", status=known, **spec)


def decide(observed: Observed, evidence: Evidence | None = None, *, at: float = 60) -> Plan:
    return plan(observed, evidence or Evidence(), now=after(at))


def status_after(observed: Observed, evidence: Evidence, *, at: float = 60) -> WorkQueueJobStatus:
    return build_status(observed, decide(observed, evidence, at=at), now=after(at))


def test_empty_queue_is_waited_for_without_any_proof() -> None:
    decided = decide(an_observation(resource=a_continuous_run()), Evidence(drained=a_streak(0)))

    assert decided.verdict.progress == Progress.WAITING_FOR_ITEMS
    assert decided.actions == ()
    assert decided.decision is None


def test_waiting_changes_nothing_that_would_have_to_be_written() -> None:
    run = a_continuous_run()
    first = status_after(an_observation(resource=run), DRAINED)
    known = run.model_copy(update={"status": first})

    later = status_after(an_observation(resource=known, at=500), DRAINED, at=500)

    assert not differs(first, later)


def test_items_that_come_after_a_pause_are_a_new_busy_period() -> None:
    run = a_continuous_run(
        {
            "waves": 4,
            "items": ItemsStatus(total=20, succeeded=20, remaining=0),
            "pods": PodsStatus(succeeded=20, failed=7),
            "last_busy_period": BusyPeriod(start_time=after(-90), end_time=after(-60)),
        },
        parallelism=2,
    )
    observed = an_observation(depth=a_depth(3), resource=run)

    decided = decide(observed)
    status = build_status(observed, decided, now=after(60))

    assert decided.actions == (CreateWave(wave=5, completions=3, parallelism=2),)
    assert status.current_busy_period is not None
    assert status.current_busy_period.start_time == after(60)
    assert status.current_busy_period.before == BUSY.before
    assert status.current_busy_period.items == 3
    assert status.progress == "0/3"


def test_busy_period_is_over_once_the_queue_is_proved_empty() -> None:
    known = {"waves": 5, "current_busy_period": BUSY, "pods": PodsStatus(succeeded=23, failed=7)}
    observed = an_observation(resource=a_continuous_run(known))

    status = status_after(observed, DRAINED)

    assert status.current_busy_period is None
    assert status.last_busy_period is not None
    assert status.last_busy_period.end_time == after(50)
    assert (status.last_busy_period.waves, status.last_busy_period.succeeded) == (1, 3)
    assert (status.progress, status.items_per_minute) == ("3/3", "3.6")
    assert not any(c.type in {"Complete", "Failed"} for c in status.conditions)


def test_busy_period_is_not_over_before_that_is_proved() -> None:
    observed = an_observation(resource=a_continuous_run({"waves": 5, "current_busy_period": BUSY}))

    decided = decide(observed, Evidence(drained=a_streak(1, until=60)))

    assert decided.verdict.progress == Progress.VERIFYING_DRAINED
    assert decided.period_end is None


def test_straggler_does_not_keep_new_items_waiting() -> None:
    straggler = a_job(1, completions=1, parallelism=1, active=1)
    observed = an_observation(
        straggler, depth=a_depth(5, 1), resource=a_continuous_run({"waves": 1}, parallelism=4)
    )

    assert decide(observed).actions == (CreateWave(wave=2, completions=5, parallelism=3),)


def test_failed_pods_of_former_busy_periods_are_forgiven() -> None:
    pods = PodsStatus(failed=7)
    run = a_continuous_run({"waves": 4, "pods": pods, "current_busy_period": BUSY}, backoff_limit=1)
    given_up = a_finished_job(4, state=JobState.FAILED, failure_reason=RUN_FAILED, succeeded=0)
    failing = a_job(5, failed=1, completions=1, active=1)

    decided = decide(an_observation(given_up, failing, depth=a_depth(2, 1), resource=run))

    assert decided.verdict.progress == Progress.WORKING


@pytest.mark.parametrize(("quiet_seconds", "is_over"), [(3, False), (6, True)])
def test_too_many_failed_pods_pause_the_run(quiet_seconds: float, is_over: bool) -> None:
    pods = PodsStatus(failed=9)
    run = a_continuous_run({"waves": 5, "pods": pods, "current_busy_period": BUSY}, backoff_limit=1)
    quiet = Evidence(quiet=a_streak(quiet_seconds, until=60))

    decided = decide(an_observation(depth=a_depth(2), resource=run), quiet)

    assert decided.verdict.progress == Progress.BACKOFF_LIMIT_EXCEEDED
    assert decided.verdict.end_reason is None
    assert "2 pods failed, more than spec.backoffLimit 1" in decided.verdict.message
    assert "the next attempt is made 5 s after the last pod has ended" in decided.verdict.message
    assert (decided.period_end is not None) == is_over


@pytest.mark.parametrize(("ready", "reason"), [(2, "PodFailurePolicy"), (0, "VerifyingDrained")])
def test_fatal_failure_pauses_the_run_while_items_are_left(ready: int, reason: str) -> None:
    run = a_continuous_run({"waves": 5, "current_busy_period": BUSY})
    fatal = a_finished_job(5, state=JobState.FAILED, failure_reason="PodFailurePolicy")
    drained = None if ready else a_streak(0, until=60)

    decided = decide(
        an_observation(fatal, depth=a_depth(ready), resource=run), Evidence(drained=drained)
    )

    assert decided.verdict.progress == reason
    assert decided.verdict.end_reason is None


def test_pause_grows_with_each_attempt_that_was_given_up() -> None:
    last = BusyPeriod(start_time=after(0), end_time=after(1), given_up=2)
    known = {"waves": 5, "pods": PodsStatus(failed=9), "current_busy_period": BUSY}
    run = a_continuous_run({**known, "last_busy_period": last}, backoff_limit=1)
    observed = an_observation(depth=a_depth(2), resource=run)

    assert decide(observed, QUIET).period_end is None
    status = status_after(observed, Evidence(quiet=a_streak(20, until=60)))

    assert status.last_busy_period is not None
    assert status.last_busy_period.given_up == 3
    assert decide(replace(observed, resource=run.model_copy(update={"status": status}))).actions


def test_waves_that_settle_nothing_pause_the_run() -> None:
    run = a_continuous_run(
        {"waves": 6, "waves_without_progress": 2, "current_busy_period": BUSY}, parallelism=2
    )
    still = Movement(items_left=3, newest=6, attempt_after=5, still_after=5)
    futile = Evidence(quiet=a_streak(25, until=60), movement=still)

    decided = decide(an_observation(a_finished_job(6), depth=a_depth(3), resource=run), futile)

    assert decided.verdict.progress == Progress.NO_PROGRESS
    assert decided.verdict.end_reason is None
    assert "the next attempt is made 20 s after the last pod has ended" in decided.verdict.message
    assert decided.actions == (CreateWave(wave=7, completions=2, parallelism=2),)
    assert decided.futile_waves == 3


def test_run_that_is_to_end_is_complete_once_drained() -> None:
    last = BusyPeriod(start_time=after(0), end_time=after(1))
    status = WorkQueueJobStatus(waves=3, last_busy_period=last)
    observed = an_observation(resource=a_work_queue_job(status=status))

    decided = decide(observed, DRAINED)

    assert (decided.verdict.progress, decided.verdict.end_reason) == ("Complete", "Drained")
