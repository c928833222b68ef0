"""Holding an item for longer than the broker lets a consumer: it moves before the time is up.

RabbitMQ closes the channel of a consumer that leaves a message unacknowledged for longer than its
`consumer_timeout`. So the item moves, as a confirmed copy, to a queue of this worker's own, which
delivers it back at once, to be held anew; then the original is acknowledged. When the worker dies
the copy goes back to the main queue by itself, for its time to live has passed.
"""

import time

from workqueuejob.brokers.broker import Delivery
from workqueuejob.brokers.rabbitmq.consumer import Consumer, Handle
from workqueuejob.brokers.rabbitmq.delay_queues import declare_returning
from workqueuejob.brokers.rabbitmq.items import build_copy
from workqueuejob.brokers.rabbitmq.names import HELD_HEADER, holding_queue, returning_arguments
from workqueuejob.brokers.rabbitmq.publisher import Publisher, Refused, Unroutable
from workqueuejob.brokers.rabbitmq.worker_connection import WorkerConnection
from workqueuejob.contract.notices import say
from workqueuejob.errors import AuthorizationFailed

TTL_MS = 2000
"""Only for what reaches the queue while its consumer is gone."""

EXPIRES_MS = 600_000
UNLIMITED = 0


class HoldingQueue:
    """One worker's holding queue on one connection; declared when it is first needed."""

    def __init__(
        self, connection: WorkerConnection, publisher: Publisher, queue: str, *, worker: str
    ) -> None:
        self._connection = connection
        self._publisher = publisher
        self._queue = queue
        self._name = holding_queue(queue, worker)
        self._consumer: Consumer | None = None
        self._is_refused = False

    def move(self, delivery: Delivery) -> None:
        """Hold the delivery's item anew; changes its handle. Does nothing where it is refused."""
        if self._is_refused:
            return
        try:
            consumer = self._open_consumer()
            moved = self._publish_and_await(consumer, delivery)
        except AuthorizationFailed as error:
            self._refuse(str(error))
        except Refused:
            self._refuse(f"queue {self._name!r} takes no items")
        except Unroutable:
            # It was deleted: its consumer hears of it, and it is declared anew the next time.
            return
        else:
            _exchange(delivery.handle, moved)

    def close_if_cancelled(self) -> None:
        """Let go of what is held by a consumer that the broker has cancelled."""
        if self._consumer is not None:
            self._consumer.close_if_cancelled()

    def _open_consumer(self) -> Consumer:
        if self._consumer is not None and self._consumer.is_alive:
            return self._consumer
        arguments = returning_arguments(self._queue, ttl_ms=TTL_MS, expires_ms=EXPIRES_MS)
        declare_returning(self._connection, self._name, self._queue, arguments)
        self._consumer = Consumer(self._connection, self._name, prefetch=UNLIMITED)
        return self._consumer

    def _publish_and_await(self, consumer: Consumer, delivery: Delivery) -> Handle:
        # As if this attempt were lost, for nobody can write that down once the worker is dead.
        properties, attempts = delivery.handle.properties, delivery.attempt
        # The same when it is tried again.
        number = f"{delivery.handle.channel.raw.channel_number}.{delivery.handle.tag}"
        copied = build_copy(
            properties, delivery, attempts=attempts, lost=True, returns=1,
            more={HELD_HEADER: number},
        )  # fmt: skip
        self._publisher.publish(self._name, delivery.body, copied)
        while True:
            consumer.channel.wait(lambda: bool(consumer.arrived))
            if not consumer.arrived:
                consumer.channel.raise_closed(self._name)
            moved = consumer.arrived.popleft()
            if moved.properties.headers.get(HELD_HEADER) == number:
                return moved
            # A copy that nobody waited for any more; its item was settled otherwise.
            moved.ack(time.monotonic())

    def _refuse(self, why: str) -> None:
        self._is_refused = True
        say("items can't be held for longer than the broker's consumer timeout", why=why)


def _exchange(handle: Handle, moved: Handle) -> None:
    """Make the handle stand for the copy, and be done with the original."""
    if not handle.is_ours:
        # The original went to somebody else meanwhile, so the copy is one too many.
        moved.ack(time.monotonic())
        return
    channel, tag = handle.channel, handle.tag
    handle.channel, handle.tag, handle.since = moved.channel, moved.tag, moved.since
    handle.is_moved = True
    with channel.connection.translated:
        channel.raw.basic_ack(tag)
        # Or both are left when the worker dies before it next sends something.
        channel.connection.driven.flush()
