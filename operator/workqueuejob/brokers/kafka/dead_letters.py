"""Sends dead letters: the unchanged record, with headers that say why it was given up.

When `send` returns, every in-sync replica has the letter. A letter may be sent twice, where its
worker died before it committed the item's offset.
"""

from datetime import UTC, datetime
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from workqueuejob.brokers.broker import Delivery
from workqueuejob.brokers.immortality import keep_for_ever
from workqueuejob.brokers.kafka import codes
from workqueuejob.brokers.kafka.client import ReportedErrors, build_client_settings
from workqueuejob.brokers.kafka.envelope import read_headers
from workqueuejob.brokers.kafka.errors import read_error, translate
from workqueuejob.brokers.kafka.subject import Subject
from workqueuejob.errors import (
    BrokerUnavailable,
    ConnectionFailed,
    DeadLetterTargetMissing,
    MeasurementUnreliable,
)

DELIVERY_TIMEOUT_MS = 10_000
FLUSH_SECONDS = 15.0
MESSAGE_MAX_BYTES = 1_000_000_000
"""The largest value that librdkafka allows, because the topic decides what is too large."""

TOO_LARGE = (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG_SIZE)


class DeadLetterSender:
    """A producer for one topic, which connects with the first letter.

    pod: the name of the worker's pod, which stands in the headers.
    """

    def __init__(self, subject: Subject, *, client_id: str, pod: str) -> None:
        self._subject = subject
        self._pod = pod
        self._client_id = client_id
        self._reported = ReportedErrors()
        self._producer: Producer | None = None

    def send(self, delivery: Delivery, message: Message, *, reason: str) -> None:
        """Send a letter; raise DeadLetterTargetMissing, BrokerUnavailable or a QueueError."""
        outcome: list[KafkaError | None] = []
        try:
            producer = self._producer = self._producer or self._open()
            producer.produce(
                self._subject.topic,
                message.value(),
                message.key(),
                headers=self._build_headers(delivery, message, reason),
                on_delivery=lambda error, _message: outcome.append(error),
            )
            producer.flush(FLUSH_SECONDS)
        except KafkaException as error:
            outcome = [read_error(error)]
        # `is not None`, because a KafkaError can't be compared with None.
        failure = outcome[0] if outcome else KafkaError(codes.TIMED_OUT)
        if failure is not None:
            self.close()
            raise self._explain(failure, delivery)

    def close(self) -> None:
        """Drop letters that were not sent, and disconnect."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.purge()

    def abandon(self) -> None:
        """In a forked child: keep the producer from being freed."""
        if self._producer is not None:
            keep_for_ever(self._producer)

    def _open(self) -> Producer:
        settings: dict[str, Any] = {
            **build_client_settings(
                self._subject.connection, self._reported, client_id=self._client_id
            ),
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 0,
            "delivery.timeout.ms": DELIVERY_TIMEOUT_MS,
            "message.max.bytes": MESSAGE_MAX_BYTES,
        }
        return Producer(settings)

    def _build_headers(
        self, delivery: Delivery, message: Message, reason: str
    ) -> list[tuple[str, bytes | str | None]]:
        headers = read_headers(message)
        added = {
            "wqj-reason": reason,
            "wqj-attempts": str(delivery.attempt),
            "wqj-time": datetime.now(UTC).isoformat(timespec="seconds"),
            "wqj-pod": self._pod,
            "wqj-source": delivery.id,
            # The letter has a time of its own, or retention would delete that of an old record.
            "wqj-source-timestamp": str(message.timestamp()[1]),
        }
        if headers is None:
            added["wqj-left-out"] = "headers, because a name is not UTF-8"
        kept = [(name, value) for name, value in headers or [] if name not in added]
        return [*kept, *((name, text.encode()) for name, text in added.items())]

    def _explain(self, error: KafkaError, delivery: Delivery) -> Exception:
        if error.code() in TOO_LARGE:
            return DeadLetterTargetMissing(
                f"topic {self._subject.topic!r} on {self._subject.address} takes no item of"
                f" {len(delivery.body)} bytes; raise its max.message.bytes"
            )
        failure = translate(error, self._subject, self._reported)
        if isinstance(failure, ConnectionFailed | MeasurementUnreliable):
            return BrokerUnavailable(str(failure))
        return failure
