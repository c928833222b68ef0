"""The operator's AMQP connection: declares queues passively, each step with a deadline.

It consumes, publishes and creates nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from workqueuejob.brokers.bounded_socket import MIB, Bounds
from workqueuejob.brokers.rabbitmq.connection import connect
from workqueuejob.brokers.rabbitmq.errors import KNOWN, translate, translate_channel
from workqueuejob.brokers.rabbitmq.settings import RabbitMQConnection
from workqueuejob.errors import MeasurementUnreliable

REPLY_TIMEOUT_SECONDS = 5.0
MEASUREMENT_TIMEOUT_SECONDS = 10.0
HEARTBEAT_SECONDS = 30
ANSWERS_MAX_BYTES = MIB
"""For the answers to one measurement. A declare's answer has some 20 bytes, the greeting 500."""


@dataclass(frozen=True, slots=True)
class DeclaredQueue:
    """The answer to a passive declare: the numbers of ready messages and of consumers."""

    messages: int
    consumers: int


class ProbeConnection:
    """One open connection with one channel; used by one thread."""

    def __init__(
        self, settings: RabbitMQConnection, *, reply_timeout_seconds: float = REPLY_TIMEOUT_SECONDS
    ) -> None:
        """Open the connection; raise a QueueError when that fails."""
        self._settings = settings
        self._reply_timeout_seconds = reply_timeout_seconds
        self._bounds = Bounds(seconds=MEASUREMENT_TIMEOUT_SECONDS, most_bytes=ANSWERS_MAX_BYTES)
        self._channel: Any = None
        self._channel_closed: BaseException | None = None
        self._connection = connect(
            settings,
            name="workqueuejob-operator",
            heartbeat_seconds=HEARTBEAT_SECONDS,
            reply_timeout_seconds=reply_timeout_seconds,
            bounds=self._bounds,
        )

    def begin_measurement(self) -> None:
        """Start the time and byte limits of one measurement, however many queues it declares."""
        self._bounds.begin()

    def declare_passively(self, queue: str) -> DeclaredQueue:
        """Return the broker's answer for a queue; raise a QueueError.

        After ConnectionFailed the connection can't be used any more; after any other error it can.
        """
        try:
            channel = self._open_channel()
            replies: list[Any] = []
            channel.queue_declare(queue, passive=True, callback=replies.append)
            with self._giving_up_on(queue):
                self._connection.run_until(
                    lambda: bool(replies or self._channel_closed),
                    min(self._reply_timeout_seconds, self._bounds.seconds_left),
                )
        except KNOWN as error:
            raise translate(error, self._settings) from error
        if not replies:
            closed = self._channel_closed or TimeoutError()
            raise translate_channel(closed, self._settings, queue) from closed
        method = replies[0].method
        return DeclaredQueue(messages=method.message_count, consumers=method.consumer_count)

    def close(self) -> None:
        """Close the connection by the protocol if the broker answers in time; never raises."""
        self._connection.close()

    def _open_channel(self) -> Any:
        if self._channel is None or not self._channel.is_open:
            self._channel_closed = None
            self._channel = self._connection.open_channel()
            self._channel.add_on_close_callback(self._on_channel_closed)
        return self._channel

    @contextmanager
    def _giving_up_on(self, queue: str) -> Iterator[None]:
        try:
            yield
        except TimeoutError:
            # Opening a channel was answered, so it is the queue that hangs, not the connection.
            self._channel = None
            raise MeasurementUnreliable(
                f"queue {queue!r} on {self._settings.address} did not answer within "
                f"{self._reply_timeout_seconds:g} s; see the broker's log"
            ) from None

    def _on_channel_closed(self, channel: Any, reason: BaseException) -> None:
        if self._channel is channel:
            self._channel_closed = reason
