"""A broker in memory, and the probe that measures it; for tests, held to the same contract.

Speaks RabbitMQ's words: ready, unacked, prefetch, ack, requeue. It opens no socket and starts no
thread. `FakeBroker.failure` and `FakeQueue.lie` make it fail with any error, or say what is not so.
"""

import threading
from collections import deque
from dataclasses import dataclass, field, replace

from workqueuejob.api import Precision
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.brokers.rabbitmq.reference import RabbitMQReference
from workqueuejob.brokers.rabbitmq.settings import RabbitMQConnection
from workqueuejob.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    QueueError,
    QueueNotFound,
    VirtualHostNotFound,
)


@dataclass(eq=False)
class FakeConsumer:
    """A consumer and what it holds: at most `prefetch` items, taken as soon as they are ready."""

    queue: "FakeQueue"
    prefetch: int = 1
    unacked: list[str] = field(default_factory=list)

    def ack(self) -> None:
        """Settle the oldest item, and be given the next."""
        with self.queue.lock:
            self.unacked.pop(0)
            self.queue.deliver()

    def requeue(self) -> None:
        """Give the oldest item back, to the queue's front."""
        with self.queue.lock:
            self.queue.ready.appendleft(self.unacked.pop(0))
            self.queue.deliver()

    def close(self) -> None:
        """Go away; what is unacked becomes ready again, in its old order."""
        with self.queue.lock:
            self.queue.consumers.remove(self)
            self.queue.ready.extendleft(reversed(self.unacked))
            self.unacked.clear()
            self.queue.deliver()


@dataclass(eq=False)
class FakeQueue:
    """One queue. `lie`: what measuring it returns or raises instead of the truth."""

    ready: deque[str] = field(default_factory=deque)
    consumers: list[FakeConsumer] = field(default_factory=list)
    lie: QueueDepth | QueueError | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)

    def publish(self, *items: str) -> None:
        """Add items at the end."""
        with self.lock:
            self.ready.extend(items)
            self.deliver()

    def consume(self, *, prefetch: int = 1) -> FakeConsumer:
        """Add a consumer."""
        with self.lock:
            consumer = FakeConsumer(self, prefetch)
            self.consumers.append(consumer)
            self.deliver()
            return consumer

    def deliver(self) -> None:
        """Hand ready items to consumers with room."""
        for consumer in self.consumers:
            while self.ready and len(consumer.unacked) < consumer.prefetch:
                consumer.unacked.append(self.ready.popleft())

    def depth(self, *, tells_in_flight: bool) -> QueueDepth:
        """Return the truth, as a broker with or without management API would tell it."""
        with self.lock:
            return QueueDepth(
                ready=len(self.ready),
                in_flight=sum(len(c.unacked) for c in self.consumers) if tells_in_flight else None,
                consumers=len(self.consumers),
                precision=Precision.EXACT if tells_in_flight else Precision.ESTIMATED,
            )


@dataclass(eq=False)
class FakeBroker:
    """Queues by name, and what it takes to connect.

    failure: raised by every connection and measurement while it is set.
    measured: the names of the queues in the order in which they were measured.
    """

    host: str = "fake.test"
    virtual_host: str = "/"
    credentials: tuple[str, str] = ("guest", "guest")
    queues: dict[str, FakeQueue] = field(default_factory=dict)
    failure: QueueError | None = None
    measured: list[str] = field(default_factory=list)
    rounds: int = 0
    open_probes: int = 0
    incarnation: int = 0

    def declare(self, name: str) -> FakeQueue:
        """Return the queue, created if need be."""
        return self.queues.setdefault(name, FakeQueue())

    def delete(self, name: str) -> None:
        """Remove the queue with everything in it."""
        del self.queues[name]

    def restart(self) -> None:
        """End every connection and consumer; items stay."""
        self.incarnation += 1
        for queue in self.queues.values():
            for consumer in list(queue.consumers):
                consumer.close()

    def settings(self) -> RabbitMQConnection:
        """Return settings with which `connect` succeeds."""
        username, password = self.credentials
        return RabbitMQConnection(
            host=self.host,
            virtual_host=self.virtual_host,
            username=username,
            password=password,
        )

    def connect(self, settings: RabbitMQConnection) -> "FakeProbe":
        """Open a probe; raise as a real broker's would."""
        if self.failure is not None:
            raise self.failure
        if settings.host != self.host:
            raise ConnectionFailed(f"{settings.address}: unknown host; correct the host")
        if (settings.username, settings.password) != self.credentials:
            raise AuthenticationFailed(f"{settings.address}: login refused; correct the Secret")
        if settings.virtual_host != self.virtual_host:
            raise VirtualHostNotFound(f"vhost {settings.virtual_host!r} not found; correct it")
        self.open_probes += 1
        return FakeProbe(self, tells_in_flight=settings.management_url is not None)


class FakeProbe:
    """The Probe of `workqueuejob.brokers.probe` over a FakeBroker."""

    def __init__(self, broker: FakeBroker, *, tells_in_flight: bool) -> None:
        self._broker = broker
        self._tells_in_flight = tells_in_flight
        self._incarnation = broker.incarnation
        self._open = True

    def begin_round(self) -> None:
        """Count it."""
        self._broker.rounds += 1

    def measure(self, queue: RabbitMQReference) -> QueueDepth:
        """Return the queue's depth, or the lie it was given."""
        broker, name = self._broker, queue.queue
        broker.measured.append(name)
        if broker.failure is not None:
            raise broker.failure
        if not self._open or self._incarnation != broker.incarnation:
            raise ConnectionFailed(f"{broker.host}: connection lost; connect again")
        found = broker.queues.get(name)
        if found is None:
            raise QueueNotFound(f"queue {name!r} not found on {broker.host}; create it")
        if isinstance(found.lie, QueueError):
            raise found.lie
        if found.lie is not None:
            return found.lie
        return replace(
            found.depth(tells_in_flight=self._tells_in_flight),
            delayed=sum(self._count(delay) or 0 for delay in queue.delay_queues),
            dead_lettered=None if queue.dead_letter is None else self._count(queue.dead_letter),
        )

    def close(self) -> None:
        """Close; twice does no harm."""
        if self._open:
            self._open = False
            self._broker.open_probes -= 1

    def _count(self, name: str) -> int | None:
        found = self._broker.queues.get(name)
        return None if found is None else len(found.ready)
