"""A queue in memory under the worker's contract, with leases of a fraction of a second."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from tests.contract.worker.bench import DeadLetter, Whole
from tests.contract.worker.places import Here, Place
from workqueuejob.brokers.broker import Broker, Delivery
from workqueuejob.brokers.envelope import Envelope
from workqueuejob.brokers.memory.broker import MemoryBroker, MemoryQueue
from workqueuejob.contract.retry import RetrySettings

DEAD_LETTER = "dead"
WHOLE = Envelope(
    headers={"trace": "t-1", "nested": {"a": [1, b"\0\xff"]}},
    properties={"priority": 3},
    key=b"",
    content_type="image/png",
    enqueued_at=datetime(2026, 11, 30, tzinfo=UTC),
    is_tombstone=True,
)


class MemoryBench:
    lease_seconds = 0.3
    shares_every_item = True
    rests_aside = True
    free_losses = 0

    def __init__(self) -> None:
        self.place: Place = Here()
        self.queue = MemoryQueue(lease_seconds=self.lease_seconds)

    def connect(
        self, *, retry: RetrySettings | None = None, prefetch: int = 1, pod: str = "pod-1"
    ) -> Broker:
        settings = retry or RetrySettings(dead_letter=DEAD_LETTER)
        return MemoryBroker(self.queue, retry=settings, prefetch=prefetch, pod=pod)

    def make_room(self, workers: int) -> None:
        pass

    def produce(self, *bodies: bytes) -> None:
        self.queue.put(*bodies)

    def produce_ahead(self, body: bytes) -> None:
        self.produce(body)

    def produce_whole(self) -> Whole:
        self.queue.put(b"", envelope=WHOLE)
        return Whole((b"", WHOLE), WHOLE)

    def read_raw(self, delivery: Delivery) -> Any:
        return delivery.body, delivery.read_envelope()

    def read_raw_letter(self) -> Any:
        (letter,) = self.queue.dead_letters
        return letter.body, letter.envelope

    def kill(self, broker: Broker) -> None:
        assert isinstance(broker, MemoryBroker)
        broker.cut()

    def count_left(self) -> int:
        return self.queue.count_left()

    def dead_letters(self) -> Sequence[DeadLetter]:
        return [
            DeadLetter(
                body=dead.body,
                reason=dead.reason,
                attempts=dead.attempts,
                time=dead.time,
                pod=dead.pod,
            )
            for dead in self.queue.dead_letters
        ]
