"""The status that an observation and a plan amount to."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.builders import (
    NOON,
    a_depth,
    a_finished_job,
    a_job,
    a_work_queue_job,
    after,
    an_observation,
    an_unmeasured_observation,
)
from tests.reckoning import build_status
from workqueuejob.api import ItemsStatus, PodsStatus, WorkQueueJobStatus
from workqueuejob.errors import ConnectionFailed
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.ledger.items import Doubt
from workqueuejob.planning.observing.observed import Observed
from workqueuejob.planning.pacing.urgency import Urgency, judge_status
from workqueuejob.planning.status.status import differs
from workqueuejob.planning.verdict import Progress, Verdict

WORKING = Plan(Verdict(Progress.WORKING, "at work"))
DONE = Plan(Verdict(Progress.COMPLETE, "done", "Drained"), decision="done")


def status_of(observed: Observed, decided: Plan = WORKING, *, at: float = 0) -> WorkQueueJobStatus:
    return build_status(observed, decided, now=after(at))


def items_of(observed: Observed, decided: Plan = WORKING) -> ItemsStatus:
    items = status_of(observed, decided).items
    assert items is not None
    return items


def with_items(total: int, succeeded: int) -> WorkQueueJobStatus:
    return WorkQueueJobStatus(
        waves=1,
        progress=f"{succeeded}/{total}",
        items=ItemsStatus(total=total, succeeded=succeeded, remaining=total - succeeded),
        pods=PodsStatus(succeeded=succeeded),
    )


def test_total_is_what_is_done_and_what_remains() -> None:
    observed = an_observation(a_job(succeeded=3, active=2), depth=a_depth(3, 2))
    items = items_of(observed)
    assert (items.total, items.succeeded, items.remaining) == (8, 3, 5)
    assert status_of(observed).progress == "3/8"


def test_total_counts_what_pods_hold_where_the_broker_hides_it() -> None:
    observed = an_observation(a_job(active=2), depth=a_depth(3, None, consumers=5))
    assert items_of(observed).total == 5


def test_total_counts_items_of_pods_that_take_several() -> None:
    resource = a_work_queue_job(items_per_pod=10)
    observed = an_observation(a_job(succeeded=3), depth=a_depth(4), resource=resource)
    assert items_of(observed).total == 34


def test_progress_does_not_dip_while_a_pod_is_being_counted() -> None:
    resource = a_work_queue_job(status=with_items(8, 0))
    acked = an_observation(a_job(active=2), depth=a_depth(6, 1), resource=resource)
    assert items_of(acked).total == 8


def test_items_that_others_took_leave_the_total_once_no_pod_can_account_for_them() -> None:
    resource = a_work_queue_job(status=with_items(8, 0))
    assert items_of(an_observation(depth=a_depth(5), resource=resource)).total == 5


def test_new_items_raise_the_total() -> None:
    resource = a_work_queue_job(status=with_items(8, 0))
    assert items_of(an_observation(depth=a_depth(11), resource=resource)).total == 11


def test_pods_that_settled_nothing_are_failed_attempts() -> None:
    observed = an_observation(a_finished_job(succeeded=5), depth=a_depth(3))
    items = items_of(observed, replace(WORKING, doubt=Doubt(futile=4)))
    assert (items.succeeded, items.attempts_failed) == (1, 4)


@pytest.mark.parametrize(
    "observed",
    [
        an_observation(
            a_finished_job(),
            depth=ConnectionFailed("mq:5672: refused"),
            resource=a_work_queue_job(status=with_items(8, 3)),
        ),
        an_unmeasured_observation(
            a_finished_job(), resource=a_work_queue_job(status=with_items(8, 3))
        ),
    ],
    ids=["error", "not measured"],
)
def test_unknown_depth_changes_no_item(observed: Observed) -> None:
    status = status_of(observed)
    assert status.items == with_items(8, 3).items
    assert status.progress == "3/8"


def test_unknown_depth_keeps_the_queues_numbers_and_their_time() -> None:
    known = status_of(an_observation(depth=a_depth(4, 1), at=7))
    failed = an_observation(
        depth=ConnectionFailed("refused"), resource=a_work_queue_job(status=known), at=9
    )
    assert status_of(failed).queue == known.queue
    assert known.queue is not None
    assert (known.queue.ready, known.queue.observed_time) == (4, after(7))


def test_unknown_in_flight_is_absent_and_not_zero() -> None:
    status = status_of(an_observation(depth=a_depth(4, None)))
    assert status.queue is not None
    assert status.queue.in_flight is None
    assert "inFlight" not in status.to_manifest()["queue"]


def test_observed_time_moves_only_with_the_numbers() -> None:
    first = status_of(an_observation(depth=a_depth(4), at=1))
    same = an_observation(depth=a_depth(4), at=9, resource=a_work_queue_job(status=first))
    other = an_observation(depth=a_depth(5), at=9, resource=a_work_queue_job(status=first))
    assert status_of(same).queue == first.queue
    assert first.queue is not None
    assert status_of(other).queue == first.queue.model_copy(
        update={"ready": 5, "observed_time": after(9)}
    )


def test_unfinished_jobs_are_listed() -> None:
    status = status_of(an_observation(a_finished_job(1), a_job(2, active=1)))
    assert [(job.wave, job.active) for job in status.jobs] == [(2, 1)]


@pytest.mark.parametrize(
    ("spec", "desired"), [({"parallelism": 9}, 5), ({"parallelism": 2}, 2), ({"suspend": True}, 0)]
)
def test_desired_parallelism_is_what_items_and_spec_allow(
    spec: dict[str, Any], desired: int
) -> None:
    status = status_of(an_observation(a_job(), resource=a_work_queue_job(**spec)))
    assert status.desired_parallelism == desired


def test_selector_finds_the_runs_pods() -> None:
    assert status_of(an_observation()).selector == "wqj.dev/name=fruits"


def test_start_and_completion_are_set_once() -> None:
    started = status_of(an_observation(), at=5)
    done = status_of(an_observation(resource=a_work_queue_job(status=started)), DONE, at=9)
    again = status_of(an_observation(resource=a_work_queue_job(status=done)), DONE, at=99)
    assert (again.start_time, again.completion_time) == (after(5), after(9))


def test_failed_run_has_no_completion_time() -> None:
    failed = Plan(Verdict(Progress.FAILED, "no", "NoProgress"))
    assert status_of(an_observation(), failed).completion_time is None


def test_decision_is_kept_until_the_next() -> None:
    decided = status_of(an_observation(), replace(WORKING, decision="created"), at=3)
    later = status_of(an_observation(resource=a_work_queue_job(status=decided)), at=9)
    assert later.last_decision == decided.last_decision
    assert later.last_decision is not None
    assert later.last_decision.time == after(3)


@pytest.mark.parametrize(("now", "kept"), [(2, 2), (None, 1)])
def test_futile_waves_are_kept_unless_the_plan_knows_better(now: int | None, kept: int) -> None:
    resource = a_work_queue_job(status=WorkQueueJobStatus(waves_without_progress=1))
    decided = replace(WORKING, futile_waves=now)
    assert status_of(an_observation(resource=resource), decided).waves_without_progress == kept


def test_forecast_is_the_rate_over_the_whole_run() -> None:
    before = WorkQueueJobStatus(start_time=NOON)
    observed = an_observation(
        a_job(succeeded=4), depth=a_depth(8), resource=a_work_queue_job(status=before)
    )
    status = status_of(observed, at=120)
    assert status.items_per_minute == "2.0"
    assert status.estimated_completion_time == after(120) + timedelta(minutes=4)


def test_nothing_is_forecast_from_nothing() -> None:
    status = status_of(an_observation(depth=a_depth(8)), at=120)
    assert (status.items_per_minute, status.estimated_completion_time) == (None, None)


def test_clock_alone_is_no_reason_to_write() -> None:
    first = status_of(an_observation(a_job(succeeded=4), depth=a_depth(8)))
    later = an_observation(
        a_job(succeeded=4), depth=a_depth(8), resource=a_work_queue_job(status=first), at=60
    )
    assert not differs(first, status_of(later, at=60))


def test_status_that_was_written_equals_the_one_read_back() -> None:
    status = status_of(an_observation(a_job(succeeded=4), depth=a_depth(8)), at=0.7)
    observed = an_observation(
        a_job(succeeded=4),
        depth=a_depth(8),
        resource=a_work_queue_job(status=WorkQueueJobStatus.from_manifest(status.to_manifest())),
    )
    assert not differs(observed.resource.status, status_of(observed, at=0.9))


def test_numbers_may_be_put_off_and_a_new_wave_may_not() -> None:
    first = status_of(an_observation(a_job(), depth=a_depth(8)))
    resource = a_work_queue_job(status=first)
    numbers = status_of(an_observation(a_job(active=1), depth=a_depth(7), resource=resource))
    wave = status_of(an_observation(a_job(1), a_job(2), depth=a_depth(8), resource=resource))
    assert judge_status(first, first, acted=False, restless=False) is None
    assert judge_status(first, numbers, acted=False, restless=False) is Urgency.NUMBERS
    assert judge_status(first, wave, acted=False, restless=False) is Urgency.DECISION
