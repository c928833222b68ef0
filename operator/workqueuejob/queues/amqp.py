"""An AMQP connection on which queues are declared passively, every step with a deadline.

pika's `BlockingConnection` waits for ever for the reply of a queue whose process hangs, and one
such queue would stop every other one of the broker. So this drives pika's `SelectConnection` by
its own loop, in the calling thread. It never consumes, publishes, or declares for real.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pika
from pika.adapters.select_connection import IOLoop
from pika.credentials import ExternalCredentials, PlainCredentials

from workqueuejob.api import AuthMechanism
from workqueuejob.errors import MeasurementUnreliable
from workqueuejob.protocol import tls
from workqueuejob.protocol.amqp_errors import KNOWN, TLS_FIELD, translate, translate_channel
from workqueuejob.protocol.connection import RabbitMQConnection

CONNECT_TIMEOUT_SECONDS = 4.0
REPLY_TIMEOUT_SECONDS = 5.0
CLOSE_TIMEOUT_SECONDS = 1.0
HEARTBEAT_SECONDS = 30

# pika logs every failed attempt with a traceback; the meter logs a change of state, once.
logging.getLogger("pika").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class DeclaredQueue:
    """A passive declare's answer: messages ready, and consumers."""

    messages: int
    consumers: int


class AMQPConnection:
    """One open connection with one channel; used by one thread."""

    def __init__(
        self, settings: RabbitMQConnection, *, reply_timeout_seconds: float = REPLY_TIMEOUT_SECONDS
    ) -> None:
        """Open the connection; raise a QueueError when that fails."""
        self._settings = settings
        self._reply_timeout_seconds = reply_timeout_seconds
        self._lost: BaseException | None = None
        self._channel: Any = None
        self._channel_closed: BaseException | None = None
        parameters = build_parameters(settings)
        self._loop = IOLoop()
        self._loop.activate_poller()
        try:
            self._connection = self._open(parameters)
        except BaseException as error:
            self._loop.close()
            if isinstance(error, KNOWN):
                raise translate(error, settings) from error
            raise

    def declare_passively(self, queue: str) -> DeclaredQueue:
        """Return what the broker says of a queue; raise a QueueError.

        After a ConnectionFailed the connection is of no more use; after any other error it is.
        """
        try:
            channel = self._open_channel()
            replies: list[Any] = []
            channel.queue_declare(queue, passive=True, callback=replies.append)
            with self._giving_up_on(queue):
                self._run_until(lambda: bool(replies or self._channel_closed))
        except KNOWN as error:
            raise translate(error, self._settings) from error
        if not replies:
            closed = self._channel_closed or TimeoutError()
            raise translate_channel(closed, self._settings, queue) from closed
        method = replies[0].method
        return DeclaredQueue(messages=method.message_count, consumers=method.consumer_count)

    def close(self) -> None:
        """Close the connection politely if the broker answers in time; never raises."""
        with suppress(Exception):
            if self._connection.is_open:
                self._connection.close()
                self._run_until(lambda: False, CLOSE_TIMEOUT_SECONDS)
        with suppress(Exception):
            self._loop.close()

    def _open(self, parameters: pika.ConnectionParameters) -> Any:
        outcome: list[Any] = []
        pika.SelectConnection.create_connection(
            [parameters], on_done=outcome.append, custom_ioloop=self._loop
        )
        # Twice: a name may stand for an IPv4 and an IPv6 address, which are tried in turn.
        self._run_until(lambda: bool(outcome), 2 * CONNECT_TIMEOUT_SECONDS)
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        outcome[0].add_on_close_callback(self._on_lost)
        return outcome[0]

    def _open_channel(self) -> Any:
        if self._channel is not None and self._channel.is_open:
            return self._channel
        opened: list[Any] = []
        self._channel_closed = None
        channel = self._connection.channel(on_open_callback=opened.append)
        channel.add_on_close_callback(self._on_channel_closed)
        self._run_until(lambda: bool(opened))
        self._channel = channel
        return channel

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

    def _on_lost(self, _connection: Any, reason: BaseException) -> None:
        self._lost = reason

    def _on_channel_closed(self, channel: Any, reason: BaseException) -> None:
        if self._channel is channel:
            self._channel_closed = reason

    def _run_until(self, done: Callable[[], bool], timeout_seconds: float | None = None) -> None:
        expired: list[bool] = []
        seconds = self._reply_timeout_seconds if timeout_seconds is None else timeout_seconds
        timer = self._loop.call_later(seconds, lambda: expired.append(True))
        try:
            while not done():
                if self._lost is not None:
                    raise self._lost
                if expired:
                    raise TimeoutError
                self._loop.poll()
                self._loop.process_timeouts()
        finally:
            self._loop.remove_timeout(timer)


def build_parameters(settings: RabbitMQConnection) -> pika.ConnectionParameters:
    """Return pika's parameters; raise TLSFailed when the TLS material can't be used."""
    credentials: PlainCredentials | ExternalCredentials
    if settings.auth_mechanism == AuthMechanism.EXTERNAL:
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
        heartbeat=HEARTBEAT_SECONDS,
        connection_attempts=1,
        socket_timeout=CONNECT_TIMEOUT_SECONDS,
        stack_timeout=CONNECT_TIMEOUT_SECONDS,
        client_properties={"connection_name": "workqueuejob-operator"},
    )
