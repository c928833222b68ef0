"""The partitions that are assigned to a worker, and how far it is in each. Calls no broker.

In a partition one item is worked on at a time, and the next only after that item is settled. An
item that rests until its next attempt holds up those behind it, so that the order is kept.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from confluent_kafka import Message

from workqueuejob.contract.offsets import FRESH, NextItem

WAITING_MAX = 100
"""How many records of a partition may wait behind one that is worked on for long."""

UNKNOWN = -1
"""Stands for an offset that is not known."""


@dataclass(eq=False, slots=True)
class Partition:
    """One partition while it is assigned to this worker.

    end: the offset before which the run works (its target); None follows without end.
    committed: the group's offset.
    next: the history of the item that comes next, as the metadata of the committed offset says.
    reached: the offset before which no record is left to fetch.
    is_cut: whether a record behind the target was dropped, at the offset `reached`.
    waiting: records that are fetched and not in hand; the first may be begun.
    in_hand: the record that is worked on.
    unanswered: the record whose settling commit was sent and not answered.
    is_begun: whether `next` counts the attempt that is about to be made.
    was_seen: whether a worker had the next item before.
    is_leaving: whether the partition is given up as soon as no record of it is in hand.
    is_paused: whether nothing is fetched from it.
    is_lost: whether it was taken away; then the other fields mean nothing.
    """

    number: int
    end: int | None = None
    committed: int = UNKNOWN
    next: NextItem = FRESH
    reached: int = UNKNOWN
    is_cut: bool = False
    waiting: deque[Message] = field(default_factory=deque)
    in_hand: Message | None = None
    unanswered: Message | None = None
    is_begun: bool = False
    was_seen: bool = False
    is_leaving: bool = False
    is_paused: bool = False
    is_lost: bool = False

    @property
    def is_done(self) -> bool:
        """Whether the target is reached."""
        return self.end is not None and max(self.reached, self.committed) >= self.end

    @property
    def is_idle(self) -> bool:
        """Whether no record of it is fetched or in hand."""
        return self.in_hand is None and not self.waiting

    @property
    def is_full(self) -> bool:
        """Whether enough records wait behind the one in hand, while other partitions are asked."""
        return self.in_hand is not None and len(self.waiting) >= WAITING_MAX

    @property
    def is_resolved(self) -> bool:
        """Whether it is known what comes next: a record, or the end."""
        return bool(self.waiting) or self.in_hand is not None or self.reached != UNKNOWN

    def rest_seconds(self, now: float) -> float:
        """Return how long the next item must rest. now: seconds of the wall clock."""
        return max(self.next.due_at - now, 0.0)

    def receive(self, message: Message) -> None:
        """Keep a fetched record, unless it lies behind the target."""
        offset = message.offset() or 0
        if self.end is not None and offset >= self.end:
            self.reach(offset)
            self.is_cut = True
        elif not self.is_cut:
            self.waiting.append(message)
            self.reached = UNKNOWN

    def reach(self, offset: int) -> None:
        """Note the offset before which no record is left, unless a record was dropped."""
        if not self.is_cut:
            self.reached = offset

    def settle(self, committed: int) -> None:
        """Forget the record in hand after this offset was committed."""
        self.in_hand = None
        self.committed = committed
        self.next, self.is_begun, self.was_seen = FRESH, False, False

    def put_back(self, item: NextItem) -> None:
        """Make the record in hand the next one again. item: its history from now on."""
        if self.in_hand is not None:
            self.waiting.appendleft(self.in_hand)
            self.committed = self.in_hand.offset() or 0
        self.in_hand = None
        self.next, self.is_begun, self.was_seen = item, False, True


class Partitions:
    """All partitions that are assigned to this worker. clock: the wall clock, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._by_number: dict[int, Partition] = {}

    def __iter__(self) -> Iterator[Partition]:
        return iter(self._by_number.values())

    def add(self, partition: Partition) -> None:
        """Add a partition that was assigned."""
        self._by_number[partition.number] = partition

    def remove(self, numbers: Iterable[int]) -> None:
        """Remove partitions that were taken away; their records in hand are lost."""
        for number in numbers:
            partition = self._by_number.pop(number, None)
            if partition is not None:
                partition.is_lost = True

    def clear(self) -> None:
        """Remove all partitions."""
        self.remove(list(self._by_number))

    def find(self, number: int | None) -> Partition | None:
        """Return an assigned partition by its number; None if it is not assigned."""
        return None if number is None else self._by_number.get(number)

    def is_held(self, number: int) -> bool:
        """Return whether a record of a partition is in hand."""
        partition = self._by_number.get(number)
        return partition is not None and partition.in_hand is not None

    def __len__(self) -> int:
        return len(self._by_number)

    @property
    def is_holding(self) -> bool:
        """Whether a record of any partition is in hand."""
        return any(partition.in_hand is not None for partition in self)

    def choose(self) -> Partition | None:
        """Return a partition whose next item may be taken now, a begun one first; else None."""
        now = self._clock()
        free = [
            partition
            for partition in self
            if partition.waiting and not partition.in_hand and not partition.is_leaving
        ]
        begun = next((partition for partition in free if partition.is_begun), None)
        return begun or next((p for p in free if not p.rest_seconds(now)), None)

    def choose_following(self, partition: Partition) -> Partition | None:
        """Return a partition whose fetched item may be begun when this partition's is settled.

        It is the same partition, or another whose next item has no history; else None.
        """
        if partition.waiting and not partition.is_leaving:
            return partition
        other = self.choose()
        return other if other is not None and other.next == FRESH and not other.is_begun else None

    def wants(self, partition: Partition) -> bool:
        """Return whether more records of a partition are to be fetched."""
        return not (
            partition.is_done
            or partition.is_leaving
            or partition.is_full
            or partition.rest_seconds(self._clock())
        )

    def next_due_seconds(self) -> float:
        """Return the seconds until the first resting item may be tried again; else infinity."""
        now = self._clock()
        rests = [partition.rest_seconds(now) for partition in self if partition.waiting]
        return min((rest for rest in rests if rest), default=float("inf"))

    @property
    def is_resolved(self) -> bool:
        """Whether it is known of every partition what comes next."""
        return all(
            partition.is_resolved or partition.is_done or not self.wants(partition)
            for partition in self
        )
