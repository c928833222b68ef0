"""What a run on a partitioned log works on, and what it leaves."""

from dataclasses import replace
from typing import Any

import pytest

from tests.builders import a_log, a_log_depth, a_measurement, a_work_queue_job, after
from workqueuejob.api import QueueStatus, RunOffsets, WorkQueueJob, WorkQueueJobStatus
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.brokers.positions import PartitionPosition, TopicPositions, TopicSpan
from workqueuejob.contract.offsets import NextItem, TopicOffsets
from workqueuejob.errors import ConnectionFailed, QueueReplaced
from workqueuejob.planning.ledger.spans import find_span, restrict, write_span

DRAINS = RunOffsets(topic_id="id", starts="0,2", ends="6,4")
FOLLOWS = RunOffsets(topic_id="id", starts="6,4")
LATEST: dict[str, Any] = {"kafka": {"start_from": "Latest"}, "run_policy": "Continuous"}


def a_run(offsets: RunOffsets | None = DRAINS, **fields: Any) -> WorkQueueJob:
    status = WorkQueueJobStatus(queue=QueueStatus(offsets=offsets))
    kafka = fields.pop("kafka", {})
    return a_work_queue_job(kafka=kafka, status=status, **fields)


def restricted(depth: QueueDepth, resource: WorkQueueJob) -> QueueDepth:
    found = restrict(a_measurement(depth), resource).result
    assert isinstance(found, QueueDepth)
    return found


def test_what_status_keeps_is_read_back() -> None:
    span = TopicSpan(TopicOffsets("id", (0, 2)), TopicOffsets("id", (6, 4)))
    assert write_span(span) == DRAINS
    assert find_span(a_run()) == span
    assert write_span(TopicSpan(TopicOffsets("id", (6, 4)))) == FOLLOWS
    assert find_span(a_run(FOLLOWS, **LATEST)) == TopicSpan(TopicOffsets("id", (6, 4)))


@pytest.mark.parametrize("empty", ["", "0"])
def test_topic_without_a_record_of_partitions_is_read_back(empty: str) -> None:
    found = find_span(a_run(RunOffsets(topic_id="a/b+c", starts=empty), **LATEST))
    assert found is not None
    assert write_span(found) == RunOffsets(topic_id="a/b+c", starts=empty)


def test_record_of_another_kind_of_run_does_not_hold() -> None:
    assert find_span(a_run(None)) is None
    assert find_span(a_work_queue_job(kafka={})) is None
    assert find_span(a_run(FOLLOWS)) is None


def test_run_that_goes_on_for_ever_by_now_keeps_where_it_began() -> None:
    assert find_span(a_run(run_policy="Continuous")) == TopicSpan(TopicOffsets("id", (0, 2)))


def test_what_comes_after_the_start_is_not_waited_for() -> None:
    depth = restricted(a_log_depth(a_log((0, 9, 5), (0, 4, 4), (0, 7, None))), a_run())
    assert (depth.ready, depth.partitions, depth.later) == (1, 1, 10)


def test_measurement_without_a_record_stays_as_it_is() -> None:
    measured = a_measurement(a_log_depth(a_log((0, 9, 5))))
    assert restrict(measured, a_run(None)) is measured
    elsewhere = a_measurement(QueueDepth(ready=3))
    assert restrict(elsewhere, a_run()) is elsewhere
    failed = a_measurement(ConnectionFailed("refused"))
    assert restrict(failed, a_run()) is failed


def test_run_that_follows_from_the_end_waits_for_all_that_comes() -> None:
    log = a_log((0, 8, None), (0, 4, None), (0, 5, None))
    depth = restricted(a_log_depth(log), a_run(FOLLOWS, **LATEST))
    assert (depth.ready, depth.later) == (7, None)


def test_topic_that_was_created_anew_ends_the_certainty_of_a_run_that_drains() -> None:
    measured = a_measurement(a_log_depth(a_log((0, 1, None), (0, 1, None), topic_id="new")))
    found = restrict(measured, a_run()).result
    assert isinstance(found, QueueReplaced)
    assert "topic 'orders' was deleted and created anew" in str(found)


def test_run_that_follows_works_on_all_of_a_topic_that_was_created_anew() -> None:
    log = a_log((0, 3, None), (0, 1, None), topic_id="new")
    assert restricted(a_log_depth(log), a_run(FOLLOWS, **LATEST)).ready == 4


def test_what_rests_is_due_by_the_time_of_the_measurement() -> None:
    due_at = after(5).timestamp()
    resting = PartitionPosition(0, 9, 5, next=NextItem(1, due_at=due_at))
    depth = a_log_depth(TopicPositions("id", (resting, PartitionPosition(0, 4, 4))))
    measured = replace(a_measurement(depth), time=after(4))
    for now, ready, delayed in ((4, 0, 1), (5, 1, 0)):
        found = restrict(replace(measured, time=after(now)), a_run()).result
        assert isinstance(found, QueueDepth)
        assert (found.ready, found.delayed) == (ready, delayed)


def test_foreign_program_keeps_in_flight_unknown() -> None:
    depth = restricted(a_log_depth(a_log((0, 9, 5), (0, 4, 4)), worker=False), a_run())
    assert (depth.ready, depth.in_flight, depth.left) == (1, None, 1)


def test_lag_past_what_status_holds_is_cut() -> None:
    run = a_run(RunOffsets(topic_id="id", starts="0", ends=str(2**40)))
    depth = restricted(a_log_depth(a_log((0, 2**40, None))), run)
    assert depth.ready == 1_000_000_000
    ended = a_run(RunOffsets(topic_id="id", starts="0", ends="0"))
    assert restricted(a_log_depth(a_log((0, 2**40, None))), ended).later == 1_000_000_000
