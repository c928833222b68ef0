"""Publishes messages until the broker has confirmed them, each straight to one queue.

The publisher has a separate connection. A RabbitMQ that is short of memory or disk reads nothing
more from a connection that publishes, acknowledgements included. So the connection that consumes
must not publish, or nothing would drain the backlog that fills the memory. The connection is opened
when it is needed. Only the default exchange is used.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pika import spec

from workqueuejob.brokers.rabbitmq.properties import Properties
from workqueuejob.brokers.rabbitmq.worker_connection import WorkerChannel, WorkerConnection
from workqueuejob.errors import BrokerUnavailable, HeadersTooLarge, PublishingUnavailable

HEADER_FRAME_BYTES = 7 + 12 + 1
"""What the frame with a message's properties has besides them: its head, class and size, its end.

AMQP can't split this frame. A broker ends a connection that sends one longer than agreed.
"""

MAY_PUBLISH = (
    "publish to the default exchange, without which no item can be retried, released or "
    "dead-lettered; grant it 'write' on 'amq.default' (rabbitmqctl set_permissions)"
)


class Unroutable(Exception):
    """There is no queue of that name."""


class Refused(Exception):
    """The queue takes nothing now: it is full, or the broker could not store the message."""


class Unanswered(PublishingUnavailable):
    """The broker is there, and the queue has not confirmed the message in time: it hangs."""


class Publisher:
    """Publishes one message after the other. connect: opens a connection."""

    def __init__(self, connect: Callable[[], WorkerConnection]) -> None:
        """Publish to no queue once; raise AuthorizationFailed if the user may not publish."""
        self._connect = connect
        self._connection: WorkerConnection | None = None
        self._channel: WorkerChannel | None = None
        self._returned = False
        self._answers: list[Any] = []
        self._unanswered: tuple[str, bytes] | None = None
        with suppress(Unroutable, PublishingUnavailable):
            # No queue has an empty name, so this message goes nowhere. But the broker checks the
            # permission, and a refusal must show now and not when the first item fails.
            self.publish("", b"", Properties())
        self.close()

    def publish(self, queue: str, body: bytes, properties: Properties) -> None:
        """Return once the broker has confirmed the message.

        Raises Unroutable, Refused, or HeadersTooLarge, after which nothing was sent.

        Raises PublishingUnavailable while the broker takes no messages. A message that was sent by
        then is taken later. A second call with the same message waits for that, and sends nothing.
        Raises Unanswered where only the queue is silent; it may store the message later.
        """
        try:
            if self._unanswered is not None:
                sent = self._unanswered
                self._await_answer()
                if sent[0] == queue and sent[1] is body:
                    self._check(queue)
                    return
            self._send(queue, body, properties)
            self._await_answer()
        except PublishingUnavailable:
            raise
        except BrokerUnavailable as error:
            # Only the message is in doubt. Items in hand came on another connection.
            is_silent = self._unanswered is not None and self._is_connected
            self.close()
            if is_silent:
                raise Unanswered(f"queue {queue!r} has not taken a message: {error}") from error
            raise PublishingUnavailable(str(error)) from error
        self._check(queue)

    def pump(self) -> None:
        """Handle heartbeats; close a connection that is lost."""
        if self._connection is None:
            return
        with suppress(BrokerUnavailable), self._connection.translated:
            self._connection.driven.pump()
        if self._connection.driven.lost is not None:
            self.close()

    def close(self) -> None:
        """Disconnect; never raises."""
        connection, self._connection, self._channel = self._connection, None, None
        self._unanswered = None
        if connection is not None:
            connection.close()

    @property
    def _is_connected(self) -> bool:
        return self._connection is not None and self._connection.driven.lost is None

    def _send(self, queue: str, body: bytes, properties: Properties) -> None:
        channel = self._open_channel()
        room = channel.connection.driven.frame_max_bytes - HEADER_FRAME_BYTES
        if (size := properties.size_bytes) > room:
            raise HeadersTooLarge(
                f"the properties of its copy take {size:,} bytes, and {room:,} fit into a frame"
                " (frame_max of the broker); make its headers smaller"
            )
        self._returned = False
        self._answers.clear()
        self._unanswered = (queue, body)
        with channel.connection.translated:
            channel.raw.basic_publish("", queue, body, properties, mandatory=True)

    def _await_answer(self) -> None:
        if self._channel is None or self._unanswered is None:
            return
        channel, queue = self._channel, self._unanswered[0]
        driven = channel.connection.driven
        with channel.connection.translated:
            if driven.blocked:
                # The broker's "unblocked" may have arrived.
                driven.pump()
            channel.wait(lambda: bool(self._answers or driven.blocked))
        if self._answers:
            self._unanswered = None
        elif driven.blocked:
            raise PublishingUnavailable(
                f"{channel.connection.settings.address} takes no messages ({driven.blocked}), so"
                " items can't be retried, released or dead-lettered; raise the broker's limit, or"
                " let its queues be drained: items that succeed go on"
            )
        else:
            self._unanswered = None
            channel.raise_closed(queue, may=MAY_PUBLISH)

    def _check(self, queue: str) -> None:
        if self._returned:
            raise Unroutable(queue)
        if isinstance(self._answers[0].method, spec.Basic.Nack):
            raise Refused(queue)

    def _open_channel(self) -> WorkerChannel:
        if self._channel is not None and self._channel.is_open:
            return self._channel
        if self._connection is None:
            self._connection = self._connect()
        channel = self._connection.open_channel()
        channel.raw.add_on_return_callback(self._on_return)
        channel.call("confirm_delivery", self._on_answer, queue="")
        self._channel = channel
        return channel

    def _on_return(self, *_message: Any) -> None:
        self._returned = True

    def _on_answer(self, frame: Any) -> None:
        self._answers.append(frame)
