"""A request to Kafka, made in a pod: its JSON comes on stdin, and the answer's goes to stdout.

Runs there as it is, with nothing but the client library.
"""

import json
import sys
import time
from contextlib import suppress
from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

PATIENCE_SECONDS = 20.0
NODE: dict[str, str | int | float | bool] = {"bootstrap.servers": "kafka:9092", "log_level": 0}


def create_topic(topic: str, partitions: int, settings: dict[str, str]) -> None:
    """Create a topic, and wait until all of its partitions are known."""
    admin = AdminClient(NODE)
    admin.create_topics([NewTopic(topic, partitions, 1, config=settings)])[topic].result()
    while len(_list_partitions(admin, topic)) < partitions:
        time.sleep(0.05)


def delete(prefix: str) -> None:
    """Delete the topics and groups whose names begin so, but for groups that have members."""
    admin = AdminClient(NODE)
    topics = admin.list_topics(timeout=PATIENCE_SECONDS).topics
    groups = admin.list_consumer_groups().result().valid
    named = [one.group_id for one in groups]
    for remove, names in (
        (admin.delete_topics, topics),
        (admin.delete_consumer_groups, named),
    ):
        found = [name for name in names if name.startswith(prefix)]
        for one in remove(found).values() if found else ():
            with suppress(KafkaException):
                one.result()


def produce(topic: str, records: list[tuple[str, str]]) -> None:
    """Write records of key and value, each confirmed."""
    _write(Producer({**NODE, "enable.idempotence": True}), topic, records)


def produce_in_transactions(
    topic: str, transactions: list[tuple[bool, list[tuple[str, str]]]]
) -> None:
    """Write a transaction each, which is committed if so told, and else aborted."""
    producer = Producer({**NODE, "transactional.id": topic})
    producer.init_transactions(PATIENCE_SECONDS)
    for is_committed, records in transactions:
        producer.begin_transaction()
        _write(producer, topic, records)
        end = producer.commit_transaction if is_committed else producer.abort_transaction
        end(PATIENCE_SECONDS)


def read_positions(topic: str, group: str) -> list[tuple[int, int]]:
    """Return each partition's committed offset and end; what was never committed is -1001."""
    consumer = Consumer({**NODE, "group.id": group, "isolation.level": "read_committed"})
    numbers = _list_partitions(consumer, topic)
    asked = [TopicPartition(topic, number) for number in numbers]
    committed = consumer.committed(asked, timeout=PATIENCE_SECONDS)
    ends = [consumer.get_watermark_offsets(one, timeout=PATIENCE_SECONDS)[1] for one in asked]
    return [(one.offset, end) for one, end in zip(committed, ends, strict=True)]


def read(topic: str) -> list[tuple[int, int, str, str]]:
    """Return partition, offset, key and value of what is there, until nothing follows."""
    consumer = Consumer(
        {
            **NODE,
            "group.id": "reader",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        }
    )
    numbers = _list_partitions(consumer, topic)
    consumer.assign([TopicPartition(topic, number, 0) for number in numbers])
    found: list[tuple[int, int, str, str]] = []
    ended: set[int] = set()
    while len(ended) < len(numbers):
        message = consumer.poll(PATIENCE_SECONDS)
        if message is None:
            raise SystemExit("nothing was heard of the topic")
        partition, offset = message.partition() or 0, message.offset() or 0
        if message.error() is not None:
            ended.add(partition)
            continue
        key, value = message.key() or b"", message.value() or b""
        found.append((partition, offset, key.decode(), value.decode()))
    return found


def _list_partitions(client: Any, topic: str) -> list[int]:
    return sorted(client.list_topics(topic, timeout=PATIENCE_SECONDS).topics[topic].partitions)


def _write(producer: Any, topic: str, records: list[tuple[str, str]]) -> None:
    errors: list[Any] = []
    for key, value in records:
        producer.produce(
            topic, value, key, on_delivery=lambda error, _message: errors.append(error)
        )
    producer.flush(PATIENCE_SECONDS)
    if errors != [None] * len(records):
        raise SystemExit(f"not delivered: {[error for error in errors if error] or 'in time'}")


VERBS = (create_topic, delete, produce, produce_in_transactions, read, read_positions)


if __name__ == "__main__":
    request = json.load(sys.stdin)
    verb = {one.__name__: one for one in VERBS}[request.pop("verb")]
    json.dump(verb(**request), sys.stdout)
