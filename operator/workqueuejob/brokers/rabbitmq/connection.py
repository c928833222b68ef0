"""An AMQP connection that works only while its owner waits on it, and every wait has a deadline.

pika's `BlockingConnection` has no deadline for the reply of a queue whose process hangs, and one
such queue would stop everything else on the connection. So this runs pika's `SelectConnection` with
a loop of its own in the calling thread. It calls no methods on channels.
"""

import logging
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pika
from pika.adapters.select_connection import IOLoop
from pika.credentials import ExternalCredentials, PlainCredentials

from workqueuejob.brokers import tls
from workqueuejob.brokers.bounded_socket import AnswerTooLong, Bounds
from workqueuejob.brokers.connection import RabbitMQConnection
from workqueuejob.brokers.rabbitmq.errors import KNOWN, TLS_FIELD, translate
from workqueuejob.brokers.rabbitmq.frames import read_frame

CONNECT_TIMEOUT_SECONDS = 4.0
CLOSE_TIMEOUT_SECONDS = 1.0

# pika logs every failed attempt with a traceback. The callers log a change of state, once.
logging.getLogger("pika").setLevel(logging.CRITICAL)


class _Loop(IOLoop):  # type: ignore[misc] # pika carries no types
    """pika's loop, with a `flush` that writes at once, and a `cut_off` that closes all sockets.

    For every frame, pika asks the kernel whether the socket can be written to. Nearly always it
    can, so the question costs three system calls more than the sending. So this loop changes the
    events of a socket only when it waits, and `flush` sends before that.

    pika closes a socket only when the broker agrees, or the garbage collector finds it. Until then
    a broker that hung goes on sending items to a consumer that is gone.
    """

    def __init__(self, bounds: Bounds | None) -> None:
        super().__init__()
        self.refused: AnswerTooLong | None = None
        self._bounds = bounds
        self._sockets: dict[int, Callable[[int, int], None]] = {}
        self._watched: dict[int, int] = {}
        self._wanted: dict[int, int] = {}

    def add_handler(self, fd: int, handler: Callable[[int, int], None], events: int) -> None:
        self._sockets[fd] = handler
        self._watched[fd] = events
        super().add_handler(fd, handler, events)

    def update_handler(self, fd: int, events: int) -> None:
        if events == self._watched[fd]:
            self._wanted.pop(fd, None)
        else:
            self._wanted[fd] = events

    def remove_handler(self, fd: int) -> None:
        del self._sockets[fd], self._watched[fd]
        self._wanted.pop(fd, None)
        super().remove_handler(fd)

    def poll(self) -> None:
        for fd, events in self._wanted.items():
            super().update_handler(fd, events)
        self._watched.update(self._wanted)
        self._wanted.clear()
        super().poll()

    def flush(self) -> bool:
        """Send what can be sent; return whether that was everything."""
        for fd, events in list(self._wanted.items()):
            if events & self.WRITE:
                self._sockets[fd](fd, self.WRITE)
        return not self._wanted

    def count(self, data: bytes) -> None:
        """Count received bytes; raise AnswerTooLong beyond the limit."""
        if self._bounds is not None:
            self._bounds.count(len(data))

    def cut_off(self) -> None:
        """Shut down all sockets."""
        for number in self._sockets:
            with suppress(OSError), socket.socket(fileno=os.dup(number)) as duplicate:
                duplicate.shutdown(socket.SHUT_RDWR)


class _Connection(pika.SelectConnection):  # type: ignore[misc] # pika carries no types
    """pika's connection, with `frames` as its decoder and a limit for the received bytes.

    pika offers no hook for a decoder, and keeps the bytes of a frame however long the frame claims
    to be. All received bytes pass through these two methods, so they are overridden; pika's modules
    are not patched.
    """

    def _on_data_available(self, data_in: bytes) -> None:
        loop: _Loop = self.ioloop
        try:
            loop.count(data_in)
        except AnswerTooLong as error:
            # While a connection is not open yet, pika only reports that it was lost.
            loop.refused = error
            raise
        super()._on_data_available(data_in)

    def _read_frame(self) -> Any:
        return read_frame(self._frame_buffer)


