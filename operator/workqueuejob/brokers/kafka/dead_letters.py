"""Sends dead letters: the item as it was, with headers that say what became of it.

Certain when `send` returns: every replica in sync has it. A letter may come twice, where its
worker died before the item was committed.
"""

from datetime import UTC, datetime
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from workqueuejob.brokers.broker import Delivery
from workqueuejob.brokers.immortality import keep_for_ever
from workqueuejob.brokers.kafka import codes
from workqueuejob.brokers.kafka.client import Heard, build_client_settings
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
LARGEST_BYTES = 1_000_000_000
"""The topic decides what is too large, and not the client."""

TOO_LARGE = (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG_SIZE)


class DeadLetterSender:
    """A producer for one topic; connects with the first letter. pod: who sends."""

    def __init__(self, subject: Subject, *, client_id: str, pod: str) -> None:
        self._subject = subject
        self._pod = pod
        self._client_id = client_id
        self._heard = Heard()
        self._producer: Producer | None = None

    def send(self, delivery: Delivery, message: Message, *, reason: str) -> None:
        """Send one; raise DeadLetterTargetMissing, BrokerUnavailable, or AuthorizationFailed."""
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
        # Never compared: the client's errors can't be, with None.
        told = outcome[0] if outcome else KafkaError(codes.TIMED_OUT)
        if told is not None:
            self.close()
            raise self._explain(told, delivery)

    def close(self) -> None:
        """Drop what was not sent, and disconnect."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.purge()

    def abandon(self) -> None:
        """In a forked child: never free the producer."""
        if self._producer is not None:
            keep_for_ever(self._producer)

    def _open(self) -> Producer:
        settings: dict[str, Any] = {
            **build_client_settings(
                self._subject.connection, self._heard, client_id=self._client_id
            ),
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 0,
            "delivery.timeout.ms": DELIVERY_TIMEOUT_MS,
            "message.max.bytes": LARGEST_BYTES,
        }
        return Producer(settings)

    def _build_headers(
        self, delivery: Delivery, message: Message, reason: str
    ) -> list[tuple[str, bytes | str | None]]:
        said = {
            "wqj-reason": reason,
            "wqj-attempts": str(delivery.attempt),
            "wqj-time": datetime.now(UTC).isoformat(timespec="seconds"),
            "wqj-pod": self._pod,
            "wqj-source": delivery.id,
        }
        found: Any = message.headers() or []
        kept = [(name, value) for name, value in found if name not in said]
        return [*kept, *((name, text.encode()) for name, text in said.items())]

    def _explain(self, error: KafkaError, delivery: Delivery) -> Exception:
        if error.code() in TOO_LARGE:
            return DeadLetterTargetMissing(
                f"topic {self._subject.topic!r} on {self._subject.address} takes no item of"
                f" {len(delivery.body)} bytes; raise its max.message.bytes"
            )
        failure = translate(error, self._subject, self._heard)
        if isinstance(failure, ConnectionFailed | MeasurementUnreliable):
            return BrokerUnavailable(str(failure))
        return failure
