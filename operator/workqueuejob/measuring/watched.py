"""A watched queue: its listeners, its latest measurement, and when to try again.

Calls listeners and the observer, and starts no thread.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from workqueuejob.brokers.depth import Measurement, QueueDepth
from workqueuejob.errors import QueueError
from workqueuejob.measuring.backoff import MeterPace
from workqueuejob.measuring.turns import Kind

OnMeasurement = Callable[[Measurement], None]

log = structlog.get_logger(__name__)


class MeterObserver(Protocol):
    """Counts what the meter does, for metrics; called from the measuring thread."""

    def measured(self, measurement: Measurement, duration_seconds: float) -> None:
        """Count one measurement, which may have failed."""
        ...

    def connections_changed(self, difference: int) -> None:
        """Count a connection that was opened (+1) or closed (-1)."""
        ...

    def interval_changed(self, *, at_work: float, idle: float) -> None:
        """Take in the longest intervals in force, in seconds: of runs at work, and of idle runs."""
        ...


class SilentObserver:
    """Observes nothing."""

    def measured(self, measurement: Measurement, duration_seconds: float) -> None:
        """Ignore it."""

    def connections_changed(self, difference: int) -> None:
        """Ignore it."""

    def interval_changed(self, *, at_work: float, idle: float) -> None:
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

    is_idle: bool = False
    """Whether it waits for nothing but new items."""

    def notify(self, measurement: Measurement) -> None:
        """Call the watcher; if it raises, log that and go on."""
        try:
            self.on_measurement(measurement)
        except Exception:
            log.exception("a queue's watcher failed")


@dataclass(eq=False, slots=True)
class WatchedQueue:
    """A queue's listeners, its latest measurement, and what decides when it is asked again."""

    listeners: list[Listener] = field(default_factory=list)
    latest: Measurement | None = None
    failures: int = 0
    """How many of its last measurements failed in a row."""

    hangs: int = 0
    """How many of those kept the broker busy for so long that it is in quarantine."""

    is_asked: bool = False
    """Whether a question is on its way."""

    number: int = 0
    """Of its valid entry in the agenda."""

    asked_at: float = float("-inf")
    """When its latest question was asked, on the meter's clock."""

    earliest: float = float("-inf")
    """When it may be asked again because of a request."""

    _answering: list[Listener] = field(default_factory=list)

    @property
    def is_idle(self) -> bool:
        """Whether none of its watchers waits for anything but new items."""
        return all(listener.is_idle for listener in self.listeners)

    @property
    def kind(self) -> Kind:
        """Of its regular questions."""
        if self.hangs:
            return Kind.IN_QUARANTINE
        return Kind.IDLE if self.is_idle else Kind.AT_WORK

    def may_glance(self, now: float, pace: MeterPace) -> bool:
        """Return whether it is enough to learn if something has changed since it was measured.

        It is not while a warning lasts, because a glance does not tell when that has gone.
        """
        measured = self.latest
        return (
            self.is_idle
            and measured is not None
            and isinstance(measured.result, QueueDepth)
            and measured.result.warning is None
            and now - measured.started < pace.whole_seconds
        )

    def may_answer(self, now: float) -> bool:
        """Return whether a request may be answered now."""
        return not self.is_asked and not self.hangs and now >= self.earliest

    def begin(self, now: float, answering: list[Listener], *, gap_seconds: float) -> None:
        """Note that a question is on its way; after the gap a later request may be answered.

        answering: the listeners whose request it answers.
        """
        self._answering = answering
        self.is_asked, self.asked_at, self.earliest = True, now, now + gap_seconds

    def end(self) -> list[Listener]:
        """Note that no question is on its way; return the listeners whose request it answers."""
        answering, self._answering, self.is_asked = self._answering, [], False
        return answering

    def count_failure(self, took_seconds: float, pace: MeterPace) -> float:
        """Count a failed measurement; return the seconds until the next try."""
        self.failures += 1
        if took_seconds < pace.hang_seconds:
            self.hangs = 0
            return pace.next_queue_try(self.failures)
        self.hangs += 1
        return pace.next_quarantine_try(self.hangs)

    def count_success(self) -> None:
        """Count a measurement that succeeded."""
        self.failures = self.hangs = 0

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
