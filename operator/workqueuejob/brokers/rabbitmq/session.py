"""A worker's session with a RabbitMQ queue; it ends with the connection that consumes.

    consumer        delivers the items
    publisher       publishes copies of items, before the originals are acknowledged; has a
                    separate connection
    delays          the queues in which items rest
    holding queue   keeps items beyond the broker's consumer timeout

Raises BrokerUnavailable when the connection can't be used any more; it does not connect again.
Decides nothing: `broker` says where an item goes.
"""

import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass

from workqueuejob.brokers.broker import Delivery
from workqueuejob.brokers.rabbitmq.boot_id import BrokerBootId
from workqueuejob.brokers.rabbitmq.consumer import Consumer, Handle
from workqueuejob.brokers.rabbitmq.delay_queues import DelayQueues
from workqueuejob.brokers.rabbitmq.holding_queue import HoldingQueue
from workqueuejob.brokers.rabbitmq.items import (
    build_copy,
    build_returned,
    comes_from_holding,
    read_history,
)
from workqueuejob.brokers.rabbitmq.properties import Properties
from workqueuejob.brokers.rabbitmq.publisher import Publisher, Refused, Unanswered, Unroutable
from workqueuejob.brokers.rabbitmq.settings import (
    MOVE_AT,
    RabbitMQConnection,
    RabbitMQSource,
)
from workqueuejob.brokers.rabbitmq.worker_connection import WorkerConnection
from workqueuejob.contract.retry import RetrySettings
from workqueuejob.errors import (
    BrokerUnavailable,
    HeadersTooLarge,
    LeaseLost,
    PublishingUnavailable,
    QueueError,
)

STALE_SECONDS = 0.1
"""After so long, frames that the broker sent are handled before an item is settled."""

CERTAIN_AFTER_SECONDS = 1.0
"""An item that was held for so long is worth a round trip that confirms its acknowledgement."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a worker works on, and how it connects.

    name: unique among the workers of a queue.
    pod: the worker's pod, which dead letters name.
    prefetch: how many items the broker delivers ahead.
    """

    connection: RabbitMQConnection
    source: RabbitMQSource
    retry: RetrySettings
    name: str
    pod: str
    prefetch: int = 1
    heartbeat_seconds: int = 60

    @property
    def move_seconds(self) -> float:
        """How long an item is held before it moves to the holding queue."""
        return self.source.consumer_timeout_seconds * MOVE_AT


