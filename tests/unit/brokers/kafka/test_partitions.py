"""What a worker takes next of the partitions that it has; no broker is near."""

from typing import Any

from confluent_kafka import Message

from workqueuejob.brokers.kafka.partitions import Partition, Partitions
from workqueuejob.contract.offsets import FRESH, NextItem

NOW = 1_000.0


def message(offset: int) -> Message:
    fields: Any = {"topic": "t", "partition": 0, "offset": offset, "value": b"%d" % offset}
    return Message(**fields)


def partition(number: int, *offsets: int, **how: Any) -> Partition:
    made = Partition(number, **how)
    for offset in offsets:
        made.receive(message(offset))
    return made


def partitions(*every: Partition) -> Partitions:
    made = Partitions(clock=lambda: NOW)
    for one in every:
        made.add(one)
    return made


def test_item_that_is_begun_comes_before_others() -> None:
    one, begun = partition(0, 5), partition(1, 7, is_begun=True)
    assert partitions(one, begun).choose() is begun


def test_partition_with_an_item_in_hand_gives_no_other() -> None:
    busy = partition(0, 5, 6)
    busy.in_hand = busy.waiting.popleft()
    assert partitions(busy).choose() is None


def test_partition_that_rests_or_leaves_gives_nothing() -> None:
    resting = partition(0, 5, next=NextItem(1, due_at=NOW + 3))
    leaving = partition(1, 5, is_leaving=True)
    every = partitions(resting, leaving)
    assert every.choose() is None
    assert every.next_due_seconds() == 3
    assert not every.wants(resting)
    assert not every.wants(leaving)


def test_what_lies_behind_the_target_is_dropped_and_ends_the_partition() -> None:
    one = partition(0, 4, 5, 6, end=5)
    assert [waiting.offset() for waiting in one.waiting] == [4]
    assert one.is_done
    # Where the first was dropped: whatever comes later, who goes on there misses nothing.
    assert one.reached == 5
    one.reach(9)
    assert one.reached == 5


def test_item_that_is_put_back_comes_first_again() -> None:
    one = partition(0, 5, 6)
    one.in_hand = one.waiting.popleft()
    one.put_back(NextItem(1))
    assert [waiting.offset() for waiting in one.waiting] == [5, 6]
    assert (one.next, one.committed, one.was_seen) == (NextItem(1), 5, True)


def test_settled_item_leaves_its_successor_without_a_history() -> None:
    one = partition(0, 5, next=NextItem(2, is_held=True), is_begun=True)
    one.in_hand = one.waiting.popleft()
    one.settle(6)
    assert (one.next, one.committed, one.is_begun, one.was_seen) == (FRESH, 6, False, False)


def test_partition_is_resolved_when_its_next_item_or_its_end_is_known() -> None:
    silent = partition(0)
    assert not partitions(silent).is_resolved
    silent.reached = 7
    assert partitions(silent, partition(1, 3)).is_resolved


def test_partition_that_is_taken_away_is_lost() -> None:
    one = partition(0, 5)
    every = partitions(one)
    every.remove([0, 4])
    assert one.is_lost
    assert len(every) == 0
