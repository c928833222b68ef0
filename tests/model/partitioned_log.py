"""A Kafka topic with our worker: partitions that belong to members of a group, and offsets.

Written after `brokers/kafka/broker.py`: of a partition one item is worked on at a time, and of each
member as many as it has hands. One that rests holds up those behind it, and what is worked on is
not taken away. A member that is not heard of keeps its partitions until its session ends. Each
burst ends with a marker, which is no item, and is passed by whoever finds nothing behind it.
"""

from collections import deque
from collections.abc import Callable  # noqa: TC003 - no block for one import

from tests.model.clock import Clock
from tests.model.queue import Queue, find_owner
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.brokers.positions import (
    PartitionPosition,
    TopicPositions,
    TopicSpan,
    measure_lag,
)
from workqueuejob.contract.offsets import NextItem, TopicOffsets

PARTITIONS = 4
SESSION_SECONDS = 45.0
PATIENCE_SECONDS = 60.0

_MARKER = None


class PartitionedLog(Queue):
    """An item's partition is its number modulo the partitions; `held` are those of all members.

    entries: items and markers by partition. committed: the group's offsets.
    find_span: of the run, as recorded. find_targets: up to which a pod works.
    """

    may_forget = False

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.entries: list[list[int | None]] = [[] for _ in range(PARTITIONS)]
        self.committed = [0] * PARTITIONS
        self.find_span: Callable[[], TopicSpan | None] = lambda: None
        self.find_targets: Callable[[str], TopicOffsets | None] = lambda _pod: None
        self._forgotten: set[int] = set()
        self._owners: dict[int, str] = {}
        self._until: dict[str, float] = {}
        self._joined: dict[str, float] = {}

    @property
    def items(self) -> list[int]:
        """Every item, wherever it is."""
        left = [item for partition in range(PARTITIONS) for item in self._list_left(partition)]
        return [*left, *self.settled, *self.dead]

    @property
    def remaining(self) -> int:
        """Offsets of the run that are left to do."""
        lag = measure_lag(self.positions, now=self.clock.now.timestamp(), span=self.find_span())
        return lag.ready + lag.in_flight + lag.delayed

    @property
    def positions(self) -> TopicPositions:
        """What a probe finds."""
        return TopicPositions("id", tuple(self._find_position(one) for one in range(PARTITIONS)))

    def measure(self) -> QueueDepth:
        """Return what a probe says."""
        log = self.positions
        depth = QueueDepth(ready=0, in_flight=0, dead_lettered=len(self.dead), log=log)
        return depth.with_lag(measure_lag(log, now=self.clock.now.timestamp()))

    def publish(self, items: int) -> None:
        """Add items, and markers where there are any."""
        for item in range(self.published, self.published + items):
            self.entries[item % PARTITIONS].append(item)
        for partition in {item % PARTITIONS for item in range(items)}:
            self.entries[(self.published + partition) % PARTITIONS].append(_MARKER)
        self.published += items
        self._refresh()

    def pass_time(self) -> None:
        """End sessions, and rests."""
        for member in [m for m, until in self._until.items() if until <= self.clock.seconds]:
            for hand in self.find_hands(member):
                item = self.held.pop(hand)
                self.losses[item] += 1
                self.lost.add(item)
            self._leave(member)
        for item in [i for i, due in self.resting.items() if due <= self.clock.seconds]:
            del self.resting[item]
        self._refresh()

    def forget_offsets(self) -> None:
        """Let the group's offsets expire: its next members begin where the run says, or at 0."""
        assert not self._until, "Kafka keeps the offsets of a group that has members"
        span = self.find_span()
        for partition in range(PARTITIONS):
            self.committed[partition] = span.starts.at(partition) if span else 0
        self._forgotten = set(range(PARTITIONS))
        self._refresh()

    def subscribe(self, consumer: str) -> None:
        """Join the group."""
        self._joined[consumer] = self.clock.seconds
        self.renew(consumer, joins=True)
        self._share_out()

    def renew(self, consumer: str, *, joins: bool = False) -> None:
        """Say that a member is alive."""
        if joins or consumer in self._until:
            self._until[consumer] = self.clock.seconds + SESSION_SECONDS

    def offers(self, consumer: str) -> bool:
        """Whether a member has something to take or to pass, or waits for partitions."""
        if consumer not in self._until:
            return True
        mine = self._list_partitions(consumer)
        if not mine:
            return self.clock.seconds - self._joined[consumer] < PATIENCE_SECONDS
        is_next = any(self._find_next(one, consumer) is not None for one in mine)
        return is_next or bool(self._find_ends(consumer))

    def take(self, consumer: str) -> None:
        """Take an item, or pass what is none."""
        if consumer not in self._until:
            self.subscribe(consumer)
        hand = self._find_free_hand(consumer)
        if hand is None:
            return
        for partition in self._list_partitions(consumer):
            offset = self._find_next(partition, consumer)
            item = None if offset is None else self.entries[partition][offset]
            if item is not None:
                self.held[hand] = item
                break
        else:
            for partition, end in self._find_ends(consumer):
                self._commit(partition, end)
        self._refresh()

    def settle(self, consumer: str) -> None:
        """Commit what is behind the item."""
        item = self._let_go(consumer)
        self.settled[item] = find_owner(consumer)
        self._pass(item)

    def retry(self, consumer: str, *, delay_seconds: float) -> None:
        """Let an item rest, and with it those behind it."""
        item = self._let_go(consumer)
        self.attempts[item] += 1
        self.lost.discard(item)
        self.resting[item] = self.clock.seconds + delay_seconds
        self.pass_time()

    def release(self, consumer: str) -> None:
        """Take an item back whose attempt does not count."""
        self.held.pop(consumer)
        self._refresh()

    def bury(self, consumer: str, *, attempts_failed: int) -> None:
        """Put an item aside, and commit what is behind it."""
        item = self._let_go(consumer)
        self.attempts[item] += attempts_failed
        self.dead[item] = find_owner(consumer)
        self._pass(item)

    def disconnect(self, consumer: str) -> None:
        """Give back what is held, and leave the group."""
        for hand in self.find_hands(consumer):
            del self.held[hand]
        self._leave(consumer)
        self._refresh()

    def cut_off(self, consumer: str) -> None:
        """Say nothing: the session ends by itself."""

    def resume(self, consumer: str) -> None:
        """Go on: a member asks for each item."""

    def hide(self, consumer: str) -> None:
        """Hold on: a member is polled for as long as the work takes."""

    def _find_position(self, partition: int) -> PartitionPosition:
        first = next(iter(self._list_left(partition)), None)
        due = self.resting.get(first, 0.0) if first is not None else 0.0
        due_at = self.clock.now.timestamp() + due - self.clock.seconds if due else 0.0
        return PartitionPosition(
            start=0,
            end=len(self.entries[partition]),
            committed=None if partition in self._forgotten else self.committed[partition] or None,
            next=NextItem(is_held=first in self.held.values(), due_at=due_at),
            is_owned=partition in self._owners,
        )

    def _list_left(self, partition: int) -> list[int]:
        entries = self.entries[partition][self.committed[partition] :]
        return [item for item in entries if item is not None]

    def _list_partitions(self, consumer: str) -> list[int]:
        return [one for one, owner in sorted(self._owners.items()) if owner == consumer]

    def _find_next(self, partition: int, consumer: str) -> int | None:
        """Return the offset of the item that a member may take now."""
        for offset in range(self.committed[partition], self._find_limit(partition, consumer)):
            item = self.entries[partition][offset]
            if item is not None:
                return None if item in self.resting or item in self.held.values() else offset
        return None

    def _find_limit(self, partition: int, consumer: str) -> int:
        targets, end = self.find_targets(consumer), len(self.entries[partition])
        return end if targets is None else min(end, targets.at(partition))

    def _find_ends(self, consumer: str) -> list[tuple[int, int]]:
        """Return the partitions in which only markers are left, and where they end."""
        found = []
        for partition in self._list_partitions(consumer):
            end = self._find_limit(partition, consumer)
            left = self.entries[partition][self.committed[partition] : end]
            if left and all(entry is _MARKER for entry in left):
                found.append((partition, end))
        return found

    def _pass(self, item: int) -> None:
        partition = item % PARTITIONS
        self._commit(partition, self.entries[partition].index(item) + 1)
        self._refresh()

    def _commit(self, partition: int, offset: int) -> None:
        self.committed[partition] = offset
        self._forgotten.discard(partition)

    def _leave(self, consumer: str) -> None:
        self._until.pop(consumer, None)
        for partition in self._list_partitions(consumer):
            del self._owners[partition]
        self._share_out()

    def _share_out(self) -> None:
        """Give everybody as many partitions, but for those of which something is in hand.

        Who joins or leaves has the group ask all members, and it waits for one that says nothing.
        """
        members, alive_until = list(self._until), self.clock.seconds + SESSION_SECONDS
        if not members or any(until < alive_until for until in self._until.values()):
            return
        for partition in range(PARTITIONS):
            if partition not in self._owners:
                self._owners[partition] = self._find_poorest(members)
        held = {item % PARTITIONS for item in self.held.values()}
        for partition, owner in sorted(self._owners.items()):
            poorest = self._find_poorest(members)
            lead = len(self._list_partitions(owner)) - len(self._list_partitions(poorest))
            if partition not in held and lead > 1:
                self._owners[partition] = poorest

    def _find_poorest(self, members: list[str]) -> str:
        return min(members, key=lambda member: len(self._list_partitions(member)))

    def _refresh(self) -> None:
        """Let the group share out what was held, and note what of the run is not in hand."""
        self._share_out()
        span = self.find_span()
        ends = None if span is None else span.ends
        self.ready = deque(
            item
            for partition, entries in enumerate(self.entries)
            for offset, item in enumerate(entries)
            if item is not None
            and offset >= self.committed[partition]
            and (ends is None or offset < ends.at(partition))
            and item not in self.held.values()
            and item not in self.resting
        )
