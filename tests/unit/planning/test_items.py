"""The ledger in items, for each kind of broker, worker and mode."""

from typing import Any

import pytest

from tests.builders import (
    a_depth,
    a_finished_job,
    a_job,
    a_work_queue_job,
    a_worker_spec,
    an_observation,
)
from tests.reckoning import build_status
from workqueuejob.api import ItemsStatus, QueueStatus, WorkQueueJobStatus
from workqueuejob.api.status import Accounting, CountedItems
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.contract.report import ItemCounts
from workqueuejob.errors import ConnectionFailed
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.ledger.items import Doubt, count_items
from workqueuejob.planning.ledger.run import count_run
from workqueuejob.planning.observing.observed import ObservedJob
from workqueuejob.planning.verdict import Progress, Verdict

REDIS: dict[str, Any] = {"redis": {}, "mode": "Fine", "worker": {"source": "Image"}}
RABBITMQ = a_worker_spec(mode="Fine")
FOREIGN = {"mode": "Fine"}
WORKING = Plan(Verdict(Progress.WORKING, "at work"))
COUNTED, INFERRED = Accounting.COUNTED, Accounting.INFERRED


def items_of(
    *jobs: ObservedJob,
    spec: dict[str, Any],
    depth: QueueDepth | ConnectionFailed,
    before: ItemsStatus | None = None,
    queue: QueueStatus | None = None,
) -> ItemsStatus:
    status = WorkQueueJobStatus(items=before, queue=queue, waves=0)
    observed = an_observation(*jobs, depth=depth, resource=a_work_queue_job(status=status, **spec))
    items = count_items(observed, count_run(status, jobs), Doubt())
    assert items is not None
    done = (items.succeeded or 0) + (items.dead_lettered or 0) + (items.discarded or 0)
    assert items.total == done + (items.remaining or 0)
    return items


def numbers(items: ItemsStatus) -> tuple[int | None, ...]:
    return items.total, items.succeeded, items.dead_lettered, items.remaining


def before(
    total: int, succeeded: int = 0, dead: int = 0, accounting: Accounting = COUNTED
) -> ItemsStatus:
    return ItemsStatus(
        total=total,
        succeeded=succeeded,
        dead_lettered=dead,
        discarded=0,
        remaining=total - succeeded - dead,
        accounting=accounting,
    )


def reporting(job: ObservedJob = a_job(), **items: int) -> ObservedJob:  # noqa: B008 - a value
    fields = {name: getattr(job, name) for name in ("wave", "state", "succeeded", "active")}
    return a_job(**fields, items=CountedItems(**items))


def redis_depth(ready: int = 0, in_flight: int = 0, **fields: Any) -> QueueDepth:
    return QueueDepth(ready=ready, in_flight=in_flight, **fields)


def test_unknown_depth_is_no_ledger() -> None:
    status = WorkQueueJobStatus()
    observed = an_observation(depth=ConnectionFailed("refused"), resource=a_work_queue_job(**REDIS))
    assert count_items(observed, count_run(status, ()), Doubt()) is None


