"""What a chaos run has seen, as values: what was sent, worked on, broken, and became of it. Pure.

Times are seconds of the epoch, all by the clock of one machine.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

POISON = "-poison"
"""Ends the name of an item whose work always fails: it belongs among the dead letters."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker that was alive, by its queue and its pod."""

    queue: str
    pod: str


@dataclass(frozen=True, slots=True)
class Injection:
    """A fault that has happened.

    victim: the pod or the component.
    reached: the workers alive at that moment whose deliveries it may cost: the worker itself, or
        all of a broker; nobody where a fault must cost no delivery.
    """

    kind: str
    target: str
    victim: str
    began: float
    ended: float
    reached: tuple[Worker, ...] = ()


@dataclass(frozen=True, slots=True)
class Work:
    """One time that a worker's command was given an item; done is None if it did not finish."""

    queue: str
    pod: str
    item: str
    begun: float
    done: float | None


@dataclass(frozen=True, slots=True)
class Wave:
    """A Job as it was seen, by its UID."""

    uid: str
    queue: str
    number: int


@dataclass(frozen=True, slots=True)
class Sent:
    """What a producer has written.

    confirmed: what the broker has confirmed.
    unconfirmed: what may or may not be in the queue; never written again.
    ended: when the producer was through.
    """

    confirmed: frozenset[str]
    unconfirmed: frozenset[str]
    ended: float

    @property
    def has_poison(self) -> bool:
        """Whether there are items that can't succeed."""
        return any(item.endswith(POISON) for item in self.confirmed)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a queue and of its WorkQueueJob, whose names are the same.

    condition: such as "Complete/Drained"; empty if it did not end.
    left: how many items are still in the queue. dead: the items among the dead letters.
    succeeded, dead_lettered: by its status, if that says so; counted: whether it calls them exact.
    ended: when it was seen to have ended.
    """

    condition: str
    left: int
    dead: tuple[str, ...]
    succeeded: int | None
    dead_lettered: int | None
    counted: bool
    ended: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """All of a run, by queue."""

    seed: int
    scheduled: int
    began: float
    injections: tuple[Injection, ...]
    sent: dict[str, Sent]
    work: tuple[Work, ...]
    waves: tuple[Wave, ...]
    outcomes: dict[str, Outcome]


def parse_ledger(queue: str, pod: str, lines: Iterable[str]) -> Iterator[Work]:
    """Yield what a worker's ledger says: `begin ITEM TIME`, and `done ITEM TIME` if it came so far.

    Raises ValueError for any other line.
    """
    begun: tuple[str, float] | None = None
    for line in lines:
        word, item, time = line.split()
        if word == "begin":
            if begun is not None:
                yield Work(queue, pod, *begun, None)
            begun = (item, float(time))
        elif word == "done" and begun is not None and begun[0] == item:
            yield Work(queue, pod, *begun, float(time))
            begun = None
        else:
            raise ValueError(f"{pod}: {line!r} does not follow from what is before it")
    if begun is not None:
        yield Work(queue, pod, *begun, None)
