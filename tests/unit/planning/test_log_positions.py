"""What is left in a partitioned log, of its positions."""

from dataclasses import replace

import pytest

from workqueuejob.planning.log_positions import (
    Lag,
    LogPositions,
    PartitionPosition,
    has_reached,
    is_same_topic,
    measure_lag,
)
from workqueuejob.protocol.kafka_offsets import LogEnds, NextItem

NOW = 1_000.0
HALFWAY = PartitionPosition(start=0, end=10, committed=4)


def log(*partitions: PartitionPosition) -> LogPositions:
    return LogPositions("id", partitions)


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
    assert lag_of(PartitionPosition(7, 10, committed=4)) == Lag(ready=3, partitions=1, expired=3)
    assert lag_of(PartitionPosition(7, 10)).expired == 0


def test_what_is_behind_the_targets_is_told_apart() -> None:
    targets = LogEnds("id", (6, 4))
    grown = log(HALFWAY, HALFWAY, replace(HALFWAY, committed=None))
    # Of the first 4 to 6; the second is there; the third came later.
    assert measure_lag(grown, now=NOW, targets=targets) == Lag(ready=2, partitions=1, added=20)


def test_targets_are_reached_when_everything_before_them_is_done() -> None:
    targets = LogEnds("id", (6, 10))
    assert not has_reached(log(HALFWAY, replace(HALFWAY, committed=10)), targets)
    there = replace(HALFWAY, committed=6)
    assert has_reached(log(there, replace(HALFWAY, committed=10)), targets)
    resting = replace(HALFWAY, next=NextItem(1, due_at=NOW + 5))
    assert not has_reached(log(resting, replace(HALFWAY, committed=10)), targets)


def test_targets_below_what_retention_left_are_reached() -> None:
    assert has_reached(log(PartitionPosition(8, 10, committed=4)), LogEnds("id", (6,)))


def test_ends_of_now_are_the_targets_of_a_run_that_starts_now() -> None:
    assert log(HALFWAY, replace(HALFWAY, end=3)).ends == LogEnds("id", (10, 3))


@pytest.mark.parametrize(
    ("targets", "same"),
    [
        (LogEnds("id", (10,)), True),
        (LogEnds("id", (10, 5)), True),
        (LogEnds("other", (10, 5)), False),
        (LogEnds("id", (10, 5, 7)), False),
    ],
)
def test_topic_that_was_created_anew_is_another_one(targets: LogEnds, same: bool) -> None:
    assert is_same_topic(log(HALFWAY, HALFWAY), targets) is same
