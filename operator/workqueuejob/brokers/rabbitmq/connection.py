"""An AMQP connection that works only while its owner waits on it, and every wait has a deadline.

pika's `BlockingConnection` has no deadline for the reply of a queue whose process hangs, and one
such queue would stop everything else on the connection. So this runs pika's `SelectConnection` with
a loop of its own in the calling thread. It calls no methods on channels.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pika
from pika.credentials import ExternalCredentials, PlainCredentials

from workqueuejob.brokers import tls
from workqueuejob.brokers.rabbitmq.errors import KNOWN, TLS_FIELD, translate
from workqueuejob.brokers.rabbitmq.pika_connection import PikaConnection, PikaLoop
from workqueuejob.brokers.rabbitmq.settings import RabbitMQConnection

CONNECT_TIMEOUT_SECONDS = 4.0
REPLY_TIMEOUT_SECONDS = 20.0
CLOSE_TIMEOUT_SECONDS = 1.0

# pika logs every failed try with a traceback. The callers log a change of state, once.
logging.getLogger("pika").setLevel(logging.CRITICAL)


class DrivenConnection:
    """One open connection, used by one thread at a time.

    lost: why the connection ended; None while it is open.
    blocked: why the broker reads nothing more from it, in the broker's words; empty while it reads.
    stepped_at: when received frames were last handled, on the monotonic clock.
    """

    def __init__(self, parameters: pika.ConnectionParameters) -> None:
        """Connect; raise the exceptions of pika and of the socket, which `errors` translates."""
        self.lost: BaseException | None = None
        self.blocked = ""
        self.stepped_at = time.monotonic()
        self._alarm: Any = None
        self._alarm_at = 0.0
        self._loop = PikaLoop()
        self._loop.activate_poller()
        try:
            self._connection = self._open(parameters)
        except BaseException:
            self._loop.cut_off()
            self._loop.close()
            raise

    @property
    def frame_max_bytes(self) -> int:
        """The longest frame, as agreed with the broker."""
        return int(self._connection.params.frame_max)

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
        seconds = REPLY_TIMEOUT_SECONDS if timeout_seconds is None else timeout_seconds
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
        PikaConnection.create_connection(
            [parameters], on_done=outcome.append, custom_ioloop=self._loop
        )
        # Twice the time, because a name may have an IPv4 and an IPv6 address, tried in turn.
        self.run_until(lambda: bool(outcome), 2 * CONNECT_TIMEOUT_SECONDS)
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
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


def connect(settings: RabbitMQConnection, *, name: str, heartbeat_seconds: int) -> DrivenConnection:
    """Open a connection; raise a QueueError when that fails.

    name: the connection's name in the broker's tools.
    """
    parameters = build_parameters(settings, name=name, heartbeat_seconds=heartbeat_seconds)
    try:
        return DrivenConnection(parameters)
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
