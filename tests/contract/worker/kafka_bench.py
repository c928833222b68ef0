"""Kafka topics under the worker's contract, with sessions of a second."""

import itertools
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import NewPartitions, NewTopic, OffsetSpec

from dev.servers.kafka import KafkaServer
from tests.contract.worker.bench import DeadLetter, Whole
from tests.contract.worker.places import Here, Place
from workqueuejob.brokers.broker import Delivery
from workqueuejob.brokers.envelope import Envelope
from workqueuejob.brokers.kafka.broker import KafkaBroker, open_broker
from workqueuejob.brokers.kafka.settings import KafkaConnection, KafkaSource
from workqueuejob.contract.retry import RetrySettings

ODD_HEADERS: list[tuple[str, str | bytes | None]] = [
    ("trace", b"1"),
    ("Content-Type", b"image/png"),
    ("trace", b"2"),
    ("null", None),
    ("empty", b""),
    ("caf\u00e9 \x7f", b"\0\xff"),
    ("", b"no name"),
]
ODD_TIME_MS = 1_796_050_220_891
LARGE = {"max.message.bytes": str(4 << 20)}

_numbers = itertools.count(1)


class KafkaBench:
    """A topic of one partition, for only within a partition items have an order."""

    lease_seconds = 1.0
    shares_every_item = False
    rests_aside = False
    free_losses = 0

    def __init__(self, server: KafkaServer, stack: ExitStack) -> None:
        self.server = server
        self.place: Place = stack.enter_context(closing(Here()))
        self.topic = f"work.{next(_numbers)}"
        self.source = KafkaSource(
            bootstrap_servers=(server.bootstrap,),
            topic=self.topic,
            consumer_group=f"workers/{self.topic}",
            session_timeout_seconds=self.lease_seconds,
        )
        self.connection = KafkaConnection((server.bootstrap,))
        self.admin = server.admin()
        self._stack = stack
        self._partitions = 1
        self._sent = itertools.count()
        self._producer = self._open_producer()
        self.create_topic(self.topic)
        self.create_topic(self.dead_letter)

    @property
    def dead_letter(self) -> str:
        return f"{self.topic}.dead"

    def create_topic(self, name: str, partitions: int = 1, **configuration: str) -> None:
        config = {**LARGE, **{key.replace("_", "."): one for key, one in configuration.items()}}
        found = self.admin.create_topics([NewTopic(name, partitions, 1, config=config)])
        found[name].result(10)
        self._await_partitions(name, partitions)

    def make_room(self, workers: int) -> None:
        if workers > self._partitions:
            self.admin.create_partitions([NewPartitions(self.topic, workers)])[self.topic].result(9)
            self._partitions = workers
            self._await_partitions(self.topic, workers)
            # One that knows of them.
            self._producer = self._open_producer()

    def connect(
        self,
        *,
        retry: RetrySettings | None = None,
        prefetch: int = 1,
        pod: str = "pod-1",
        run: str = "",
        **source: Any,
    ) -> KafkaBroker:
        return self.place.open(
            open_broker,
            self.connection,
            replace(self.source, **source),
            retry=retry or RetrySettings(dead_letter=self.dead_letter),
            run=run,
            pod=pod,
            prefetch=prefetch,
        )

    def produce(self, *bodies: bytes) -> None:
        for body in bodies:
            self._producer.produce(self.topic, body, partition=next(self._sent) % self._partitions)
        assert self._producer.flush(10) == 0

    def produce_ahead(self, body: bytes) -> None:
        self.produce(body)

    def produce_whole(self) -> Whole:
        """Add a tombstone with an empty key."""
        sent: list[Any] = []
        self._producer.produce(
            self.topic,
            None,
            b"",
            partition=0,
            headers=ODD_HEADERS,
            timestamp=ODD_TIME_MS,
            on_delivery=lambda _, message: sent.append(message),
        )
        assert self._producer.flush(10) == 0
        envelope = Envelope(
            headers=dict(ODD_HEADERS),
            properties={
                "topic": self.topic,
                "partition": 0,
                "offset": sent[0].offset(),
                "timestamp": ODD_TIME_MS,
                "timestamp_type": "CreateTime",
                "headers": tuple(ODD_HEADERS),
            },
            key=b"",
            content_type="image/png",
            enqueued_at=datetime(2026, 11, 30, 14, 50, 20, 891_000, UTC),
            is_tombstone=True,
        )
        return Whole((b"", None, ODD_HEADERS, ODD_TIME_MS), envelope)

    def read_raw(self, delivery: Delivery) -> Any:
        record = delivery.handle.message
        return record.key(), record.value(), record.headers(), record.timestamp()[1]

    def read_raw_letter(self) -> Any:
        (letter,) = self.read(self.dead_letter)
        kept = [pair for pair in letter.headers() if not pair[0].startswith("wqj-")]
        time_ms = int(dict(letter.headers())["wqj-source-timestamp"])
        return letter.key(), letter.value(), kept, time_ms

    def open_transaction(self, *bodies: bytes) -> Producer:
        """Send items in a transaction, which the producer that is returned ends."""
        producer = self._transactional
        producer.begin_transaction()
        for body in bodies:
            producer.produce(self.topic, body)
        producer.flush(10)
        return producer

    @cached_property
    def _transactional(self) -> Producer:
        settings = {"bootstrap.servers": self.server.bootstrap, "transactional.id": self.topic}
        producer = Producer(settings)
        producer.init_transactions(10)
        return producer

    def _await_partitions(self, topic: str, count: int) -> None:
        """Wait until the node tells of them, too: who joins before never hears of them."""
        deadline = time.monotonic() + 10
        found = 0
        while found < count and time.monotonic() < deadline:
            found = len(self.admin.list_topics(topic, timeout=5).topics[topic].partitions)
        assert found == count

    def await_end(self, offset: int) -> None:
        """Wait until the only partition ends there: the markers of transactions come late."""
        deadline = time.monotonic() + 10
        while self.ends() != [offset] and time.monotonic() < deadline:
            time.sleep(0.05)
        assert self.ends() == [offset]

    def _open_producer(self) -> Producer:
        settings: dict[str, Any] = {"message.max.bytes": 4 << 20, "linger.ms": 0}
        return Producer({"bootstrap.servers": self.server.bootstrap, **settings})

    def kill(self, broker: KafkaBroker) -> None:
        self.place.cut(broker)

    def committed(self) -> list[TopicPartition]:
        every = [TopicPartition(self.topic, number) for number in range(self._partitions)]
        asked = ConsumerGroupTopicPartitions(self.source.consumer_group, every)
        (found,) = self.admin.list_consumer_group_offsets([asked]).values()
        return list(found.result(10).topic_partitions)

    def ends(self) -> list[int]:
        asked = {
            TopicPartition(self.topic, number): OffsetSpec.latest()
            for number in range(self._partitions)
        }
        found = self.admin.list_offsets(asked, isolation_level=IsolationLevel.READ_COMMITTED)
        return [one.result(10).offset for one in found.values()]

    def count_left(self) -> int:
        pairs = zip(self.ends(), self.committed(), strict=True)
        return sum(end - max(one.offset, 0) for end, one in pairs)

    def delete_before(self, offset: int) -> None:
        """Remove the beginning of the first partition, as retention does."""
        before = TopicPartition(self.topic, 0, offset)
        self.admin.delete_records([before])[before].result(10)

    def describe_group(self) -> list[tuple[str, list[int]]]:
        """Return each member's id and partitions; ids change when members leave and come back."""
        group = self.source.consumer_group
        found = self.admin.describe_consumer_groups([group])[group].result(10)
        return sorted(
            (one.member_id, sorted(p.partition for p in one.assignment.topic_partitions))
            for one in found.members
        )

    def dead_letters(self) -> Sequence[DeadLetter]:
        return [_read(message) for message in self.read(self.dead_letter)]

    def read(self, topic: str) -> list[Any]:
        """Return all messages of the only partition of a topic."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.server.bootstrap,
                "group.id": "reader",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
            }
        )
        consumer.assign([TopicPartition(topic, 0, 0)])
        found, deadline = [], time.monotonic() + 10
        while time.monotonic() < deadline:
            message = consumer.poll(1)
            if message is not None and message.error() is not None:
                break
            if message is not None:
                found.append(message)
        consumer.close()
        return found


def _read(message: Any) -> DeadLetter:
    headers = dict(message.headers())
    return DeadLetter(
        body=message.value(),
        reason=headers["wqj-reason"].decode(),
        attempts=int(headers["wqj-attempts"]),
        time=headers["wqj-time"].decode(),
        pod=headers["wqj-pod"].decode(),
    )
