"""A classic or a quorum queue of a real RabbitMQ under the worker's contract."""

import itertools
import struct
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pika

from dev.servers.rabbitmq import ADMIN, RabbitMQServer
from dev.servers.rabbitmq_configuration import QUORUM_TICK_SECONDS
from tests.contract.worker.bench import DeadLetter, Whole
from tests.contract.worker.places import Here, Place
from workqueuejob.brokers.broker import Broker, Delivery
from workqueuejob.brokers.envelope import Envelope
from workqueuejob.brokers.rabbitmq.broker import open_broker
from workqueuejob.brokers.rabbitmq.names import DEAD_LETTER_PREFIX, boot_id_queue
from workqueuejob.brokers.rabbitmq.properties import Properties, read_properties
from workqueuejob.brokers.rabbitmq.settings import RabbitMQConnection, RabbitMQSource
from workqueuejob.brokers.rabbitmq.tables import Table, encode_field, join_array
from workqueuejob.contract.retry import RetrySettings

QUEUE = "job/1"
DEAD = "job/1 dead"
PERSISTENT = 2
OWN_PREFIXES = (
    b"x-wqj-",
    b"x-death",
    b"x-first-death-",
    b"x-last-death-",
    b"x-delivery-count",
    b"x-acquired-count",
)

ODD_PROPERTIES = {
    "content_type": "image/png",
    "content_encoding": b"\xff\0",
    "delivery_mode": PERSISTENT,
    "priority": 255,
    "correlation_id": "c-1",
    "reply_to": "",
    "message_id": "m-1",
    "timestamp": 1_796_050_220,
    "type": "fruit",
    "app_id": "caf\u00e9",
}
ODD_HEADERS = {
    "text": (encode_field("t-1"), "t-1"),
    "bytes": (b"x\0\0\0\x02\0\xff", b"\0\xff"),
    "no utf-8": (b"S\0\0\0\x01\xff", b"\xff"),
    "time": (b"T" + struct.pack(">Q", 1_796_050_220_891), 1_796_050_220_891),
    "decimal": (b"D\x02" + struct.pack(">i", -1234), Decimal("-12.34")),
    "short": (b"s" + struct.pack(">h", -2), -2),
    "single": (b"f" + struct.pack(">f", 0.75), 0.75),
    "void": (b"V", None),
    "no": (b"t\0", False),
    "empty": (b"S\0\0\0\0", ""),
    "table": (encode_field({"a": {"b": [1, "c"]}}), {"a": {"b": [1, "c"]}}),
    "array": (join_array([b"V", b"t\x01", b"b\xff"]), [None, True, -1]),
    "": (encode_field("no name"), "no name"),
}
"""Headers as the broker gets them, and what they mean. pika would write some of them in another
way."""

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

    def produce_ahead(self, body: bytes) -> None:
        # A quorum queue of RabbitMQ 4 delivers by priority.
        self.produce(body, priority=ODD_PROPERTIES["priority"])

    def produce_whole(self) -> Whole:
        table = Table().with_fields({name: field for name, (field, _) in ODD_HEADERS.items()})
        encoded = b"".join(pika.BasicProperties(**ODD_PROPERTIES).encode())
        properties = read_properties(encoded).replace(
            headers=table, without=(), delivery_mode=PERSISTENT
        )
        self.channel.basic_publish("", QUEUE, b"apple", properties)
        envelope = Envelope(
            headers={name: value for name, (_, value) in ODD_HEADERS.items()},
            properties=ODD_PROPERTIES,
            content_type="image/png",
            enqueued_at=datetime(2026, 11, 30, 14, 50, 20, tzinfo=UTC),
        )
        return Whole(_read(b"apple", properties), envelope)

    def read_raw(self, delivery: Delivery) -> Any:
        return _read(delivery.body, delivery.handle.properties)

    def read_raw_letter(self) -> Any:
        source, self.source = self.source, replace(self.source, queue=DEAD)
        place, self.place = self.place, Here()
        with closing(self.place), closing(self.connect()) as letters:
            letter = letters.take(timeout_seconds=10)
        self.source, self.place = source, place
        assert letter is not None
        return self.read_raw(letter)

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


def _read(body: bytes, properties: Properties) -> Any:
    """Return a message byte for byte, without the headers of workers and of the broker."""
    headers = properties.headers
    # RabbitMQ sorts the headers of a message that expires in a queue.
    fields = sorted(pair for pair in headers.fields if not pair[0].startswith(OWN_PREFIXES))
    bare = properties.replace(headers=Table(), without=(), delivery_mode=PERSISTENT)
    return body, bare.encode(), fields, headers.rest