class DrivenConnection:
    """One open connection, used by one thread at a time.

    lost: why the connection ended; None while it is open.
    blocked: why the broker reads nothing more from it, in the broker's words; empty while it reads.
    stepped_at: when received frames were last handled, on the monotonic clock.
    """

    def __init__(
        self,
        parameters: pika.ConnectionParameters,
        *,
        reply_timeout_seconds: float,
        bounds: Bounds | None = None,
    ) -> None:
        """Connect; raise the exceptions of pika and of the socket, which `errors` translates.

        reply_timeout_seconds: the longest wait for a reply.
        bounds: the limit of received bytes; the owner calls `begin` before each call.
        """
        self.lost: BaseException | None = None
        self.blocked = ""
        self.stepped_at = time.monotonic()
        self._reply_timeout_seconds = reply_timeout_seconds
        self._alarm: Any = None
        self._alarm_at = 0.0
        self._loop = _Loop(bounds)
        self._loop.activate_poller()
        try:
            self._connection = self._open(parameters)
        except BaseException:
            self._loop.cut_off()
            self._loop.close()
            raise

    def open_channel(self) -> Any:
        """Return a new open channel."""
        opened: list[Any] = []
        channel = self._connection.channel(on_open_callback=opened.append)
        self.run_until(lambda: bool(opened))
        return channel

    def run_until(self, done: Callable[[], bool], timeout_seconds: float | None = None) -> None:
        """Run the loop until `done` returns True; raise TimeoutError, or why the connection ended.

        timeout_seconds: None for the timeout of a reply.
        """
        seconds = self._reply_timeout_seconds if timeout_seconds is None else timeout_seconds
        ends_at = time.monotonic() + seconds
        while not done():
            if self.lost is not None:
                raise self.lost
            if time.monotonic() >= ends_at:
                raise TimeoutError
            self._wake_by(ends_at)
            self.step()

    def step(self) -> None:
        """Wait until bytes can be sent or received, or a timer is due; handle that."""
        self._loop.poll()
        self._loop.process_timeouts()
        self.stepped_at = time.monotonic()

    def flush(self) -> None:
        """Send everything that is to be sent, as far as the socket takes it."""
        if not self._loop.flush():
            self.step()

    def pump(self) -> None:
        """Handle what has arrived, heartbeats and the connection's end included; does not wait."""
        if self.lost is None:
            self._loop.call_later(0, _do_nothing)
            self.step()

    def close(self) -> None:
        """Close the connection by the protocol if the broker answers in time; never raises."""
        with suppress(Exception):
            # A broker that has blocked the connection does not read the request to close it.
            if self._connection.is_open and not self.blocked:
                self._connection.close()
                self.run_until(lambda: False, CLOSE_TIMEOUT_SECONDS)
        with suppress(Exception):
            self._loop.cut_off()
            self._loop.close()

    def _open(self, parameters: pika.ConnectionParameters) -> Any:
        outcome: list[Any] = []
        _Connection.create_connection(
            [parameters], on_done=outcome.append, custom_ioloop=self._loop
        )
        # Twice the time, because a name may have an IPv4 and an IPv6 address, tried in turn.
        self.run_until(lambda: bool(outcome), 2 * CONNECT_TIMEOUT_SECONDS)
        if isinstance(outcome[0], BaseException):
            raise self._loop.refused or outcome[0]
        outcome[0].add_on_close_callback(self._on_lost)
        outcome[0].add_on_connection_blocked_callback(self._on_blocked)
        outcome[0].add_on_connection_unblocked_callback(self._on_unblocked)
        return outcome[0]

    def _on_lost(self, _connection: Any, reason: BaseException) -> None:
        self.lost = reason

    def _on_blocked(self, _connection: Any, frame: Any) -> None:
        self.blocked = str(frame.method.reason) or "no reason given"

    def _on_unblocked(self, *_: Any) -> None:
        self.blocked = ""

    def _wake_by(self, moment: float) -> None:
        """Set an alarm so that `step` returns in time; one alarm serves many short waits."""
        if self._alarm is not None and self._alarm_at <= moment:
            return
        if self._alarm is not None:
            self._loop.remove_timeout(self._alarm)
        self._alarm_at = moment
        self._alarm = self._loop.call_later(max(moment - time.monotonic(), 0.0), self._on_alarm)

    def _on_alarm(self) -> None:
        self._alarm = None


def connect(
    settings: RabbitMQConnection,
    *,
    name: str,
    heartbeat_seconds: int,
    reply_timeout_seconds: float,
    bounds: Bounds | None = None,
) -> DrivenConnection:
    """Open a connection; raise a QueueError when that fails.

    name: the connection's name in the broker's tools.
    bounds: as in `DrivenConnection`.
    """
    parameters = build_parameters(settings, name=name, heartbeat_seconds=heartbeat_seconds)
    try:
        return DrivenConnection(
            parameters, reply_timeout_seconds=reply_timeout_seconds, bounds=bounds
        )
    except KNOWN as error:
        raise translate(error, settings) from error


def build_parameters(
    settings: RabbitMQConnection, *, name: str, heartbeat_seconds: int
) -> pika.ConnectionParameters:
    """Return pika's parameters; raise TLSFailed when the TLS material can't be used."""
    credentials: PlainCredentials | ExternalCredentials
    if settings.auth_mechanism == "EXTERNAL":
        credentials = ExternalCredentials()
    else:
        credentials = PlainCredentials(settings.username, settings.password)
    ssl_options = None
    if settings.tls is not None:
        context = tls.build_context(settings.tls, field=TLS_FIELD)
        ssl_options = pika.SSLOptions(context, settings.tls.server_name or settings.host)
    return pika.ConnectionParameters(
        host=settings.host,
        port=settings.port,
        virtual_host=settings.virtual_host,
        credentials=credentials,
        ssl_options=ssl_options,
        heartbeat=heartbeat_seconds,
        connection_attempts=1,
        socket_timeout=CONNECT_TIMEOUT_SECONDS,
        stack_timeout=CONNECT_TIMEOUT_SECONDS,
        client_properties={"connection_name": name},
    )


def _do_nothing() -> None:
    pass
