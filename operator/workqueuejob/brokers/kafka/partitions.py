"""The partitions that a worker has been assigned, and what came of them. Calls no broker.

In a partition one item is worked on at a time, and the next only after it is settled: an item
that rests until its next attempt holds up those behind it, so that the order is kept.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from confluent_kafka import Message

from workqueuejob.contract.offsets import FRESH, NextItem

UNKNOWN = -1
"""Nothing was committed that we know of."""


@dataclass(eq=False, slots=True)
class Partition:
    """One partition while it is ours; after it was taken away only `is_lost` counts.

    end: offset before which to work; None follows.
    committed: the group's offset.
    next: what is known of the item that comes next, as it stands beside the committed offset.
    reached: offset before which nothing is left to fetch.
    is_cut: whether something behind the target was dropped, at the offset that was reached.
    waiting: fetched, and not in hand; the first of them may be begun.
    in_hand: the item that is worked on.
    is_begun: whether `next` counts the attempt that is about to be made.
    was_seen: whether somebody had the next item before.
    unanswered: the item whose settling commit was sent, and not answered.
    is_leaving: whether it is to be handed over as soon as nothing of it is in hand.
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
        """Whether nothing of it is known that is to be worked on."""
        return self.in_hand is None and not self.waiting

    @property
    def is_resolved(self) -> bool:
        """Whether it is known what comes next: an item, a rest, or nothing."""
        return bool(self.waiting) or self.in_hand is not None or self.reached != UNKNOWN

    def rest_seconds(self, now: float) -> float:
        """Return how long the next item must rest; now is of the wall clock."""
        return max(self.next.due_at - now, 0.0)

    def receive(self, message: Message) -> None:
        """Keep what was fetched, unless it lies behind the target."""
        offset = message.offset() or 0
        if self.end is not None and offset >= self.end:
            self.reach(offset)
            self.is_cut = True
        elif not self.is_cut:
            self.waiting.append(message)
            self.reached = UNKNOWN

    def reach(self, offset: int) -> None:
        """Note that nothing is left to take before an offset, where nothing was dropped."""
        if not self.is_cut:
            self.reached = offset

    def settle(self, committed: int) -> None:
        """Forget the item in hand, whose successor is next."""
        self.in_hand = None
        self.committed = committed
        self.next, self.is_begun, self.was_seen = FRESH, False, False

    def put_back(self, item: NextItem) -> None:
        """Have the item in hand come next again."""
        if self.in_hand is not None:
            self.waiting.appendleft(self.in_hand)
            self.committed = self.in_hand.offset() or 0
        self.in_hand = None
        self.next, self.is_begun, self.was_seen = item, False, True


class Partitions:
    """All partitions that are ours. clock: the wall's, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._every: dict[int, Partition] = {}

    def __iter__(self) -> Iterator[Partition]:
        return iter(self._every.values())

    def add(self, partition: Partition) -> None:
        """Take over a partition that was assigned."""
        self._every[partition.number] = partition

    def remove(self, numbers: Iterable[int]) -> None:
        """Forget partitions that are not ours any more; what is in hand of them is lost."""
        for number in numbers:
            partition = self._every.pop(number, None)
            if partition is not None:
                partition.is_lost = True

    def clear(self) -> None:
        """Lose everything."""
        self.remove(list(self._every))

    def find(self, number: int | None) -> Partition | None:
        """Return a partition that is ours."""
        return None if number is None else self._every.get(number)

    def is_held(self, number: int) -> bool:
        """Whether something of a partition is in hand."""
        found = self._every.get(number)
        return found is not None and found.in_hand is not None

    def __len__(self) -> int:
        return len(self._every)

    @property
    def is_holding(self) -> bool:
        """Whether anything is in hand."""
        return any(one.in_hand is not None for one in self)

    def choose(self) -> Partition | None:
        """Return a partition whose next item may be taken now; first the one that is begun."""
        now = self._clock()
        there = [one for one in self if one.waiting and not one.in_hand and not one.is_leaving]
        begun = next((one for one in there if one.is_begun), None)
        return begun or next((one for one in there if not one.rest_seconds(now)), None)

    def wants(self, partition: Partition) -> bool:
        """Whether more is to be fetched of it."""
        return not (
            partition.is_done or partition.is_leaving or partition.rest_seconds(self._clock())
        )

    def next_due_seconds(self) -> float:
        """Return when the first item that rests may be tried again."""
        now = self._clock()
        rests = [one.rest_seconds(now) for one in self if one.waiting]
        return min((rest for rest in rests if rest), default=float("inf"))

    @property
    def is_resolved(self) -> bool:
        """Whether it is known of every partition what comes next."""
        return all(one.is_resolved or one.is_done or not self.wants(one) for one in self)
