"""What the worker's contract suite needs of a broker, besides the worker's own side of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tests.contract.worker.places import Place
from workqueuejob.brokers.broker import Broker, Delivery
from workqueuejob.brokers.envelope import Envelope
from workqueuejob.contract.retry import RetrySettings


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead-lettered item as a person would find it."""

    body: bytes
    reason: str
    attempts: int
    time: str
    pod: str


@dataclass(frozen=True, slots=True)
class Whole:
    """An item as it was produced.

    raw: byte for byte, and without what workers add later.
    envelope: what a worker must read from it.
    """

    raw: Any
    envelope: Envelope


class Bench(Protocol):
    """One empty queue of one kind at one broker, fresh for each test.

    lease_seconds: how long after a worker's death its item comes back at the latest.
    shares_every_item: whether any worker gets any item, and not only its own share of them.
    rests_aside: whether items pass one that rests until its next attempt.
    free_losses: how many losses of an item cost it no attempt, because the broker can't tell them
        them from a death of its own.
    place: where workers' connections are opened.
    """

    lease_seconds: float
    shares_every_item: bool
    rests_aside: bool
    free_losses: int
    place: Place

    def make_room(self, workers: int) -> None:
        """Let so many workers hold an item each; before anything is produced."""
        ...

    def connect(
        self, *, retry: RetrySettings | None = None, prefetch: int = 1, pod: str = "pod-1"
    ) -> Broker:
        """Return a worker's connection; retry unset: three attempts, dead-lettering."""
        ...

    def produce(self, *bodies: bytes) -> None:
        """Add items as a plain producer does."""
        ...

    def produce_ahead(self, body: bytes) -> None:
        """Add an item that is delivered before a whole one that is added later."""
        ...

    def produce_whole(self) -> Whole:
        """Add an item that has all that a producer can give it here.

        Its headers have the oddest types and names that the broker takes.
        """
        ...

    def read_raw(self, delivery: Delivery) -> Any:
        """Return an item like `Whole.raw`; it was taken in this process."""
        ...

    def read_raw_letter(self) -> Any:
        """Return the only dead letter like `Whole.raw`."""
        ...

    def kill(self, broker: Broker) -> None:
        """Let a worker vanish as SIGKILL does: nothing is given back or closed well."""
        ...

    def count_left(self) -> int:
        """Return the items that are ready, delayed or held."""
        ...

    def dead_letters(self) -> Sequence[DeadLetter]:
        """Return what is in the dead-letter target, oldest first."""
        ...
