"""What several reads say together."""

from dataclasses import replace

import pytest

from tests.builders import (
    a_depth,
    a_finished_job,
    a_job,
    a_streak,
    a_work_queue_job,
    after,
    an_observation,
    an_unmeasured_observation,
)
from tests.reckoning import gather_evidence, plan
from workqueuejob.api import ItemsStatus, PodsStatus, WorkQueueJobStatus
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.errors import ConnectionFailed
from workqueuejob.planning.evidence.evidence import Evidence, leave_queue
from workqueuejob.planning.evidence.pace import begin_pace
from workqueuejob.planning.evidence.proof import Streak
from workqueuejob.planning.evidence.resumes import Resume
from workqueuejob.planning.evidence.signs import is_anything_held, is_drained, is_surplus
from workqueuejob.planning.observing.observed import JobState, ObservedJob
from workqueuejob.planning.verdict import Progress


def read(previous: Evidence, *jobs: ObservedJob, depth: QueueDepth, at: float) -> Evidence:
    return gather_evidence(previous, an_observation(*jobs, depth=depth, at=at), now=after(at))


@pytest.mark.parametrize(
    ("streak", "lasts"),
    [
        pytest.param(a_streak(5, reads=3), True, id="long enough and seen often enough"),
        pytest.param(a_streak(4.9, reads=3), False, id="too short"),
        pytest.param(a_streak(60, reads=2), False, id="seen too seldom"),
    ],
)
def test_streak_needs_both_length_and_reads(streak: Streak, *, lasts: bool) -> None:
    assert streak.lasts(seconds=5, reads=3) is lasts


def test_empty_reads_make_a_streak() -> None:
    first = read(Evidence(), depth=a_depth(), at=1)
    second = read(first, depth=a_depth(), at=2)
    assert second.drained == a_streak(1, reads=2, until=2)


def test_wall_clock_that_jumps_ahead_proves_nothing() -> None:
    run = a_work_queue_job(drained_after_seconds=60, status=WorkQueueJobStatus(waves=1))
    evidence = Evidence()
    for read, seen in enumerate((0.0, 1.0, 61.0, 62.0)):
        observed = an_observation(a_finished_job(), resource=run, at=float(read))
        evidence = gather_evidence(evidence, observed, now=after(seen))
    assert plan(observed, evidence, now=after(62)).verdict.progress == Progress.VERIFYING_DRAINED


def test_wall_clock_that_jumps_back_holds_no_end_up() -> None:
    run = a_work_queue_job(drained_after_seconds=60, status=WorkQueueJobStatus(waves=1))
    evidence = Evidence()
    for read in range(0, 70, 5):
        observed = an_observation(a_finished_job(), resource=run, at=float(read))
        evidence = gather_evidence(evidence, observed, now=after(-read))
    assert plan(observed, evidence, now=after(-70)).verdict.progress == Progress.COMPLETE


def test_the_same_measurement_counts_once() -> None:
    first = read(Evidence(), depth=a_depth(), at=1)
    assert read(first, depth=a_depth(), at=1).drained == first.drained


def test_an_item_breaks_the_streak() -> None:
    first = read(Evidence(), depth=a_depth(), at=1)
    assert read(first, depth=a_depth(1), at=2).drained is None


def test_an_error_breaks_every_streak() -> None:
    first = read(Evidence(), a_job(), depth=a_depth(), at=1)
    failed = an_observation(a_job(), depth=ConnectionFailed("mq:5672: refused"), at=2)
    broken = gather_evidence(first, failed, now=after(2))
    streaks = (broken.drained, broken.surplus, broken.idle, broken.quiet, broken.foreign)
    assert streaks == (None,) * 5
    assert broken.movement is None


def test_no_measurement_leaves_everything_as_it_was() -> None:
    first = read(Evidence(), depth=a_depth(), at=1)
    assert gather_evidence(first, an_unmeasured_observation(), now=after(2)) == first


