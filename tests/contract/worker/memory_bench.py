"""A queue in memory under the worker's contract, with leases of a fraction of a second."""

from collections.abc import Sequence

from tests.contract.worker.bench import DeadLetter
from workqueuejob.brokers.broker import Broker
from workqueuejob.brokers.memory.broker import MemoryBroker, MemoryQueue
from workqueuejob.contract.retry import RetrySettings

DEAD_LETTER = "dead"


class MemoryBench:
    lease_seconds = 0.3
    shares_every_item = True
    rests_aside = True
    free_losses = 0

    def __init__(self) -> None:
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
