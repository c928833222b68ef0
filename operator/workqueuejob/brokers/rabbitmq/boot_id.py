"""Reads an id that changes when the broker restarts, which AMQP does not have.

A redelivered item was in the hand of a worker that died, or in the queue of a broker that died. A
message that is not persistent does not survive a restart of the broker. So a durable queue beside
the user's holds one such message. Its body is the boot id, a random word that a worker writes when
it finds the queue empty.

When a user purges the queue, or two workers find it empty at the same time, the id changes without
a restart; then an item that came back keeps an attempt that it had lost.
"""

import uuid
from contextlib import suppress
from typing import Any

from pika import spec

from workqueuejob.brokers.rabbitmq.names import boot_id_queue
from workqueuejob.brokers.rabbitmq.properties import build_properties
from workqueuejob.brokers.rabbitmq.publisher import Publisher, Refused, Unroutable
from workqueuejob.brokers.rabbitmq.worker_connection import WorkerChannel, WorkerConnection
from workqueuejob.errors import BrokerUnavailable, PublishingUnavailable, WorkQueueJobError

EXPIRES_MS = 24 * 3600 * 1000
TRIES = 4
TRY_AGAIN_SECONDS = 0.05
"""Between two tries, because another worker that reads the message holds it for a millisecond."""

_TRANSIENT = 1


class BrokerBootId:
    """The boot id of the broker during one connection."""

    def __init__(self, connection: WorkerConnection, publisher: Publisher, queue: str) -> None:
        self._connection = connection
        self._publisher = publisher
        self._name = boot_id_queue(queue)
        self._known: str | None = None

    def read(self) -> str:
        """Return the boot id; empty where it can't be known.

        Raises BrokerUnavailable when the connection is lost.
        """
        if self._known is None:
            try:
                self._known = self._find()
            except BrokerUnavailable:
                raise
            except WorkQueueJobError:
                # For example, the user may not declare the queue, or its node is down.
                self._known = ""
        return self._known

    def _find(self) -> str:
        arguments = {"x-queue-type": "classic", "x-max-length": 1, "x-expires": EXPIRES_MS}
        self._connection.control.call(
            "queue_declare", self._name, queue=self._name, durable=True, arguments=arguments
        )
        channel = self._connection.open_channel()
        boot_id = self._look(channel, tries=TRIES)
        if not boot_id:
            with suppress(Refused, Unroutable, PublishingUnavailable):
                self._publisher.publish(
                    self._name, uuid.uuid4().hex.encode(), build_properties(_TRANSIENT)
                )
                boot_id = self._look(channel, tries=TRIES)
        channel.close()
        return boot_id

    def _look(self, channel: WorkerChannel, *, tries: int) -> str:
        for attempt in range(tries):
            if attempt:
                with self._connection.translated, suppress(TimeoutError):
                    self._connection.driven.run_until(lambda: False, TRY_AGAIN_SECONDS)
            boot_id = self._get(channel)
            if boot_id:
                return boot_id
        return ""

    def _get(self, channel: WorkerChannel) -> str:
        answers: list[str] = []

        def take(_channel: Any, method: Any, _properties: Any, body: bytes) -> None:
            answers.append(body.decode(errors="replace"))
            channel.raw.basic_nack(method.delivery_tag, requeue=True)

        with self._connection.translated:
            channel.raw.add_callback(lambda _frame: answers.append(""), [spec.Basic.GetEmpty])
            channel.raw.basic_get(self._name, take, auto_ack=False)
            channel.wait(lambda: bool(answers))
        if not answers:
            channel.raise_closed(self._name)
        return answers[0]
