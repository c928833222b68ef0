"""A RabbitMQ queue with a prefetch of 1 for each hand. Knows nothing of Kubernetes.

An item is ready, held by one consumer, resting until its next attempt, settled or dead-lettered; it
never vanishes by itself. As at the real broker, no item stays ready while a consumer waits, and a
connection that closes gives its item back to the head of the queue. Our worker may hold an item in
a queue of its own, past the broker's time-out, where nobody who measures sees it.
"""

from collections import Counter, deque

from tests.model.clock import Clock
from workqueuejob.contract.report import ItemCounts

RETURN_SECONDS = 2.0
_HAND = "+"


def find_owner(hand: str) -> str:
    """Return the consumer to whom a hand belongs."""
    return hand.partition(_HAND)[0]


class Queue:
    """Items are numbers, in the order in which they were published.

    hands: how many items a worker has in hand at most. The first hand has the consumer's name, and
        each of the others one of its own; a consumer that is no worker has one.
    held: by hand. taken_at: when a consumer last got an item.
    settled, dead: by which consumer. resting: until when. attempts: those that failed.
    losses: attempts that ended without a word.
    returned: items that came back from a worker that was killed.
    lost: items whose last attempt was one that ended so.
    hidden: who holds its item out of sight. returning: items out of sight whose holder is dead.
    counts: what the broker itself counts; None where it doesn't.
    may_forget: whether it loses an acknowledgement when it is killed.
    forgotten: by which consumer items were settled whose acknowledgements it lost.
    keeps_connections: it does not notice that one is dead, as while nothing is sent on it.
    """

    counts: ItemCounts | None = None
    keeps_connections = False
    may_forget = True
    hands = 1

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.ready: deque[int] = deque()
        self.held: dict[str, int] = {}
        self.taken_at: dict[str, float] = {}
        self.resting: dict[int, float] = {}
        self.returned: set[int] = set()
        self.lost: set[int] = set()
        self.hidden: set[str] = set()
        self.returning: dict[int, float] = {}
        self.settled: dict[int, str] = {}
        self.dead: dict[int, str] = {}
        self.forgotten: dict[int, str] = {}
        self.consumers: list[str] = []
        self.attempts: Counter[int] = Counter()
        self.losses: Counter[int] = Counter()
        self.published = 0

    @property
    def items(self) -> list[int]:
        """Every item, wherever it is."""
        return [
            *self.ready,
            *self.held.values(),
            *self.resting,
            *self.returning,
            *self.settled,
            *self.dead,
        ]

    @property
    def holders(self) -> frozenset[str]:
        """The consumers that hold an item."""
        return frozenset(map(find_owner, self.held))

    @property
    def seen_holders(self) -> frozenset[str]:
        """Those that hold an item which who measures can see."""
        return frozenset(map(find_owner, self.held.keys() - self.hidden))

    def find_hands(self, consumer: str) -> list[str]:
        """Return the hands of a consumer that hold an item."""
        return [hand for hand in self._list_hands(consumer) if hand in self.held]

    def _find_free_hand(self, consumer: str) -> str | None:
        return next((hand for hand in self._list_hands(consumer) if hand not in self.held), None)

    def _list_hands(self, consumer: str) -> list[str]:
        hands = 1 if consumer.startswith("stranger-") else self.hands
        return [consumer, *(f"{consumer}{_HAND}{number}" for number in range(1, hands))]

    @property
    def takeable(self) -> int:
        """Items that a consumer could have now."""
        return len(self.ready)

    def offers(self, consumer: str) -> bool:  # noqa: ARG002 - here it is the same for all
        """Whether a consumer has something to take or to wait for."""
        return self.takeable > 0

    @property
    def remaining(self) -> int:
        """Items still to do."""
        return self.published - len(self.settled) - len(self.dead)

    def publish(self, items: int) -> None:
        """Add items at the tail."""
        self.ready.extend(range(self.published, self.published + items))
        self.published += items
        self._deliver()

    def pass_time(self) -> None:
        """Bring back what has rested for long enough."""
        for place in (self.resting, self.returning):
            for item in [i for i, due in place.items() if due <= self.clock.seconds]:
                del place[item]
                self.ready.append(item)
        self._deliver()

    def subscribe(self, consumer: str) -> None:
        """Register a consumer, which gets an item as soon as there is one."""
        self.consumers.append(consumer)
        self._deliver()

    def take(self, consumer: str) -> None:
        """Ask for an item; here it comes by itself."""

    def settle(self, consumer: str) -> None:
        """Take the consumer's acknowledgement; it gets the next item at once."""
        self.settled[self._let_go(consumer)] = find_owner(consumer)
        self._deliver()

    def settle_last(self, consumer: str) -> None:
        """Take the acknowledgement of a consumer that cancels together with it."""
        self.settled[self._let_go(consumer)] = consumer
        self.disconnect(consumer)

    def retry(self, consumer: str, *, delay_seconds: float) -> None:
        """Take an item back for its next attempt."""
        item = self._let_go(consumer)
        self.attempts[item] += 1
        self.lost.discard(item)
        self.resting[item] = self.clock.seconds + delay_seconds
        self.pass_time()

    def release(self, consumer: str) -> None:
        """Take an item back whose attempt does not count."""
        self.ready.appendleft(self._let_go(consumer))
        self._deliver()

    def bury(self, consumer: str, *, attempts_failed: int) -> None:
        """Put an item aside for good, after one more attempt or without."""
        self.attempts[self.held[consumer]] += attempts_failed
        self.dead[self._let_go(consumer)] = find_owner(consumer)
        self._deliver()

    def forget(self, item: int) -> None:
        """Be killed before an acknowledgement was written down; the item comes back."""
        self.forgotten[item] = self.settled.pop(item)
        self.returned.add(item)
        self.ready.appendleft(item)
        self._deliver()

    def unsubscribe(self, consumer: str) -> None:
        """Deliver no more to a consumer, which may hold items."""
        if consumer in self.consumers:
            self.consumers.remove(consumer)

    def resume(self, consumer: str) -> None:
        """Deliver again to a worker that had unsubscribed."""
        if consumer not in self.consumers:
            self.subscribe(consumer)

    def return_untaken(self, hand: str) -> None:
        """Take back what a worker has not begun, at the tail."""
        self.ready.append(self._let_go(hand))
        self._deliver()

    def disconnect(self, consumer: str) -> None:
        """Close the consumer's connection, if it has one; what it held is ready again."""
        self.unsubscribe(consumer)
        for hand in self.find_hands(consumer):
            self.ready.appendleft(self._let_go(hand))
        self._deliver()

    def cut_off(self, consumer: str) -> None:
        """Close the connection of a worker that was killed.

        That is a lost attempt from the item's second time on. The first time nobody can tell it
        from a death of the broker, unless the item was held out of sight.
        """
        for hand in self.find_hands(consumer):
            item = self.held[hand]
            is_counted = item in self.returned or hand in self.hidden
            if is_counted:
                self.losses[item] += 1
                self.lost.add(item)
            self.returned.add(item)
            if hand in self.hidden:
                self.returning[self._let_go(hand)] = self.clock.seconds + RETURN_SECONDS
        self.disconnect(consumer)

    def hide(self, consumer: str) -> None:
        """Hold the items in a queue of the worker's own."""
        self.hidden.update(self.find_hands(consumer))

    def renew(self, consumer: str) -> None:
        """Say that a worker is alive; here its connection says so."""

    def take_away(self) -> None:
        """Let others take and settle all that is ready, at once and unseen."""
        self.settled |= dict.fromkeys(self.ready, "stranger-0")
        self.ready.clear()

    def _let_go(self, consumer: str) -> int:
        self.hidden.discard(consumer)
        return self.held.pop(consumer)

    def _deliver(self) -> None:
        for consumer in self.consumers:
            while self.ready and (hand := self._find_free_hand(consumer)) is not None:
                self.held[hand] = self.ready.popleft()
                self.taken_at[consumer] = self.clock.seconds
