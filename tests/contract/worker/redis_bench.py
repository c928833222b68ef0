"""Redis lists and streams under the worker's contract, with leases of a second."""

import base64
import itertools
import json
from collections.abc import Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from typing import Any

from dev.servers.redis import RedisServer
from tests.contract.worker.bench import DeadLetter, Whole
from tests.contract.worker.places import Here, Place
from workqueuejob.brokers.broker import Delivery
from workqueuejob.brokers.envelope import Envelope
from workqueuejob.brokers.redis.broker import RedisBroker, open_broker
from workqueuejob.brokers.redis.probe import connect as connect_probe
from workqueuejob.brokers.redis.reference import RedisReference
from workqueuejob.brokers.redis.settings import RedisSource
from workqueuejob.contract.dead_letters import dead_key
from workqueuejob.contract.retry import RetrySettings

ODD_ELEMENT = b"\0\xff{}\r\n"
ODD_FIELDS = {
    b"Content-Type": b"text/plain",
    b"caf\xe9\0": b"\0\xff",
    b"": b"",
    b"traceparent": b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
}
ODD_ID = "4102444800000-7"
"""Of the year 2100, because ids only grow."""

_numbers = itertools.count(1)


class RedisListBench:
    consumer_group: str | None = None
    lease_seconds = 1.0
    shares_every_item = True
    rests_aside = True
    free_losses = 0

    def __init__(self, server: RedisServer, stack: ExitStack) -> None:
        self.server = server
        self.place: Place = stack.enter_context(closing(Here()))
        self.key = f"work/{next(_numbers)}"
        self.source = RedisSource(
            key=self.key,
            consumer_group=self.consumer_group,
            lease_seconds=int(self.lease_seconds),
        )
        self.client = stack.enter_context(server.client())
        self.client.flushall()
        self.probe = connect_probe(server.connection)
        stack.callback(self.probe.close)

    def connect(
        self,
        *,
        retry: RetrySettings | None = None,
        prefetch: int = 1,
        pod: str = "pod-1",
        run: str = "",
    ) -> RedisBroker:
        return self.place.open(
            open_broker,
            self.server.connection,
            self.source,
            retry=retry or RetrySettings(dead_letter=dead_key(self.key)),
            run=run,
            pod=pod,
            prefetch=prefetch,
        )

    def reference(self, run: str = "") -> RedisReference:
        return RedisReference(
            self.key,
            consumer_group=self.consumer_group,
            dead_letter=dead_key(self.key),
            run=run,
            lease_seconds=self.lease_seconds,
        )

    def make_room(self, workers: int) -> None:
        pass

    def produce(self, *bodies: bytes) -> None:
        self.client.rpush(self.key, *bodies)

    def produce_ahead(self, body: bytes) -> None:
        self.produce(body)

    def produce_whole(self) -> Whole:
        self.client.rpush(self.key, ODD_ELEMENT)
        return Whole(ODD_ELEMENT, Envelope())

    def read_raw(self, delivery: Delivery) -> Any:
        return delivery.handle.entry

    def read_raw_letter(self) -> Any:
        (letter,) = self.dead_letters()
        return letter.body

    def kill(self, broker: RedisBroker) -> None:
        self.place.cut(broker)

    def count_left(self) -> int:
        depth = self.probe.measure(self.reference())
        return depth.ready + (depth.in_flight or 0) + depth.delayed

    def dead_letters(self) -> Sequence[DeadLetter]:
        found: Any = self.client.lrange(dead_key(self.key), 0, -1)
        return [_read(json.loads(one)) for one in found]


class RedisStreamBench(RedisListBench):
    consumer_group = "workers"

    def produce(self, *bodies: bytes) -> None:
        for body in bodies:
            self.client.xadd(self.key, {"fruit": body})

    def produce_whole(self) -> Whole:
        fields: Any = ODD_FIELDS
        self.client.xadd(self.key, fields, id=ODD_ID)
        headers = {
            "Content-Type": b"text/plain",
            "caf\\xe9\0": b"\0\xff",
            "": b"",
            "traceparent": ODD_FIELDS[b"traceparent"],
        }
        envelope = Envelope(
            headers=headers,
            properties={"id": ODD_ID, "fields": tuple(headers.items())},
            content_type="text/plain",
            enqueued_at=datetime(2100, 1, 1, tzinfo=UTC),
        )
        return Whole(_flatten(ODD_FIELDS), envelope)

    def read_raw_letter(self) -> Any:
        ((_, fields),) = self.client.xrange(dead_key(self.key))
        return _flatten({n: v for n, v in fields.items() if not n.startswith(b"wqj-")})

    def dead_letters(self) -> Sequence[DeadLetter]:
        found: Any = self.client.xrange(dead_key(self.key))
        return [
            DeadLetter(
                body=entry[b"fruit"],
                reason=entry[b"wqj-reason"].decode(),
                attempts=int(entry[b"wqj-attempts"]),
                time=entry[b"wqj-time"].decode(),
                pod=entry[b"wqj-pod"].decode(),
            )
            for _, entry in found
        ]


def _flatten(fields: dict[bytes, bytes]) -> list[bytes]:
    return [text for pair in fields.items() for text in pair]


def _read(said: dict[str, Any]) -> DeadLetter:
    text = said.get("item")
    return DeadLetter(
        body=base64.b64decode(said["itemBase64"]) if text is None else text.encode(),
        reason=said["reason"],
        attempts=said["attempts"],
        time=said["time"],
        pod=said["pod"],
    )