class TestABrokerThatCounts:
    def test_its_word_is_taken_while_pods_still_run(self) -> None:
        counts = ItemCounts(succeeded=5, dead_lettered=1, attempts_failed=3, attempts_lost=2)
        depth = redis_depth(3, 2, delayed=1, counts=counts)
        items = items_of(a_job(active=2), spec=REDIS, depth=depth)
        assert numbers(items) == (12, 5, 1, 6)
        assert (items.attempts_failed, items.accounting) == (5, COUNTED)

    def test_a_run_that_has_settled_nothing_yet_is_counted_too(self) -> None:
        # Otherwise it would be called inferred from its first wave to its end.
        items = items_of(a_job(active=2), spec=REDIS, depth=redis_depth(9))
        assert (numbers(items), items.accounting) == ((9, 0, 0, 9), COUNTED)

    @pytest.mark.parametrize("counts", [None, ItemCounts(), ItemCounts(succeeded=3)])
    def test_counters_that_vanish_change_no_number_and_are_told(
        self, counts: ItemCounts | None
    ) -> None:
        depth = redis_depth(2, counts=counts)
        items = items_of(spec=REDIS, depth=depth, before=before(9, 6, 1))
        assert (numbers(items), items.accounting) == ((9, 6, 1, 2), INFERRED)

    def test_what_was_once_inferred_stays_so(self) -> None:
        depth = redis_depth(counts=ItemCounts(succeeded=9))
        items = items_of(spec=REDIS, depth=depth, before=before(9, 6, accounting=INFERRED))
        assert (numbers(items), items.accounting) == ((9, 9, 0, 0), INFERRED)

    def test_workers_reports_show_what_the_broker_has_forgotten_before_it_was_read(self) -> None:
        job = reporting(a_finished_job(), succeeded=5)
        items = items_of(job, spec=REDIS, depth=redis_depth())
        assert (numbers(items), items.accounting) == ((5, 5, 0, 0), INFERRED)

    def test_reports_that_are_newer_than_the_measurement_are_no_contradiction(self) -> None:
        depth = redis_depth(1, counts=ItemCounts(succeeded=4))
        items = items_of(reporting(succeeded=5), spec=REDIS, depth=depth)
        assert (numbers(items), items.accounting) == ((5, 4, 0, 1), COUNTED)


class TestWorkersThatReport:
    def test_reports_are_the_truth_once_every_pod_has_ended(self) -> None:
        job = reporting(a_finished_job(), succeeded=7, dead_lettered=1, attempts_failed=4)
        items = items_of(job, spec=RABBITMQ, depth=a_depth(), before=before(9, 9))
        assert (numbers(items), items.accounting) == ((8, 7, 1, 0), COUNTED)
        assert items.attempts_failed == 4

    def test_running_pods_have_done_what_has_gone_from_the_queue(self) -> None:
        items = items_of(a_job(active=2), spec=RABBITMQ, depth=a_depth(3, 2), before=before(9))
        assert (numbers(items), items.accounting) == ((9, 4, 0, 5), INFERRED)

    def test_a_pod_killed_with_an_item_has_done_what_has_gone(self) -> None:
        job = reporting(a_finished_job(), succeeded=7, uncertain=1)
        items = items_of(job, spec=RABBITMQ, depth=a_depth(), before=before(8, 7))
        assert (numbers(items), items.accounting) == ((8, 8, 0, 0), INFERRED)

    def test_items_that_arrive_do_not_undo_what_was_done(self) -> None:
        depth = a_depth(4, 1)
        items = items_of(a_job(active=2), spec=RABBITMQ, depth=depth, before=before(10, 10))
        assert numbers(items) == (15, 10, 0, 5)

    def test_where_held_items_are_out_of_sight_none_seems_to_arrive(self) -> None:
        depth = a_depth(4, None, consumers=1)
        items = items_of(a_job(active=2), spec=RABBITMQ, depth=depth, before=before(10, 10))
        assert numbers(items) == (10, 5, 0, 5)

    def test_a_waiting_consumer_holds_an_item_only_while_the_books_miss_one(self) -> None:
        depth = a_depth(0, None, consumers=2)
        told = reporting(a_job(active=2), succeeded=5)
        items = items_of(told, spec=RABBITMQ, depth=depth, before=before(6))
        assert numbers(items) == (6, 5, 0, 1)
        items = items_of(told, spec=RABBITMQ, depth=depth, before=before(5))
        assert numbers(items) == (5, 5, 0, 0)

    def test_dead_letters_show_before_the_pods_tell(self) -> None:
        queue = QueueStatus(dead_lettered_at_start=3)
        depth = a_depth(2, dead_lettered=5)
        items = items_of(a_job(), spec=RABBITMQ, depth=depth, before=before(9), queue=queue)
        assert numbers(items) == (9, 5, 2, 2)

    def test_no_more_can_be_dead_than_have_gone(self) -> None:
        queue = QueueStatus(dead_lettered_at_start=0)
        depth = a_depth(8, dead_lettered=50)
        items = items_of(a_job(), spec=RABBITMQ, depth=depth, before=before(9), queue=queue)
        assert numbers(items) == (9, 0, 1, 8)

    @pytest.mark.parametrize(("uncertain", "dead"), [(0, 1), (1, 2)])
    def test_what_others_put_aside_is_not_ours_once_the_pods_have_told(
        self, uncertain: int, dead: int
    ) -> None:
        queue = QueueStatus(dead_lettered_at_start=0)
        job = reporting(a_finished_job(), succeeded=4, dead_lettered=1, uncertain=uncertain)
        depth = a_depth(dead_lettered=9)
        items = items_of(job, spec=RABBITMQ, depth=depth, before=before(6), queue=queue)
        assert items.dead_lettered == dead

    @pytest.mark.parametrize("told", [{}, {"succeeded": 2, "dead_lettered": 1}])
    def test_what_pods_without_a_report_have_settled_is_inferred(
        self, told: dict[str, int]
    ) -> None:
        queue = QueueStatus(dead_lettered_at_start=1)
        job = reporting(a_finished_job(), unreported=1, **told)
        depth = a_depth(dead_lettered=4)
        items = items_of(job, spec=RABBITMQ, depth=depth, before=before(8), queue=queue)
        assert (numbers(items), items.accounting) == ((8, 5, 3, 0), INFERRED)

    def test_discarded_items_are_settled(self) -> None:
        job = reporting(a_finished_job(), succeeded=4, discarded=2)
        items = items_of(job, spec=RABBITMQ, depth=a_depth())
        assert (items.total, items.discarded) == (6, 2)


