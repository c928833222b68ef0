"""What is left in a partitioned log, of its positions."""

from dataclasses import replace

import pytest

from workqueuejob.brokers.positions import (
    Lag,
    PartitionPosition,
    TopicPositions,
    TopicSpan,
    is_same_topic,
    measure_lag,
)
from workqueuejob.contract.offsets import NextItem, TopicOffsets

NOW = 1_000.0
HALFWAY = PartitionPosition(start=0, end=10, committed=4)


def log(*partitions: PartitionPosition) -> TopicPositions:
    return TopicPositions("id", partitions)


def lag_of(*partitions: PartitionPosition, from_latest: bool = False) -> Lag:
    return measure_lag(log(*partitions), now=NOW, from_latest=from_latest)


@pytest.mark.parametrize(
    ("position", "ready"),
    [
        (PartitionPosition(0, 10, committed=4), 6),
        (PartitionPosition(0, 10, committed=10), 0),
        (PartitionPosition(0, 0), 0),
        (PartitionPosition(3, 10), 7),
        (PartitionPosition(6, 10, committed=4), 4),
        # As of a topic that was created anew.
        (PartitionPosition(0, 2, committed=4), 0),
    ],
    ids=["halfway", "done", "empty", "nothing committed", "retention", "cut off"],
)
def test_lag_is_what_is_between_the_group_and_the_end(
    position: PartitionPosition, ready: int
) -> None:
    assert lag_of(position).ready == ready


def test_group_that_has_committed_nothing_begins_where_it_is_told() -> None:
    fresh = PartitionPosition(3, 10)
    assert lag_of(fresh, from_latest=True).ready == 0
    assert lag_of(replace(fresh, committed=4), from_latest=True).ready == 6


def test_item_in_a_members_hand_is_in_flight() -> None:
    held = replace(HALFWAY, next=NextItem(1, is_held=True), is_owned=True)
    assert lag_of(held, HALFWAY) == Lag(ready=11, in_flight=1, partitions=2)


def test_item_of_a_member_that_is_gone_is_ready() -> None:
    left = replace(HALFWAY, next=NextItem(1, is_held=True), is_owned=False)
    assert lag_of(left) == Lag(ready=6, partitions=1)


def test_partition_whose_next_item_rests_is_delayed_as_a_whole() -> None:
    resting = replace(HALFWAY, next=NextItem(1, due_at=NOW + 5))
    assert lag_of(resting, HALFWAY) == Lag(ready=6, delayed=6, partitions=1)
    due = replace(HALFWAY, next=NextItem(1, due_at=NOW))
    assert lag_of(due) == Lag(ready=6, partitions=1)


def test_workers_are_of_use_only_where_there_is_lag() -> None:
    done = replace(HALFWAY, committed=10)
    assert lag_of(done, HALFWAY, done, HALFWAY).partitions == 2


def test_what_retention_removed_first_is_expired() -> None:
    assert lag_of(PartitionPosition(7, 10, committed=4)) == Lag(ready=3, partitions=1, removed=3)
    assert lag_of(PartitionPosition(7, 10)).removed == 0


def span(starts: tuple[int, ...], ends: tuple[int, ...] | None) -> TopicSpan:
    return TopicSpan(TopicOffsets("id", starts), None if ends is None else TopicOffsets("id", ends))


def lag_within(wanted: TopicSpan, *partitions: PartitionPosition) -> Lag:
    return measure_lag(log(*partitions), now=NOW, span=wanted)


def test_what_came_after_the_start_is_told_apart() -> None:
    # Of the first 4 to 6; the second is there; the third was added.
    grown = (HALFWAY, HALFWAY, replace(HALFWAY, committed=None))
    assert lag_within(span((0, 0), (6, 4)), *grown) == Lag(ready=2, partitions=1, later=20)


def test_nothing_is_left_when_everything_before_the_ends_is_done() -> None:
    wanted, done = span((0, 0), (6, 10)), replace(HALFWAY, committed=10)
    assert lag_within(wanted, HALFWAY, done).ready == 2
    assert lag_within(wanted, replace(HALFWAY, committed=6), done) == Lag(later=4)
    resting = replace(HALFWAY, next=NextItem(1, due_at=NOW + 5))
    assert lag_within(wanted, resting, done).delayed == 2


def test_ends_below_what_retention_left_are_reached() -> None:
    passed = PartitionPosition(8, 10, committed=4)
    assert lag_within(span((0,), (6,)), passed) == Lag(removed=2, later=2)


def test_what_retention_removed_before_anything_was_committed_is_removed_too() -> None:
    assert lag_within(span((2,), (9,)), PartitionPosition(5, 10)) == Lag(
        ready=4, partitions=1, removed=3, later=1
    )


def test_run_from_the_end_on_begins_where_the_end_was() -> None:
    follows = span((10,), None)
    assert lag_within(follows, PartitionPosition(0, 10)) == Lag()
    # Two more came, and a partition of three.
    grown = (PartitionPosition(0, 12), PartitionPosition(0, 3))
    assert lag_within(follows, *grown) == Lag(ready=5, partitions=2)


def test_run_works_on_what_is_between_the_group_and_the_ends_of_now() -> None:
    found = log(HALFWAY, PartitionPosition(2, 3), PartitionPosition(6, 9, committed=4))
    assert found.span() == span((4, 2, 6), (10, 3, 9))
    assert found.span(from_latest=True, follows=True) == span((4, 3, 6), None)


@pytest.mark.parametrize(
    ("known", "same"),
    [
        (TopicOffsets("id", (10,)), True),
        (TopicOffsets("id", (10, 5)), True),
        (TopicOffsets("other", (10, 5)), False),
        (TopicOffsets("id", (10, 5, 7)), False),
    ],
)
def test_topic_that_was_created_anew_is_another_one(known: TopicOffsets, same: bool) -> None:
    assert is_same_topic(log(HALFWAY, HALFWAY), known) is same
