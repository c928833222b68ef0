"""A queue in memory as its broker keeps it, with leases by a clock that tests may move.

    ready           items in the order in which they were put; returned items come first
    leases          items that workers hold by a token, until the lease ends by the queue's clock
    delayed         items that rest after a failed attempt
    dead_letters    items that were given up, with the reason, the attempts, the time and the pod

The threads of one process may share it. It is gone with its process.
"""

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from workqueuejob.brokers.broker import Delivery
from workqueuejob.brokers.envelope import BARE, Envelope
from workqueuejob.errors import LeaseLost


@dataclass(frozen=True, slots=True)
class MemoryDeadLetter:
    """An item that was given up.

    attempts: how many were made.
    time: in ISO 8601, UTC.
    pod: the pod of the worker that gave it up.
    """

    body: bytes
    reason: str
    attempts: int
    time: str
    pod: str
    envelope: Envelope = BARE


@dataclass(slots=True)
class _Item:
    id: str
    body: bytes
    envelope: Envelope
    failed: int = 0
    lost_attempts: int = 0
    was_claimed: bool = False
    lost: bool = False
    last_failure: str = ""
    due_at: float = 0.0


@dataclass(frozen=True, slots=True)
class MemoryClaim:
    """An item that a worker holds; the `handle` of a Delivery. token: of its lease."""

    token: int
    envelope: Envelope

    def read_envelope(self) -> Envelope:
        """Return the envelope with which the item was put."""
        return self.envelope


@dataclass(slots=True)
class _Lease:
    item: _Item
    ends_at: float


_by_name: dict[str, "MemoryQueue"] = {}
_names_lock = threading.Lock()


class MemoryQueue:
    """A queue that several workers in several threads may share.

    lease_seconds: how long a worker holds an item without renewing the lease.
    clock, sleep: seconds that only grow, and a wait; tests replace both to move time.
    dead_letters: the items that were given up, oldest first.
    """

    def __init__(
        self,
        *,
        lease_seconds: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.lease_seconds = lease_seconds
        self.clock = clock
        self.sleep = sleep
        self.dead_letters: list[MemoryDeadLetter] = []
        self._ready: deque[_Item] = deque()
        self._delayed: list[_Item] = []
        self._leases: dict[int, _Lease] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    @classmethod
    def named(cls, name: str) -> "MemoryQueue":
        """Return the queue of that name in this process; the first call makes it."""
        with _names_lock:
            return _by_name.setdefault(name, cls())

    def put(self, *bodies: bytes, envelope: Envelope = BARE) -> None:
        """Add items to the end of the queue. envelope: what each of them has besides its body."""
        with self._lock:
            for body in bodies:
                self._ready.append(_Item(f"item-{next(self._numbers)}", body, envelope))

    def count_left(self) -> int:
        """Return how many items are ready, delayed or held."""
        with self._lock:
            return len(self._ready) + len(self._delayed) + len(self._leases)

    def claim(self) -> tuple[int, Delivery] | None:
        """Return a token and the next item, or None; items that came back go before fresh ones."""
        with self._lock:
            self._take_back()
            if not self._ready:
                return None
            item, token = self._ready.popleft(), next(self._numbers)
            self._leases[token] = _Lease(item, self.clock() + self.lease_seconds)
            delivery = Delivery(
                id=item.id,
                body=item.body,
                attempt=item.failed + item.lost_attempts + 1,
                redelivered=item.was_claimed,
                lost=item.lost,
                lost_attempts=item.lost_attempts,
                last_failure=item.last_failure,
                handle=MemoryClaim(token, item.envelope),
            )
            item.was_claimed = True
            return token, delivery

    def renew(self, token: int) -> None:
        """Start the lease again; raise LeaseLost if it has ended, as the methods below do."""
        with self._lock:
            self._find_lease(token).ends_at = self.clock() + self.lease_seconds

    def settle(self, token: int) -> None:
        """Take the item out of the queue."""
        with self._lock:
            self._find_lease(token)
            del self._leases[token]

    def give_back(
        self, token: int, *, failure: str | None = None, delay_seconds: float = 0
    ) -> None:
        """Make the item ready, at once or after a delay; a failure counts the attempt."""
        with self._lock:
            item = self._find_lease(token).item
            del self._leases[token]
            if failure is not None:
                item.failed += 1
                item.last_failure = failure
            item.lost = False
            if delay_seconds:
                item.due_at = self.clock() + delay_seconds
                self._delayed.append(item)
            else:
                self._ready.appendleft(item)

    def bury(self, token: int, dead: MemoryDeadLetter | None) -> None:
        """Take the item out of the queue, and keep its dead letter unless that is None."""
        self.settle(token)
        if dead is not None:
            self.dead_letters.append(dead)

    def _find_lease(self, token: int) -> _Lease:
        self._take_back()
        try:
            return self._leases[token]
        except KeyError:
            raise LeaseLost("the lease ended before the item was settled") from None

    def _take_back(self) -> None:
        now = self.clock()
        for token in [t for t, lease in self._leases.items() if lease.ends_at <= now]:
            item = self._leases.pop(token).item
            item.lost_attempts += 1
            item.lost = True
            self._ready.appendleft(item)
        for item in [item for item in self._delayed if item.due_at <= now]:
            self._delayed.remove(item)
            self._ready.appendleft(item)