class Session:
    """A worker's connections to one queue: one consumes and settles, and one publishes copies."""

    def __init__(self, assignment: Assignment) -> None:
        """Connect, declare the delay queues and subscribe.

        Raises BrokerUnavailable, or a QueueError when a person must change something.
        """
        self._assignment = assignment
        self._queue = assignment.source.queue
        self.connection = self._connect()
        try:
            self.publisher = Publisher(self._connect)
            self.delays = DelayQueues(
                self.connection, self._queue, delays_seconds=assignment.retry.delays_seconds
            )
            self._consumer = self._consume()
            self.delays.declare()
        except BaseException:
            self.connection.close()
            raise
        self._boot_id = BrokerBootId(self.connection, self.publisher, self._queue)
        self._holding_queue = HoldingQueue(
            self.connection, self.publisher, self._queue, worker=assignment.name
        )

    def take(self, *, timeout_seconds: float, most_held: int | None = None) -> Delivery | None:
        """Return an item, or None when no item was ready within the timeout.

        most_held: how many items may be held at once, at most; None: as many as are prefetched.
        """
        now = time.monotonic()
        ends_at = now + timeout_seconds
        self.catch_up(now)
        while True:
            consumer = self._consumer
            if not consumer.is_alive:
                self._consumer = consumer = self._consume()
            consumer.start(most=most_held)
            while consumer.arrived:
                delivery = self._accept(consumer.arrived.popleft())
                if delivery is not None:
                    return delivery
            if not self._wait(consumer, ends_at) and consumer.is_known_idle():
                return None

    def owns(self, handle: Handle) -> bool:
        """Return whether the message was delivered in this session, and may still be settled."""
        return handle.channel.connection is self.connection and handle.is_open

    def ack(self, handle: Handle) -> None:
        """Acknowledge a message; raise LeaseLost if the broker took it back meanwhile."""
        if not handle.is_open:
            raise LeaseLost(f"an item of queue {self._queue!r} was taken back by the broker")
        now = time.monotonic()
        with self.connection.translated:
            handle.ack(now)
            self.connection.driven.flush()
        if now - handle.since > CERTAIN_AFTER_SECONDS:
            self.make_certain(handle)

    def make_certain(self, handle: Handle) -> None:
        """Return once the broker has answered on the message's channel; raise LeaseLost if not.

        By then it has also handled what was sent on the channel before.
        """
        try:
            handle.channel.synchronize(queue=self._queue, prefetch=self._assignment.prefetch)
        except (BrokerUnavailable, QueueError) as error:
            if self.connection.driven.lost is not None:
                raise
            raise LeaseLost(str(error)) from error

    def move(self, handle: Handle, queue: str, properties: Properties) -> None:
        """Publish a copy, then acknowledge the original; raise Unroutable or Refused."""
        self.publisher.publish(queue, handle.body, properties)
        self.ack(handle)

    def move_to_rest(self, handle: Handle, delay_seconds: int, properties: Properties) -> None:
        """Move an item to the queue for a delay, which is declared again if it was deleted.

        A delay that is not one of the settings is rounded up.
        From a queue that hangs nothing would come back, so the item does without its delay then.
        Raises PublishingUnavailable if the queue takes nothing; the item is still held then.
        """
        delay_seconds = self.delays.round_up(delay_seconds)
        if self.delays.is_silent(delay_seconds):
            self.give_back(handle, properties)
            return
        queue = self.delays.find(delay_seconds)
        try:
            try:
                self.move(handle, queue, properties)
            except Unroutable:
                self.delays.forget(delay_seconds)
                self.move(handle, self.delays.find(delay_seconds), properties)
        except Unanswered:
            self.delays.note_silent(delay_seconds)
            self.give_back(handle, properties)
        except (Refused, Unroutable):
            raise PublishingUnavailable(
                f"delay queue {queue!r} {self.connection.where} takes no items, so a failed item"
                " waits with its worker; look for a policy that limits it (rabbitmqctl"
                f" list_policies; {queue!r} must match no pattern with max-length or"
                " max-length-bytes), or make room on the broker"
            ) from None

    def stop_fetching(self) -> None:
        """Unsubscribe before a held item is settled, so that no other is delivered in its place.

        The next `take` subscribes again.
        """
        self._consumer.stop()

    def give_back(self, handle: Handle, properties: Properties) -> None:
        """Move an item to the end of its own queue; where that is full, requeue it in its place."""
        try:
            self.move(handle, self._queue, properties)
        except (Refused, Unroutable):
            self._requeue(handle)

    def release(self, handle: Handle, properties: Properties) -> None:
        """Give an item back; requeue it where the broker does not take the copy.

        The original says all that a copy would.
        """
        try:
            self.give_back(handle, properties)
        except (PublishingUnavailable, HeadersTooLarge):
            self._requeue(handle)

    def catch_up(self, now: float) -> None:
        """Handle what the broker sent, unless that was done a moment ago.

        now: on the monotonic clock.
        """
        if now - self.connection.driven.stepped_at > STALE_SECONDS:
            self.pump()

    def pump(self) -> None:
        """Handle heartbeats, lost connections and cancelled consumers."""
        self.publisher.pump()
        with self.connection.translated:
            self.connection.driven.pump()
            if self.connection.driven.lost is not None:
                raise self.connection.driven.lost
        self._consumer.close_if_cancelled()
        self._holding_queue.close_if_cancelled()

    def renew(self, held: Collection[Delivery]) -> None:
        """Move items to the holding queue before the broker's consumer timeout ends."""
        self.pump()
        latest = time.monotonic() - self._assignment.move_seconds
        for delivery in held:
            if delivery.handle.since <= latest and self.owns(delivery.handle):
                with suppress(PublishingUnavailable):
                    self._holding_queue.move(delivery)
        arrived = self._consumer.arrived
        while arrived and arrived[0].since <= latest:
            self._give_back_untaken(arrived.popleft())
        self.pump()

    def return_untaken(self) -> None:
        """Unsubscribe, and give back what was delivered and not taken."""
        self._consumer.stop()
        while self._consumer.arrived:
            handle = self._consumer.arrived.popleft()
            # Those of a consumer that the broker has cancelled went back by themselves.
            if handle.is_open:
                with suppress(LeaseLost):
                    self._give_back_untaken(handle)

    def close(self) -> None:
        """Give back items that were not taken, and disconnect; never raises."""
        with suppress(Exception):
            self.return_untaken()
        self.drop()

    def drop(self) -> None:
        """Disconnect without giving anything back; never raises."""
        self.publisher.close()
        self.connection.close()

    def _connect(self) -> WorkerConnection:
        return WorkerConnection(
            self._assignment.connection,
            heartbeat_seconds=self._assignment.heartbeat_seconds,
            name=self._assignment.name,
        )

    def _consume(self) -> Consumer:
        return Consumer(self.connection, self._queue, prefetch=self._assignment.prefetch)

    def _wait(self, consumer: Consumer, ends_at: float) -> bool:
        timeout_seconds = ends_at - time.monotonic()
        if timeout_seconds <= 0:
            self.pump()
            return bool(consumer.arrived)
        with self.connection.translated:
            try:
                self.connection.driven.run_until(
                    lambda: bool(consumer.arrived) or not consumer.is_alive, timeout_seconds
                )
            except TimeoutError:
                return False
        consumer.close_if_cancelled()
        return True

    def _accept(self, handle: Handle) -> Delivery | None:
        """Return the item, or None if it was replaced by a copy at the end of the queue.

        An item that came back is replaced, so that the copy says that it came back.
        """
        must_be_noted = handle.redelivered or comes_from_holding(handle.properties)
        boot_id = self._boot_id.read() if must_be_noted else ""
        item = read_history(handle.properties, redelivered=handle.redelivered, boot_id=boot_id)
        if must_be_noted:
            # Under an alarm the item is worked on as it is, because only work clears the alarm.
            with suppress(Refused, Unroutable, PublishingUnavailable, HeadersTooLarge):
                self.move(
                    handle, self._queue, build_returned(handle.properties, item, boot_id=boot_id)
                )
                return None
        return Delivery(
            id=item.id,
            body=handle.body,
            attempt=item.attempt,
            redelivered=item.redelivered,
            lost=item.lost,
            lost_attempts=item.lost_attempts,
            doubtful=item.doubtful,
            last_failure=item.last_failure,
            handle=handle,
        )

    def _give_back_untaken(self, handle: Handle) -> None:
        item = read_history(handle.properties, redelivered=handle.redelivered)
        copied = build_copy(handle.properties, item, attempts=item.attempt - 1, lost=item.lost)
        self.release(handle, copied)

    def _requeue(self, handle: Handle) -> None:
        # The broker marks the message as redelivered, which costs no attempt the first time.
        with self.connection.translated:
            handle.nack()
            self.connection.driven.pump()
