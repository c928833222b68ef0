"""The worker's side of a queue in memory, for tests of users' programs and of the worker.

Keeps the same contract as the other brokers; one contract suite holds all of them to it. Tests also
`cut` its connection.

    queue = MemoryQueue()
    queue.put(b"apple", b"banana")
    worker = Worker(settings, broker=MemoryBroker(queue))

or, with BROKER_URL=memory:// and QUEUE=fruits in the environment:

    MemoryQueue.named("fruits").put(b"apple", b"banana")
    worker = Worker()
"""

from collections import deque
from collections.abc import Collection
from datetime import UTC, datetime

from workqueuejob.brokers.broker import Delivery
from workqueuejob.brokers.memory.queue import MemoryDeadLetter, MemoryQueue
from workqueuejob.brokers.memory.settings import MemoryConnection, MemorySource
from workqueuejob.contract.retry import RetrySettings
from workqueuejob.errors import BrokerUnavailable, LeaseLost

__all__ = ["MemoryBroker", "MemoryDeadLetter", "MemoryQueue"]

POLL_SECONDS = 0.01


class MemoryBroker:
    """One worker's connection to a queue in memory; a `Broker` and a `FetchesAhead`.

    fetch_ahead: whether `ack` fetches the next items, as a consumer with a prefetch does.
    """

    def __init__(
        self,
        queue: MemoryQueue,
        *,
        retry: RetrySettings | None = None,
        prefetch: int = 1,
        pod: str = "",
    ) -> None:
        self.queue = queue
        self._retry = retry or RetrySettings()
        self._prefetch = max(prefetch, 1)
        self._pod = pod
        self.fetch_ahead = True
        self._fetched: deque[tuple[int, Delivery]] = deque()
        self._broken = False

    def take(self, *, timeout_seconds: float) -> Delivery | None:
        """Return an item, or None when no item was ready within the timeout."""
        ends_at = self.queue.clock() + timeout_seconds
        while True:
            self._connect()
            self._fetch()
            while self._fetched:
                token, delivery = self._fetched.popleft()
                if self._renew(token):
                    return delivery
            rest = ends_at - self.queue.clock()
            if rest <= 0:
                return None
            self.queue.sleep(min(rest, POLL_SECONDS))

    def ack(self, delivery: Delivery) -> None:
        """Settle an item that succeeded."""
        self._connect()
        self.queue.settle(delivery.handle.token)
        if self.fetch_ahead:
            self._fetch()

    def retry(self, delivery: Delivery, *, reason: str, delay_seconds: int) -> None:
        """Count a failed attempt; the item becomes ready again after the delay."""
        self._connect()
        self.queue.give_back(delivery.handle.token, failure=reason, delay_seconds=delay_seconds)

    def dead_letter(self, delivery: Delivery, *, reason: str) -> None:
        """Move an item to the dead letters, or discard it where there is no target."""
        self._connect()
        dead = MemoryDeadLetter(
            body=delivery.body,
            reason=reason,
            attempts=delivery.attempt,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            pod=self._pod,
            envelope=delivery.read_envelope(),
        )
        self.queue.bury(delivery.handle.token, dead if self._retry.dead_letter else None)

    def release(self, delivery: Delivery) -> None:
        """Give an item back at once; this attempt does not count."""
        self._connect()
        self.queue.give_back(delivery.handle.token)

    def renew(self, held: Collection[Delivery]) -> Collection[Delivery]:
        """Renew the leases of held and fetched items; return those held items that are lost."""
        self._connect()
        self._fetched = deque((t, fetched) for t, fetched in self._fetched if self._renew(t))
        return [delivery for delivery in held if not self._renew(delivery.handle.token)]

    def extend(self, delivery: Delivery) -> None:
        """Renew the lease at once; raise LeaseLost if the item is lost."""
        self._connect()
        self.queue.renew(delivery.handle.token)

    @property
    def renew_seconds(self) -> float:
        """A third of the lease."""
        return self.queue.lease_seconds / 3

    def close(self) -> None:
        """Give back the items that were fetched and not taken."""
        while self._fetched:
            token, _ = self._fetched.pop()
            try:
                self.queue.give_back(token)
            except LeaseLost:
                continue

    def cut(self) -> None:
        """Break the connection, as a broker's restart does; held items come back with time."""
        self._broken = True
        self._fetched.clear()

    def _connect(self) -> None:
        if self._broken:
            self._broken = False
            raise BrokerUnavailable("the connection was cut; try again")

    def _fetch(self) -> None:
        if self._fetched:
            return
        while len(self._fetched) < self._prefetch:
            claimed = self.queue.claim()
            if claimed is None:
                return
            self._fetched.append(claimed)

    def _renew(self, token: int) -> bool:
        """Renew a lease; return False if it is lost."""
        try:
            self.queue.renew(token)
        except LeaseLost:
            return False
        return True


def open_broker(
    _connection: MemoryConnection,
    source: MemorySource,
    *,
    retry: RetrySettings,
    run: str,  # noqa: ARG001 - it counts nowhere
    pod: str,
    prefetch: int,
    concurrency: int,  # noqa: ARG001 - a claim leaves the items in hand alone
) -> MemoryBroker:
    """Return a connection to the queue of that name in this process."""
    queue = MemoryQueue.named(source.name)
    return MemoryBroker(queue, retry=retry, prefetch=prefetch, pod=pod)