def test_only_what_is_true_of_any_queue_is_still_known_at_another_one() -> None:
    seen = read(Evidence(), a_job(), depth=a_depth(), at=1)
    pace = begin_pace(settled=3, pods=1, now=after(1), seconds_per_item=2.0)
    resumes = (Resume("job", 1, after(1)),)
    left = leave_queue(replace(seen, pace=pace, resumes=resumes))
    assert left == Evidence(pace=pace, resumes=resumes)


def test_items_that_no_pod_accounts_for_have_vanished() -> None:
    evidence = read(Evidence(), depth=a_depth(4), at=1)
    assert read(evidence, a_finished_job(succeeded=3), depth=a_depth(), at=2).vanished == 1


def test_items_that_pods_account_for_have_not_vanished() -> None:
    evidence = read(Evidence(), depth=a_depth(5), at=1)
    assert read(evidence, a_finished_job(succeeded=5), depth=a_depth(), at=2).vanished == 0


def test_what_had_vanished_stays_vanished_while_the_queue_is_empty() -> None:
    evidence = read(Evidence(), depth=a_depth(4), at=1)
    for at in (2, 3):
        evidence = read(evidence, depth=a_depth(), at=at)
    assert evidence.vanished == 4


def test_items_vanish_across_a_failed_measurement() -> None:
    evidence = read(Evidence(), depth=a_depth(4), at=1)
    failed = an_observation(depth=ConnectionFailed("mq:5672: refused"), at=2)
    evidence = gather_evidence(evidence, failed, now=after(2))
    assert read(evidence, depth=a_depth(), at=3).vanished == 4


def test_items_vanish_across_a_restart() -> None:
    status = WorkQueueJobStatus(items=ItemsStatus(remaining=4), pods=PodsStatus(succeeded=1))
    observed = an_observation(resource=a_work_queue_job(status=status))
    assert gather_evidence(Evidence(), observed, now=after(1)).vanished == 4


@pytest.mark.parametrize(
    "change",
    [
        pytest.param((a_job(succeeded=1), a_depth(0, None, consumers=2)), id="a pod succeeded"),
        pytest.param((a_job(failed=1), a_depth(0, None, consumers=2)), id="a pod failed"),
        pytest.param((a_job(active=1), a_depth(0, None, consumers=2)), id="a pod is active"),
        pytest.param((a_job(), a_depth(0, None, consumers=1)), id="a consumer left"),
    ],
)
def test_any_change_begins_idleness_anew(change: tuple[ObservedJob, QueueDepth]) -> None:
    first = read(Evidence(), a_job(), depth=a_depth(0, None, consumers=2), at=1)
    job, depth = change
    assert read(first, job, depth=depth, at=2).idle == a_streak(reads=1, until=2)


@pytest.mark.parametrize(
    ("jobs", "depth", "drained"),
    [
        pytest.param((), a_depth(), True, id="empty without Jobs"),
        pytest.param((a_finished_job(),), a_depth(), True, id="empty after the last Job"),
        pytest.param((a_finished_job(),), a_depth(0, 1), True, id="strangers settle their own"),
        pytest.param((a_finished_job(),), a_depth(1), False, id="an item is ready"),
        pytest.param((a_finished_job(),), a_depth(delayed=1), False, id="an item will come back"),
        pytest.param((a_job(succeeded=5),), a_depth(), False, id="a Job is not terminal"),
        pytest.param((a_job(state=JobState.ENDING),), a_depth(), False, id="a Job is ending"),
        pytest.param((a_finished_job(terminating=1),), a_depth(), False, id="a pod still ends"),
    ],
)
def test_drained_needs_every_job_to_be_over_and_nothing_left(
    jobs: tuple[ObservedJob, ...], depth: QueueDepth, *, drained: bool
) -> None:
    assert is_drained(jobs, depth) is drained


