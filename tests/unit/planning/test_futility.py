"""Waves whose pods succeed without settling anything."""

from dataclasses import replace

import pytest

from tests.builders import a_depth, a_finished_job, a_job, after, an_observation
from tests.reckoning import gather_evidence
from workqueuejob.api.status import CountedItems
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.contract.report import ItemCounts
from workqueuejob.errors import ConnectionFailed
from workqueuejob.planning.evidence.evidence import Evidence
from workqueuejob.planning.evidence.futility import (
    count_futile_pods,
    count_idle_exits,
    futility_delay_seconds,
    has_progressed,
)
from workqueuejob.planning.ledger.run import Ledger
from workqueuejob.planning.observing.observed import ObservedJob

Read = tuple[QueueDepth, tuple[ObservedJob, ...]]


def after_reads(*reads: Read) -> Evidence:
    evidence = Evidence()
    for at, (depth, jobs) in enumerate(reads):
        observed = an_observation(*jobs, depth=depth, at=at)
        evidence = gather_evidence(evidence, observed, now=after(at))
    return evidence


def a_wave(wave: int = 1, *, succeeded: int = 0) -> ObservedJob:
    return a_job(wave, completions=3, parallelism=3, succeeded=succeeded)


def test_pods_that_left_the_queue_as_deep_were_futile() -> None:
    jobs = (a_wave(succeeded=2),)
    evidence = after_reads((a_depth(3), ()), (a_depth(1, 2), (a_wave(),)), (a_depth(3), jobs))
    assert count_futile_pods(evidence, jobs) == 2
    assert not has_progressed(evidence)


def test_one_settled_item_clears_its_wave() -> None:
    jobs = (a_wave(succeeded=2),)
    evidence = after_reads((a_depth(3), ()), (a_depth(3), (a_wave(),)), (a_depth(2), jobs))
    assert count_futile_pods(evidence, jobs) == 0
    assert has_progressed(evidence)


def test_a_wave_that_settled_its_item_within_a_second_is_not_futile() -> None:
    # A creation is known to the second: by its time, this wave looks younger than the movement.
    jobs = (a_wave(succeeded=1),)
    evidence = after_reads((a_depth(3), ()), (a_depth(2), jobs), (a_depth(2), jobs))
    assert count_futile_pods(evidence, jobs) == 0


def test_overlapping_waves_do_not_hide_each_other() -> None:
    # Found by the model: of two futile waves one was always too young to be judged.
    old, young = a_finished_job(1, succeeded=3), a_wave(2)
    evidence = after_reads((a_depth(3), ()), (a_depth(3), (a_wave(1),)), (a_depth(3), (old, young)))
    assert count_futile_pods(evidence, (old, young)) == 3
    assert not has_progressed(evidence)


def test_a_young_wave_is_judged_by_itself_once_an_older_one_has_moved_the_depth() -> None:
    old, young = a_wave(1, succeeded=2), a_wave(2, succeeded=1)
    evidence = after_reads(
        (a_depth(4), ()),
        (a_depth(4), (a_wave(1),)),
        (a_depth(2), (old,)),
        (a_depth(2), (old, young)),
    )
    assert count_futile_pods(evidence, (old, young)) == 1


def test_an_attempt_is_not_charged_with_the_one_before() -> None:
    first = a_finished_job(1, succeeded=3)
    jobs = (first, a_wave(2, succeeded=1))
    evidence = after_reads(
        (a_depth(3), ()),
        (a_depth(3), (a_wave(1),)),
        (a_depth(3), (first,)),
        (a_depth(3), (first, a_wave(2))),
        (a_depth(3), jobs),
    )
    assert count_futile_pods(evidence, jobs) == 1


def test_progress_of_an_earlier_attempt_is_not_this_ones() -> None:
    first = a_finished_job(1, succeeded=3)
    evidence = after_reads(
        (a_depth(6), ()),
        (a_depth(6), (a_wave(1),)),
        (a_depth(3), (first,)),
        (a_depth(3), (first, a_wave(2))),
    )
    assert not has_progressed(evidence)


