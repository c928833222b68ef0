"""A worker's connection to RabbitMQ: its errors in our words, and channels that answer or end.

Never declares a queue of the user's for real, and decides nothing about items.
"""

import time
from collections.abc import Callable
from typing import Any, NoReturn

from workqueuejob.brokers.connection import RabbitMQConnection
from workqueuejob.brokers.rabbitmq.connection import DrivenConnection, connect
from workqueuejob.brokers.rabbitmq.errors import KNOWN, translate, translate_channel
from workqueuejob.errors import (
    AuthorizationFailed,
    BrokerUnavailable,
    ConnectionFailed,
    MeasurementUnreliable,
    QueueError,
)

REPLY_TIMEOUT_SECONDS = 20.0

_ACCESS_REFUSED = 403


class WorkerConnection:
    """One connection; of no more use once it raised BrokerUnavailable."""

    def __init__(self, settings: RabbitMQConnection, *, heartbeat_seconds: int, name: str) -> None:
        """Connect; raise BrokerUnavailable, or the QueueError that no second try would mend."""
        self.settings = settings
        self.translated = _Translated(settings)
        self._control: WorkerChannel | None = None
        with self.translated:
            self.driven: DrivenConnection = connect(
                settings,
                name=f"wqj-worker {name}",
                heartbeat_seconds=heartbeat_seconds,
                reply_timeout_seconds=REPLY_TIMEOUT_SECONDS,
            )

    @property
    def where(self) -> str:
        """Address and virtual host, for messages."""
        return f"on {self.settings.address}, vhost {self.settings.virtual_host!r}"

    @property
    def control(self) -> "WorkerChannel":
        """The channel to declare on, which a refused declare closes."""
        if self._control is None or not self._control.is_open:
            self._control = self.open_channel()
        return self._control

    def open_channel(self) -> "WorkerChannel":
        """Return a new channel."""
        return WorkerChannel(self)

    def close(self) -> None:
        """Disconnect; never raises."""
        self.driven.close()


class WorkerChannel:
    """One channel.

    closed: why the broker, or the end of the connection, closed it.
    room_since: on the monotonic clock, since when the broker may have sent what comes next.
    """

    def __init__(self, connection: WorkerConnection) -> None:
        self.connection = connection
        self.closed: BaseException | None = None
        self.room_since = time.monotonic()
        with connection.translated:
            self.raw: Any = connection.driven.open_channel()
        self.raw.add_on_close_callback(self._on_closed)

    @property
    def is_open(self) -> bool:
        """Whether what was delivered on it may still be acknowledged."""
        return self.closed is None and bool(self.raw.is_open)

    def call(self, method: str, *arguments: Any, queue: str, may: str = "", **named: Any) -> Any:
        """Call a method that the broker answers; return the answer.

        queue, may: which queue a refusal is about, and what to grant the user then.
        """
        replies: list[Any] = []
        with self.connection.translated:
            getattr(self.raw, method)(*arguments, callback=replies.append, **named)
            self.wait(lambda: bool(replies))
        if not replies:
            self.raise_closed(queue, may=may)
        return replies[0].method

    def wait(self, done: Callable[[], bool]) -> None:
        """Move until it is done or the channel is closed."""
        self.connection.driven.run_until(lambda: done() or self.closed is not None)

    def declare_passively(self, queue: str) -> Any:
        """Return what the broker says of a queue; raise QueueNotFound and the like."""
        return self.call("queue_declare", queue, queue=queue, passive=True)

    def synchronize(self, *, queue: str, prefetch: int) -> None:
        """Return once the broker has dealt with all that was sent on the channel before.

        prefetch: of the consumers that begin from now on.
        """
        self.call("basic_qos", queue=queue, prefetch_count=prefetch)

    def raise_closed(self, queue: str, *, may: str = "") -> NoReturn:
        """Raise what the broker closed the channel for."""
        closed = self.closed or TimeoutError()
        if may and getattr(closed, "reply_code", None) == _ACCESS_REFUSED:
            raise AuthorizationFailed(
                f"user {self.connection.settings.username!r} may not {may}"
                f" ({getattr(closed, 'reply_text', '')})"
            ) from closed
        with self.connection.translated:
            raise translate_channel(closed, self.connection.settings, queue) from closed

    def close(self) -> None:
        """Close it: what is unacknowledged on it becomes ready again."""
        if self.is_open:
            with self.connection.translated:
                self.raw.close()
                self.wait(lambda: False)

    def _on_closed(self, _channel: Any, reason: BaseException) -> None:
        self.closed = reason


class _Translated:
    """Raises what pika and the socket raise as errors of our tree; costs nothing while all is well.

    What another try may mend is BrokerUnavailable, and what only a person can, a QueueError.
    """

    __slots__ = ("_settings",)

    def __init__(self, settings: RabbitMQConnection) -> None:
        self._settings = settings

    def __enter__(self) -> None:
        return

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if error is None:
            return
        if isinstance(error, KNOWN):
            error = translate(error, self._settings)
        if isinstance(error, ConnectionFailed | MeasurementUnreliable):
            raise BrokerUnavailable(str(error)) from error
        if isinstance(error, QueueError):
            raise error
