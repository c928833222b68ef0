"""Publishing that is certain: confirmed by the broker, and refused when no queue would take it.

On a connection of its own. RabbitMQ that is short of memory or disk reads nothing more from a
connection that publishes, acknowledgements included; so one that consumes must not publish, or the
backlog that fills the memory could not be drained. Opened when it is needed. Publishes to the
default exchange only, that is, straight to a queue.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pika import spec

from workqueuejob.brokers.rabbitmq.properties import Properties
from workqueuejob.brokers.rabbitmq.worker_connection import WorkerChannel, WorkerConnection
from workqueuejob.errors import BrokerUnavailable, PublishingUnavailable

MAY_PUBLISH = (
    "publish to the default exchange, without which no item can be retried, released or "
    "dead-lettered; grant it 'write' on 'amq.default' (rabbitmqctl set_permissions)"
)


class Unroutable(Exception):
    """There is no queue of that name."""


class Refused(Exception):
    """The queue takes nothing now: it is full, or the broker could not store the message."""


class Publisher:
    """Publishes one message after the other."""

    def __init__(self, connect: Callable[[], WorkerConnection]) -> None:
        """Try once; raise AuthorizationFailed if the user may not publish."""
        self._connect = connect
        self._connection: WorkerConnection | None = None
        self._channel: WorkerChannel | None = None
        self._returned = False
        self._answers: list[Any] = []
        self._unanswered: tuple[str, bytes] | None = None
        with suppress(Unroutable, PublishingUnavailable):
            # No queue has an empty name, so nobody gets this; but the broker asks for the
            # permission all the same, and better now than when the first item fails.
            self.publish("", b"", Properties())
        self.close()

    def publish(self, queue: str, body: bytes, properties: Properties) -> None:
        """Return once the broker has the message safe; raise Unroutable or Refused if not.

        Raises PublishingUnavailable while the broker takes none. A message that was sent by then
        is taken when it does again; who tries the same again waits for that, and sends no other.
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
            # Only what was to be published is in doubt, and nothing that is held.
            self.close()
            raise PublishingUnavailable(str(error)) from error
        self._check(queue)

    def pump(self) -> None:
        """Service heartbeats; let go of a connection that is lost."""
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

    def _send(self, queue: str, body: bytes, properties: Properties) -> None:
        channel = self._open_channel()
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
                # That it is blocked no more may be among what has come.
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
