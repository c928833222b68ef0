"""A worker's holding queue, by which it holds an item longer than RabbitMQ's consumer timeout.

RabbitMQ closes the channel of a consumer that leaves a message unacknowledged for longer than
`consumer_timeout`. So the item moves before: a confirmed copy goes to a queue of this worker, which
delivers the copy back at once, and a new timeout begins. Then the original is acknowledged. When
the worker dies, the copy's time to live has passed, so RabbitMQ moves it back to the main queue.
"""

import time
from dataclasses import replace

from workqueuejob.brokers.broker import Delivery
from workqueuejob.brokers.rabbitmq.consumer import Consumer, Handle
from workqueuejob.brokers.rabbitmq.delay_queues import declare_returning
from workqueuejob.brokers.rabbitmq.items import build_copy
from workqueuejob.brokers.rabbitmq.names import HELD_HEADER, holding_queue, returning_arguments
from workqueuejob.brokers.rabbitmq.publisher import Publisher, Refused, Unroutable
from workqueuejob.brokers.rabbitmq.worker_connection import WorkerConnection
from workqueuejob.contract.notices import say
from workqueuejob.errors import AuthorizationFailed, HeadersTooLarge

TTL_MS = 2000
"""How long a copy waits in the queue while the queue has no consumer."""

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
        """Move the delivery's item, and make its handle stand for the copy.

        Does nothing where the broker refused such a queue before.
        """
        if self._is_refused:
            return
        try:
            consumer = self._open_consumer()
            moved = self._publish_and_await(consumer, delivery)
        except AuthorizationFailed as error:
            self._refuse(str(error))
        except Refused:
            self._refuse(f"queue {self._name!r} takes no items")
        except HeadersTooLarge as error:
            say("item can't be held for longer than the broker's consumer timeout", why=error)
        except Unroutable:
            # The queue was deleted: its consumer is cancelled, and the next call declares it again.
            return
        else:
            _exchange(delivery.handle, moved)

    def close_if_cancelled(self) -> None:
        """Close the channel of the queue's consumer if the broker has cancelled it."""
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
        # The copy says that this attempt was lost, because a dead worker can't write that later.
        properties, attempts = delivery.handle.properties, delivery.attempt
        # A second try of the same delivery has the same number.
        number = f"{delivery.handle.channel.raw.channel_number}.{delivery.handle.tag}"
        copied = build_copy(
            properties,
            replace(delivery, lost_attempts=delivery.lost_attempts + 1),
            attempts=attempts,
            lost=True,
            returns=1,
            more={HELD_HEADER: number},
        )
        self._publisher.publish(self._name, delivery.body, copied)
        while True:
            consumer.channel.wait(lambda: bool(consumer.arrived))
            if not consumer.arrived:
                consumer.channel.raise_closed(self._name)
            moved = consumer.arrived.popleft()
            if moved.properties.headers.get(HELD_HEADER) == number:
                return moved
            # The copy of an earlier try that was given up; its item was settled otherwise.
            moved.ack(time.monotonic())

    def _refuse(self, reason: str) -> None:
        self._is_refused = True
        say("items can't be held for longer than the broker's consumer timeout", why=reason)


def _exchange(handle: Handle, moved: Handle) -> None:
    """Make the handle stand for the copy, and acknowledge the original."""
    if not handle.is_open:
        # The original went to another worker meanwhile, so the copy is one too many.
        moved.ack(time.monotonic())
        return
    channel, tag = handle.channel, handle.tag
    handle.channel, handle.tag, handle.since = moved.channel, moved.tag, moved.since
    handle.is_moved = True
    channel.unsettled -= 1
    with channel.connection.translated:
        channel.raw.basic_ack(tag)
        # Sent at once; otherwise both are left if the worker dies before it next sends something.
        channel.connection.driven.flush()
