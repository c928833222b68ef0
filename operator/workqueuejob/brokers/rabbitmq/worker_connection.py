"""A worker's connection to RabbitMQ: translated errors, and channels whose calls answer in time.

Decides nothing about items. The user's queue is declared passively.
"""

import time
from collections.abc import Callable
from typing import Any, NoReturn

from workqueuejob.brokers.rabbitmq.connection import DrivenConnection, connect
from workqueuejob.brokers.rabbitmq.errors import KNOWN, translate, translate_channel
from workqueuejob.brokers.rabbitmq.settings import RabbitMQConnection
from workqueuejob.errors import (
    AuthorizationFailed,
    BrokerUnavailable,
    ConnectionFailed,
    MeasurementUnreliable,
    QueueError,
)

_ACCESS_REFUSED = 403


class WorkerConnection:
    """One connection, which can't be used any more after it raised BrokerUnavailable.

    translated: a context in which exceptions of pika and of the socket become errors of `errors`.
    driven: the connection itself.
    """

    def __init__(self, settings: RabbitMQConnection, *, heartbeat_seconds: int, name: str) -> None:
        """Connect; raise BrokerUnavailable, or a QueueError when a person must change something."""
        self.settings = settings
        self.translated = _Translated(settings)
        self._control: WorkerChannel | None = None
        with self.translated:
            self.driven: DrivenConnection = connect(
                settings, name=f"wqj-worker {name}", heartbeat_seconds=heartbeat_seconds
            )

    @property
    def where(self) -> str:
        """Address and virtual host, for messages."""
        return f"on {self.settings.address}, vhost {self.settings.virtual_host!r}"

    @property
    def control(self) -> "WorkerChannel":
        """The channel for declares; opened again after a refused declare has closed it."""
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

    closed: why the channel was closed by the broker, or with the connection; None while it is open.
    settled_at: when a message was last acknowledged on it, on the monotonic clock; since then the
        broker may have sent another.
    unsettled: how many messages were delivered on it and not settled yet.
    """

    def __init__(self, connection: WorkerConnection) -> None:
        self.connection = connection
        self.unsettled = 0
        self.closed: BaseException | None = None
        self.settled_at = time.monotonic()
        with connection.translated:
            self.raw: Any = connection.driven.open_channel()
        self.raw.add_on_close_callback(self._on_closed)

    @property
    def is_open(self) -> bool:
        """Whether messages that were delivered on it may still be acknowledged."""
        return self.closed is None and bool(self.raw.is_open)

    def call(self, method: str, *arguments: Any, queue: str, may: str = "", **named: Any) -> Any:
        """Call a method that the broker answers; return the answer.

        queue: the queue that a refusal is about.
        may: what the user may not do when access is refused, and what to grant.
        """
        replies: list[Any] = []
        with self.connection.translated:
            getattr(self.raw, method)(*arguments, callback=replies.append, **named)
            self.wait(lambda: bool(replies))
        if not replies:
            self.raise_closed(queue, may=may)
        return replies[0].method

    def wait(self, done: Callable[[], bool]) -> None:
        """Run the connection until `done` returns True or the channel is closed."""
        self.connection.driven.run_until(lambda: done() or self.closed is not None)

    def declare_passively(self, queue: str) -> Any:
        """Return the broker's answer for a queue; raise QueueNotFound or another QueueError."""
        return self.call("queue_declare", queue, queue=queue, passive=True)

    def synchronize(self, *, queue: str, prefetch: int) -> None:
        """Return once the broker has handled everything that was sent on the channel before.

        It sends basic.qos and awaits the answer. prefetch: of consumers that begin from now on.
        """
        self.call("basic_qos", queue=queue, prefetch_count=prefetch)

    def raise_closed(self, queue: str, *, may: str = "") -> NoReturn:
        """Raise the error for which the broker closed the channel."""
        closed = self.closed or TimeoutError()
        if may and getattr(closed, "reply_code", None) == _ACCESS_REFUSED:
            raise AuthorizationFailed(
                f"user {self.connection.settings.username!r} may not {may}"
                f" ({getattr(closed, 'reply_text', '')})"
            ) from closed
        with self.connection.translated:
            raise translate_channel(closed, self.connection.settings, queue) from closed

    def close(self) -> None:
        """Close the channel; its unacknowledged messages become ready again."""
        if self.is_open:
            with self.connection.translated:
                self.raw.close()
                self.wait(lambda: False)

    def _on_closed(self, _channel: Any, reason: BaseException) -> None:
        self.closed = reason


class _Translated:
    """Translates exceptions of pika and of the socket; costs nothing where nothing is raised.

    Where a later try may work it raises BrokerUnavailable, else a QueueError.
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