def test_a_wave_that_was_there_before_the_first_read_is_not_judged() -> None:
    jobs = (a_wave(succeeded=2),)
    evidence = after_reads((a_depth(3), jobs), (a_depth(3), jobs))
    assert count_futile_pods(evidence, jobs) == 0
    assert not has_progressed(evidence)


def test_a_failed_measurement_hides_what_a_wave_did() -> None:
    jobs = (a_wave(succeeded=2),)
    before = after_reads((a_depth(3), ()), (a_depth(3), (a_wave(),)))
    failed = an_observation(*jobs, depth=ConnectionFailed("mq:5672: refused"), at=5)
    blind = gather_evidence(before, failed, now=after(5))
    assert count_futile_pods(blind, jobs) == 0
    seen = gather_evidence(blind, an_observation(*jobs, depth=a_depth(3), at=6), now=after(6))
    assert count_futile_pods(seen, jobs) == 0


def test_nothing_is_futile_about_an_empty_queue() -> None:
    jobs = (a_wave(succeeded=2),)
    assert count_futile_pods(after_reads((a_depth(), ()), (a_depth(), jobs)), jobs) == 0


def test_each_attempt_waits_twice_as_long() -> None:
    assert [futility_delay_seconds(waves) for waves in range(3)] == [5.0, 10.0, 20.0]


def test_pods_that_left_since_anything_moved_are_counted_in_one_wave_too() -> None:
    reads = [(a_depth(3), (a_wave(),)), (a_depth(2), (a_wave(succeeded=1),))]
    reads.append((a_depth(2), (a_wave(succeeded=3),)))
    ledger = Ledger(waves=1, succeeded=3, failed=0, futile=0)
    assert count_idle_exits(after_reads(*reads), ledger) == 2
    assert count_idle_exits(Evidence(), ledger) == 0


@pytest.mark.parametrize(
    ("told", "futile"),
    [
        pytest.param(CountedItems(), 1, id="nothing was done"),
        pytest.param(CountedItems(unreported=1), 1, id="a pod said nothing, as without our worker"),
        pytest.param(CountedItems(attempts_failed=1), 0, id="an attempt failed"),
        pytest.param(CountedItems(dead_lettered=1), 0, id="an item was put aside"),
        pytest.param(CountedItems(uncertain=1), 0, id="a pod was killed with an item in hand"),
    ],
)
def test_attempts_are_progress_although_the_queue_stays_as_deep(
    told: CountedItems, futile: int
) -> None:
    jobs = (a_wave(succeeded=1),)
    reported = (replace(jobs[0], items=told),)
    evidence = after_reads((a_depth(3), ()), (a_depth(3), (a_wave(),)), (a_depth(3), reported))
    assert count_futile_pods(evidence, reported) == futile


def test_attempts_that_the_broker_counts_are_progress() -> None:
    jobs = (a_wave(succeeded=1),)
    counted = QueueDepth(ready=3, in_flight=0, counts=ItemCounts(attempts_failed=1))
    evidence = after_reads((QueueDepth(3, 0), ()), (QueueDepth(3, 0), (a_wave(),)), (counted, jobs))
    assert count_futile_pods(evidence, jobs) == 0


def test_attempts_are_progress_too_after_the_broker_has_lost_its_counters() -> None:
    # Found by the model: only more than ever before counted, and killed workers looked futile.
    def counting(attempts: int) -> QueueDepth:
        return QueueDepth(ready=3, in_flight=0, counts=ItemCounts(attempts_lost=attempts))

    jobs = (a_wave(succeeded=1),)
    reads = [(counting(9), ()), (counting(0), (a_wave(),)), (counting(1), jobs)]
    assert count_futile_pods(after_reads(*reads), jobs) == 0
