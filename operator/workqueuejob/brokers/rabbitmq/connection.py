"""An AMQP connection that moves only while its owner waits on it, and never waits for ever.

pika's `BlockingConnection` has no deadline for the reply of a queue whose process hangs, and one
such queue would stop everything else on the connection. So this drives pika's `SelectConnection`
by its own loop, in the calling thread. Which methods are called on its channels, it does not know.
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

# pika logs every failed attempt with a traceback; its users log a change of state, once.
logging.getLogger("pika").setLevel(logging.CRITICAL)


class _Loop(IOLoop):  # type: ignore[misc] # pika carries no types
    """pika's loop, which can write at once, and cut off what is still open on it.

    For every frame it sends, pika asks the kernel whether the socket can be written to, which it
    nearly always can; that is three system calls more than the sending. So what a socket is watched
    for changes only when the loop waits, and `flush` sends before that.

    pika closes a socket only when the broker agrees, or the garbage collector gets to it; until
    then a broker that hung goes on sending items to a consumer that is gone.
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
        """Send what can be sent; return whether that was all there was."""
        for fd, events in list(self._wanted.items()):
            if events & self.WRITE:
                self._sockets[fd](fd, self.WRITE)
        return not self._wanted

    def count(self, data: bytes) -> None:
        """Take what was received into account; raises AnswerTooLong."""
        if self._bounds is not None:
            self._bounds.count(len(data))

    def cut_off(self) -> None:
        """End the connections behind all sockets."""
        for number in self._sockets:
            with suppress(OSError), socket.socket(fileno=os.dup(number)) as one:
                one.shutdown(socket.SHUT_RDWR)


class _Connection(pika.SelectConnection):  # type: ignore[misc] # pika carries no types
    """pika's connection, with a reader of frames that no message's header can stop, and a limit.

    pika has no place for a decoder of one's own, and keeps what it has of a frame, however long
    the frame claims to be. These are the two methods through which all that is received comes in;
    they are overridden for our connections, and nothing of pika's modules is replaced.
    """

    def _on_data_available(self, data_in: bytes) -> None:
        loop: _Loop = self.ioloop
        try:
            loop.count(data_in)
        except AnswerTooLong as error:
            # Before a connection is open, pika only tells that it was lost.
            loop.refused = error
            raise
        super()._on_data_available(data_in)

    def _read_frame(self) -> Any:
        return read_frame(self._frame_buffer)


class DrivenConnection:
    """One open connection, used by one thread at a time.

    lost: why the connection ended; None while it stands.
    blocked: why the broker reads nothing more from it, in its words; empty while it does.
    moved_at: on the monotonic clock, when what the broker sent was last looked at.
    """

    def __init__(
        self,
        parameters: pika.ConnectionParameters,
        *,
        reply_timeout_seconds: float,
        bounds: Bounds | None = None,
    ) -> None:
        """Connect; raises what pika and the socket raise, which `amqp_errors` translates.

        bounds: of what is received, of which only the bytes count; the owner begins each call.
        """
        self.lost: BaseException | None = None
        self.blocked = ""
        self.moved_at = time.monotonic()
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
        """Move until it is done; raise TimeoutError, or what ended the connection."""
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
        """Wait for something to happen: to send, to receive, or a timer; handle it."""
        self._loop.poll()
        self._loop.process_timeouts()
        self.moved_at = time.monotonic()

    def flush(self) -> None:
        """Send what is to be sent."""
        if not self._loop.flush():
            self.step()

    def pump(self) -> None:
        """Handle what is there by now, heartbeats and the connection's end included."""
        if self.lost is None:
            self._loop.call_later(0, _do_nothing)
            self.step()

    def close(self) -> None:
        """Close politely if the broker answers in time; never raises."""
        with suppress(Exception):
            # A broker that has blocked the connection would not hear of it.
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
        # Twice: a name may stand for an IPv4 and an IPv6 address, which are tried in turn.
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
        """See to it that `step` returns in time; one alarm serves many waits, which are short."""
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

    name: what the broker's own tools show of it.
    bounds: as of `DrivenConnection`.
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
