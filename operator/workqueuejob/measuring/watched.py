"""A watched queue: its listeners, its latest measurement, and when to try again.

Calls listeners and the observer, and starts no thread.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from workqueuejob.brokers.depth import Measurement
from workqueuejob.errors import QueueError
from workqueuejob.measuring.backoff import MeterPace

OnMeasurement = Callable[[Measurement], None]

log = structlog.get_logger(__name__)


class MeterObserver(Protocol):
    """Counts what the meter does, for metrics; called from measuring threads."""

    def measured(self, measurement: Measurement, duration_seconds: float) -> None:
        """Count one measurement, which may have failed."""
        ...

    def connections_changed(self, difference: int) -> None:
        """Count a connection that was opened (+1) or closed (-1)."""
        ...


class SilentObserver:
    """Observes nothing."""

    def measured(self, measurement: Measurement, duration_seconds: float) -> None:
        """Ignore it."""

    def connections_changed(self, difference: int) -> None:
        """Ignore it."""


@dataclass(frozen=True, slots=True)
class Environment:
    """What measuring gets from outside: pace, observer and clock, which tests replace."""

    pace: MeterPace = field(default_factory=MeterPace)
    observer: MeterObserver = field(default_factory=SilentObserver)
    clock: Callable[[], float] = time.monotonic


@dataclass(eq=False, slots=True)
class Listener:
    """One watcher of a queue."""

    on_measurement: OnMeasurement
    wanting: bool = True
    """Whether it has requested a measurement that has not begun."""

    def notify(self, measurement: Measurement) -> None:
        """Call the watcher; if it raises, log that and go on."""
        try:
            self.on_measurement(measurement)
        except Exception:
            log.exception("a queue's watcher failed")


@dataclass(eq=False, slots=True)
class WatchedQueue:
    """A queue's listeners and its latest measurement."""

    listeners: list[Listener] = field(default_factory=list)
    latest: Measurement | None = None
    failures: int = 0
    """How many of its last measurements failed in a row."""

    due_at: float = 0.0
    """When a queue that could not be measured may be tried again, on the meter's clock."""

    def take_wanting(self) -> list[Listener]:
        """Return the listeners with a request, and note it as taken by the next measurement."""
        wanting = [listener for listener in self.listeners if listener.wanting]
        for listener in wanting:
            listener.wanting = False
        return wanting

    def publish(self, measurement: Measurement, answered: Iterable[Listener]) -> bool:
        """Keep the measurement, and return whether its result differs from the one before.

        If it differs, all listeners are called with it, and else those whose request it answers.
        """
        before, self.latest = self.latest, measurement
        changed = before is None or not same_result(before, measurement)
        for listener in list(self.listeners) if changed else answered:
            listener.notify(measurement)
        return changed


def same_result(before: Measurement, after: Measurement) -> bool:
    """Return whether two results are equal; errors are compared by reason and message."""
    old, new = before.result, after.result
    if isinstance(old, QueueError) and isinstance(new, QueueError):
        return (old.reason, str(old)) == (new.reason, str(new))
    return old == new