class TestForeignProgramsInModeFine:
    def test_what_has_gone_from_the_queue_is_done(self) -> None:
        items = items_of(a_job(), spec=FOREIGN, depth=a_depth(3, 1), before=before(9, 2))
        assert (items.total, items.succeeded, items.remaining) == (9, 5, 4)
        assert items.accounting is INFERRED

    def test_items_that_arrive_raise_the_total(self) -> None:
        items = items_of(a_job(), spec=FOREIGN, depth=a_depth(3, 1), before=before(9, 9))
        assert (items.total, items.succeeded) == (13, 9)

    def test_a_waiting_consumer_is_no_item(self) -> None:
        depth = a_depth(0, None, consumers=2)
        items = items_of(a_job(active=2), spec=FOREIGN, depth=depth, before=before(9, 9))
        assert (items.total, items.succeeded) == (9, 9)


def at_start(
    *jobs: ObservedJob, depth: QueueDepth, status: WorkQueueJobStatus | None = None
) -> int | None:
    resource = a_work_queue_job(status=status, **RABBITMQ)
    queue = build_status(
        an_observation(*jobs, depth=depth, resource=resource), WORKING, now=resource_time()
    ).queue
    assert queue is not None
    return queue.dead_lettered_at_start


def resource_time() -> Any:
    return an_observation().measurement.time  # type: ignore[union-attr] # it has one


def test_former_dead_letters_are_those_of_before_the_first_wave() -> None:
    assert at_start(a_job(), depth=a_depth(dead_lettered=4)) == 4


@pytest.mark.parametrize("known", [None, 4])
def test_running_pods_leave_former_dead_letters_as_they_were(known: int | None) -> None:
    status = WorkQueueJobStatus(waves=1, queue=QueueStatus(dead_lettered_at_start=known))
    assert at_start(a_job(), depth=a_depth(dead_lettered=9), status=status) == known


def test_what_others_put_aside_meanwhile_shows_once_every_pod_has_told() -> None:
    status = WorkQueueJobStatus(waves=0, queue=QueueStatus(dead_lettered_at_start=4))
    job = reporting(a_finished_job(), dead_lettered=2)
    assert at_start(job, depth=a_depth(dead_lettered=9), status=status) == 7


def test_unknown_target_leaves_former_dead_letters_as_they_were() -> None:
    status = WorkQueueJobStatus(waves=1, queue=QueueStatus(dead_lettered_at_start=4))
    assert at_start(depth=a_depth(dead_lettered=None), status=status) == 4
