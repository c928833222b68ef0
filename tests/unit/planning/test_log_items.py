"""The ledger of a run on a partitioned log, whose offsets are not all items."""

from typing import Any

import pytest

from tests.builders import (
    a_finished_job,
    a_job,
    a_log,
    a_log_depth,
    a_work_queue_job,
    a_worker_spec,
    an_observation,
)
from workqueuejob.api import ItemsStatus, QueueStatus, WorkQueueJobStatus
from workqueuejob.api.status import Accounting, CountedItems
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.planning.ledger.items import Doubt, count_items
from workqueuejob.planning.ledger.run import count_run
from workqueuejob.planning.observing.observed import ObservedJob

WORKER: dict[str, Any] = a_worker_spec(kafka={})
FOREIGN: dict[str, Any] = {"kafka": {}}
DONE = a_log_depth(a_log((0, 20, 20)))


def items_of(
    *jobs: ObservedJob,
    depth: QueueDepth = DONE,
    total: int = 20,
    succeeded: int = 0,
    expired: int | None = None,
    removed: int | None = None,
    spec: dict[str, Any] | None = None,
) -> ItemsStatus:
    before = ItemsStatus(total=total, succeeded=succeeded, expired=expired)
    status = WorkQueueJobStatus(items=before, queue=QueueStatus(removed=removed), waves=0)
    resource = a_work_queue_job(status=status, **(WORKER if spec is None else spec))
    observed = an_observation(*jobs, depth=depth, resource=resource)
    items = count_items(observed, count_run(status, jobs), Doubt())
    assert items is not None
    return items


def reported(succeeded: int, uncertain: int = 0) -> ObservedJob:
    return a_finished_job(items=CountedItems(succeeded=succeeded, uncertain=uncertain))


def numbers(items: ItemsStatus) -> tuple[int | None, ...]:
    return items.total, items.succeeded, items.remaining


def test_offsets_are_taken_for_items_as_long_as_pods_run() -> None:
    halfway = a_log_depth(a_log((0, 20, 12)))
    items = items_of(a_job(active=1), depth=halfway)
    assert numbers(items) == (20, 12, 8)
    assert items.accounting is Accounting.INFERRED


def test_offsets_without_an_item_are_none_when_every_pod_has_reported() -> None:
    items = items_of(reported(10))
    assert numbers(items) == (10, 10, 0)
    assert items.accounting is Accounting.COUNTED


def test_killed_pods_are_not_credited_with_offsets_that_may_hold_no_item() -> None:
    items = items_of(reported(18, uncertain=2))
    assert numbers(items) == (18, 18, 0)
    assert items.accounting is Accounting.INFERRED


def test_what_retention_removed_has_expired_and_not_succeeded() -> None:
    cut = a_log_depth(a_log((7, 20, 4)))
    items = items_of(a_job(active=1), depth=cut, succeeded=4)
    assert numbers(items) == (17, 4, 13)
    assert items.expired == 3


@pytest.mark.parametrize(
    ("start", "committed", "removed", "expired"),
    [(7, 4, 3, 3), (7, 8, 3, 3), (12, 8, None, 7), (9, 4, 3, 5)],
    ids=["seen before", "passed", "a second time", "growing"],
)
def test_what_has_expired_is_added_up(
    start: int, committed: int, removed: int | None, expired: int
) -> None:
    depth = a_log_depth(a_log((start, 20, committed)))
    items = items_of(a_job(active=1), depth=depth, total=17, expired=3, removed=removed)
    assert items.expired == expired


def test_log_that_keeps_everything_has_nothing_expired() -> None:
    assert items_of(reported(20)).expired is None


def test_foreign_programs_items_are_the_offsets_passed() -> None:
    depth = a_log_depth(a_log((0, 20, 12)), worker=False, consumers=2)
    items = items_of(a_job(active=2), depth=depth, spec=FOREIGN)
    # What a consumer has in hand is among what is ready.
    assert numbers(items) == (20, 12, 8)


def test_more_than_a_measurement_can_hold_is_cut_and_the_sum_goes_on() -> None:
    everything = a_log_depth(a_log((2**40, 2**41, 0)))
    items = items_of(a_job(active=1), depth=everything, total=0, expired=5)
    assert (items.remaining, items.expired) == (1_000_000_000, 1_000_000_005)
    most = items_of(a_job(active=1), depth=everything, total=0, expired=2**53 - 1)
    assert most.expired == 2**53 - 1
