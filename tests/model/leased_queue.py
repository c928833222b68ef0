"""A Redis list with our worker's leases: exact counts, no consumers, and items that are pulled.

An item whose worker is not heard of stays with it until its lease has run out; the next one that
asks gets it, and the attempt counts as lost. Counts are kept where the items are.
"""

from tests.model.clock import Clock
from tests.model.queue import Queue
from workqueuejob.contract.report import ItemCounts

LEASE_SECONDS = 30.0


class LeasedQueue(Queue):
    """`held` are the leases that last; `expired` the items of those that don't."""

    may_forget = False

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.expired: list[int] = []
        self._until: dict[str, float] = {}

    @property
    def items(self) -> list[int]:
        """Every item, wherever it is."""
        return [*super().items, *self.expired]

    @property
    def takeable(self) -> int:
        """Items that a worker would get that asks."""
        return len(self.ready) + len(self.expired)

    def pass_time(self) -> None:
        """Bring back what has rested, and end leases."""
        super().pass_time()
        for consumer in [c for c, until in self._until.items() if until <= self.clock.seconds]:
            del self._until[consumer]
            self.expired.append(self.held.pop(consumer))

    def subscribe(self, consumer: str) -> None:
        """Connect; nobody counts that."""

    def take(self, consumer: str) -> None:
        """Lease an item to who asks, what others lost before all else."""
        hand = self._find_free_hand(consumer)
        if hand is None or not self.takeable:
            return
        if self.expired:
            item = self.expired.pop(0)
            self.losses[item] += 1
            self.lost.add(item)
            self._count(attempts_lost=1)
        else:
            item = self.ready.popleft()
        self.held[hand] = item
        self.taken_at[consumer] = self.clock.seconds
        self._until[hand] = self.clock.seconds + LEASE_SECONDS

    def hide(self, consumer: str) -> None:
        """Hold on: a lease is renewed for as long as the work takes."""

    def renew(self, consumer: str) -> None:
        """Begin the leases anew."""
        for hand in self.find_hands(consumer):
            self._until[hand] = self.clock.seconds + LEASE_SECONDS

    def settle(self, consumer: str) -> None:
        """Acknowledge."""
        super().settle(consumer)
        self._forget(consumer, succeeded=1)

    def retry(self, consumer: str, *, delay_seconds: float) -> None:
        """Take an item back for its next attempt."""
        del self._until[consumer]
        super().retry(consumer, delay_seconds=delay_seconds)
        self._count(attempts_failed=1)

    def release(self, consumer: str) -> None:
        """Take an item back whose attempt does not count."""
        del self._until[consumer]
        super().release(consumer)
        self._count(released=1)

    def bury(self, consumer: str, *, attempts_failed: int) -> None:
        """Put an item aside for good, after one more attempt or without."""
        super().bury(consumer, attempts_failed=attempts_failed)
        self._forget(consumer, dead_lettered=1, attempts_failed=attempts_failed)

    def disconnect(self, consumer: str) -> None:
        """Give back what is held, and leave."""
        for hand in self.find_hands(consumer):
            self._until.pop(hand, None)
        super().disconnect(consumer)

    def cut_off(self, consumer: str) -> None:
        """Say nothing: the lease runs out by itself."""

    def _forget(self, consumer: str, **more: int) -> None:
        del self._until[consumer]
        self._count(**more)

    def _count(self, **more: int) -> None:
        self.counts = (self.counts or ItemCounts()).plus(**more)

    def _deliver(self) -> None:
        """Wait to be asked."""