@pytest.mark.parametrize(
    ("job", "depth", "surplus"),
    [
        pytest.param(a_job(), a_depth(), True, id="completions wait for an empty queue"),
        pytest.param(a_job(), a_depth(1), False, id="an item is ready"),
        pytest.param(a_job(), a_depth(0, 1), False, id="an item is held and may come back"),
        pytest.param(a_job(), a_depth(delayed=1), False, id="an item will come back"),
        pytest.param(a_job(succeeded=5), a_depth(), False, id="no completion is open"),
        pytest.param(
            a_job(active=2, ready=2), a_depth(consumers=2), True, id="every running pod waits"
        ),
        pytest.param(
            a_job(active=2, ready=2), a_depth(consumers=1), False, id="one is finishing up"
        ),
        pytest.param(
            a_job(), a_depth(0, None, consumers=0), True, id="unknown, but no pod and no consumer"
        ),
        pytest.param(
            a_job(active=1), a_depth(0, None, consumers=0), False, id="unknown, and a pod is active"
        ),
        pytest.param(
            a_job(), a_depth(0, None, consumers=1), False, id="unknown, and somebody consumes"
        ),
        pytest.param(
            a_job(active=1, ready=1),
            a_depth(0, None, in_flight_lately=0, consumers=1),
            True,
            id="known of late, and every running pod waits",
        ),
        pytest.param(
            a_job(active=1, ready=1),
            a_depth(0, None, in_flight_lately=1, consumers=1),
            False,
            id="held of late",
        ),
    ],
)
def test_surplus_is_open_completions_that_no_item_is_left_for(
    job: ObservedJob, depth: QueueDepth, *, surplus: bool
) -> None:
    assert is_surplus((job,), depth) is surplus


@pytest.mark.parametrize(
    ("depth", "held"),
    [
        pytest.param(a_depth(3, 0), False, id="nothing is in flight"),
        pytest.param(a_depth(3, 0, consumers=2), False, id="consumers that wait hold nothing"),
        pytest.param(a_depth(3, 1), True, id="something is"),
        pytest.param(a_depth(3, None, consumers=0), False, id="unknown, but nobody consumes"),
        pytest.param(a_depth(3, None, consumers=1), True, id="unknown, and somebody does"),
        pytest.param(QueueDepth(ready=3), True, id="nothing is known"),
        pytest.param(
            a_depth(3, None, in_flight_lately=0, consumers=1), True, id="what lags is not believed"
        ),
    ],
)
def test_what_may_be_held_is_taken_to_be_held(depth: QueueDepth, *, held: bool) -> None:
    assert is_anything_held(depth) is held


@pytest.mark.parametrize(
    ("depth", "items"),
    [
        (a_depth(3, 2, consumers=4), 5),
        (a_depth(3, None, consumers=2), 5),
        (a_depth(3, 0, delayed=4), 7),
        (QueueDepth(ready=3), 3),
    ],
)
def test_depth_is_all_that_is_ready_delayed_or_held(depth: QueueDepth, items: int) -> None:
    assert depth.left == items


def test_pods_that_do_not_come_make_a_streak() -> None:
    first = read(Evidence(), a_job(active=1), depth=a_depth(3), at=1)
    assert read(first, a_job(active=1), depth=a_depth(1), at=2).stalled == a_streak(
        1, reads=2, until=2
    )
    assert read(first, a_job(active=2), depth=a_depth(3), at=2).stalled is None


def test_held_items_without_a_pod_make_a_streak_where_consumers_are_unknown() -> None:
    depth = QueueDepth(ready=0, in_flight=1)
    evidence = read(Evidence(), a_finished_job(), depth=depth, at=1)
    assert evidence.abandoned == a_streak(reads=1, until=1)
    assert evidence.drained is None
    assert read(evidence, a_job(2), depth=depth, at=2).abandoned is None


def test_an_item_that_is_taken_or_settled_begins_idleness_anew() -> None:
    first = read(Evidence(), a_job(), depth=QueueDepth(ready=0, in_flight=1), at=1)
    second = read(first, a_job(), depth=QueueDepth(ready=0, in_flight=0), at=2)
    assert second.idle == a_streak(reads=1, until=2)
