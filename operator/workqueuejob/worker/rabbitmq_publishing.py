"""Publishing that is certain: confirmed by the broker, and refused when no queue would take it.

On a channel of its own, for a failed publish closes its channel and must not take anybody's
deliveries with it. Publishes to the default exchange only, that is, straight to a queue.
"""

from contextlib import suppress
from typing import Any

from pika import spec

from workqueuejob.protocol.amqp_properties import Properties
from workqueuejob.worker.rabbitmq_connection import WorkerChannel, WorkerConnection

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

    def __init__(self, connection: WorkerConnection) -> None:
        """Open a channel; raise AuthorizationFailed if the user may not publish."""
        self._connection = connection
        self._channel: WorkerChannel | None = None
        self._returned = False
        self._answers: list[Any] = []
        with suppress(Unroutable):
            # No queue has an empty name, so nobody gets this; but the broker asks for the
            # permission all the same, and better now than when the first item fails.
            self.publish("", b"", Properties())

    def publish(self, queue: str, body: bytes, properties: Properties) -> None:
        """Return once the broker has the message safe; raise Unroutable or Refused if not."""
        channel = self._open_channel()
        self._returned = False
        self._answers.clear()
        with self._connection.translated:
            channel.raw.basic_publish("", queue, body, properties, mandatory=True)
            channel.wait(lambda: bool(self._answers))
        if not self._answers:
            channel.raise_closed(queue, may=MAY_PUBLISH)
        if self._returned:
            raise Unroutable(queue)
        if isinstance(self._answers[0].method, spec.Basic.Nack):
            raise Refused(queue)

    def _open_channel(self) -> WorkerChannel:
        if self._channel is not None and self._channel.is_open:
            return self._channel
        channel = self._connection.open_channel()
        channel.raw.add_on_return_callback(self._on_return)
        channel.call("confirm_delivery", self._on_answer, queue="")
        self._channel = channel
        return channel

    def _on_return(self, *_message: Any) -> None:
        self._returned = True

    def _on_answer(self, frame: Any) -> None:
        self._answers.append(frame)
