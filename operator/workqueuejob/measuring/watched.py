"""A watched queue: who wants to know of it, what they were last told, and when to try again."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from workqueuejob.brokers.depth import Measurement
from workqueuejob.errors import QueueError
from workqueuejob.measuring.backoff import Pace

OnMeasurement = Callable[[Measurement], None]

log = structlog.get_logger(__name__)


class MeterObserver(Protocol):
    """What a metrics layer may want to know; called from measuring threads."""

    def measured(self, measurement: Measurement, duration_seconds: float) -> None:
        """One queue was measured, or failed to be."""
        ...

    def connections_changed(self, difference: int) -> None:
        """A connection was opened (+1) or closed (-1)."""
        ...


class SilentObserver:
    """Observes nothing."""

    def measured(self, measurement: Measurement, duration_seconds: float) -> None:
        """Ignore it."""

    def connections_changed(self, difference: int) -> None:
        """Ignore it."""


@dataclass(frozen=True, slots=True)
class Environment:
    """What measuring gets from outside, so that tests can stand in for time."""

    pace: Pace = field(default_factory=Pace)
    observer: MeterObserver = field(default_factory=SilentObserver)
    clock: Callable[[], float] = time.monotonic


@dataclass(eq=False, slots=True)
class Listener:
    """One watcher of a queue; `wanting` while its request is not answered."""

    on_measurement: OnMeasurement
    wanting: bool = True

    def tell(self, measurement: Measurement) -> None:
        """Call the watcher; its failure is logged and stays its own."""
        try:
            self.on_measurement(measurement)
        except Exception:
            log.exception("a queue's watcher failed")


@dataclass(eq=False, slots=True)
class WatchedQueue:
    """A queue's watchers and its latest measurement; `due_at` is on the monotonic clock."""

    listeners: list[Listener] = field(default_factory=list)
    latest: Measurement | None = None
    failures: int = 0
    due_at: float = 0.0

    def take_wanting(self) -> list[Listener]:
        """Return the listeners with a request, which the next measurement answers."""
        wanting = [one for one in self.listeners if one.wanting]
        for one in wanting:
            one.wanting = False
        return wanting

    def publish(self, measurement: Measurement, answered: Iterable[Listener]) -> bool:
        """Keep it; tell everybody if the result is another one, else only who asked.

        Returns whether the result is another one.
        """
        before, self.latest = self.latest, measurement
        changed = before is None or not same_result(before, measurement)
        for one in list(self.listeners) if changed else answered:
            one.tell(measurement)
        return changed


def same_result(one: Measurement, other: Measurement) -> bool:
    """Whether two measurements say the same; errors are compared by reason and message."""
    if isinstance(one.result, QueueError) and isinstance(other.result, QueueError):
        return (one.result.reason, str(one.result)) == (other.result.reason, str(other.result))
    return one.result == other.result
