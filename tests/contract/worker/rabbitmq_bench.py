"""A classic or a quorum queue of a real RabbitMQ under the worker's contract."""

import itertools
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from typing import Any

import pika

from dev.servers.rabbitmq import ADMIN, RabbitMQServer
from dev.servers.rabbitmq_configuration import QUORUM_TICK_SECONDS
from tests.contract.worker.bench import DeadLetter
from tests.contract.worker.places import Here, Place
from workqueuejob.brokers.broker import Broker
from workqueuejob.brokers.rabbitmq.broker import open_broker
from workqueuejob.brokers.rabbitmq.names import DEAD_LETTER_PREFIX, boot_id_queue
from workqueuejob.brokers.rabbitmq.settings import RabbitMQConnection, RabbitMQSource
from workqueuejob.contract.retry import RetrySettings

QUEUE = "job/1"
DEAD = "job/1 dead"
PERSISTENT = 2

_numbers = itertools.count(1)


class RabbitMQWorkerBench:
    """One virtual host with one queue. A killed worker's items come back at once."""

    lease_seconds = 0.5
    shares_every_item = True
    rests_aside = True
    free_losses = 1
    queue_type = "classic"
    settling_seconds = 0.0

    def __init__(self, server: RabbitMQServer, stack: ExitStack) -> None:
        self.server = server
        self.vhost = f"worker {next(_numbers)}"
        self.source = RabbitMQSource(queue=QUEUE)
        self.heartbeat_seconds = 60
        self.place: Place = stack.enter_context(closing(Here()))
        server.add_vhost(self.vhost)
        stack.callback(server.api, "DELETE", "vhosts", self.vhost)
        self.declare(QUEUE, self.queue_type)
        self.declare(DEAD, "classic")
        self._producer = self.open_connection()
        stack.callback(self._close_producer)
        self.channel = self._producer.channel()
        self.channel.confirm_delivery()

    def settings(self) -> RabbitMQConnection:
        return RabbitMQConnection(
            host=self.server.host,
            port=self.server.ports.amqp,
            virtual_host=self.vhost,
            username=ADMIN[0],
            password=ADMIN[1],
        )

    def connect(
        self,
        *,
        retry: RetrySettings | None = None,
        prefetch: int = 1,
        pod: str = "pod-1",
        settings: RabbitMQConnection | None = None,
    ) -> Broker:
        return self.place.open(
            open_broker,
            settings or self.settings(),
            self.source,
            retry=retry or RetrySettings(dead_letter=DEAD),
            run="",
            pod=pod,
            prefetch=prefetch,
            heartbeat_seconds=self.heartbeat_seconds,
        )

    def make_room(self, workers: int) -> None:
        pass

    def produce(self, *bodies: bytes, **properties: Any) -> None:
        for body in bodies:
            told = pika.BasicProperties(delivery_mode=PERSISTENT, **properties)
            self.channel.basic_publish("", QUEUE, body, told)

    def kill(self, broker: Broker) -> None:
        self.place.cut(broker)

    def count_left(self) -> int:
        # Confirmed is not yet counted in a quorum queue's totals.
        time.sleep(self.settling_seconds)
        return sum(
            found.get("messages", 0)
            for found in self.queues("name,messages")
            if found["name"] not in {DEAD, boot_id_queue(QUEUE)}
        )

    def dead_letters(self) -> Sequence[DeadLetter]:
        return [
            DeadLetter(
                body=body,
                reason=properties.headers[f"{DEAD_LETTER_PREFIX}reason"],
                attempts=properties.headers[f"{DEAD_LETTER_PREFIX}attempts"],
                time=properties.headers[f"{DEAD_LETTER_PREFIX}time"],
                pod=properties.headers[f"{DEAD_LETTER_PREFIX}pod"],
            )
            for properties, body in self.peek(DEAD)
        ]

    def declare(self, queue: str, queue_type: str = "classic", **arguments: Any) -> None:
        body = {
            "durable": True,
            "auto_delete": False,
            "arguments": {"x-queue-type": queue_type, **arguments},
        }
        self.server.api("PUT", "queues", self.vhost, queue, body=body)

    def peek(self, queue: str) -> list[tuple[Any, bytes]]:
        """Return what is ready in a queue, with its properties; it stays there."""
        connection = self.open_connection()
        channel = connection.channel()
        found = []
        while (got := channel.basic_get(queue))[0] is not None:
            found.append((got[1], got[2]))
        connection.close()
        return found

    def queues(self, columns: str) -> list[dict[str, Any]]:
        """Return the totals of the virtual host's queues."""
        found: list[dict[str, Any]] = self.server.api_totals(self.vhost, columns)
        return found

    def open_connection(self) -> Any:
        settings = self.settings()
        return pika.BlockingConnection(
            pika.ConnectionParameters(
                settings.host, settings.port, self.vhost, pika.PlainCredentials(*ADMIN)
            )
        )

    def _close_producer(self) -> None:
        # It may not have outlived its server.
        with suppress(pika.exceptions.AMQPError):
            self._producer.close()


class ClassicBench(RabbitMQWorkerBench):
    pass


class QuorumBench(RabbitMQWorkerBench):
    queue_type = "quorum"
    settling_seconds = 1.2 * QUORUM_TICK_SECONDS
