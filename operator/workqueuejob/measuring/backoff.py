"""How long the meter waits before its next round or try. Pure except for the jitter."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from workqueuejob.planning.pacing.doubling import double

Jitter = Callable[[float, float], float]


def draw(low: float, high: float) -> float:
    """Return a random number between the two; not for secrets."""
    return random.uniform(low, high)  # noqa: S311 - jitter


@dataclass(frozen=True, slots=True)
class MeterPace:
    """The intervals of one meter."""

    interval_seconds: float = 0.8
    """Between the starts of two rounds, give or take the jitter."""

    gap_seconds: float = 0.05
    """The shortest time between the starts of two rounds, however many requests there are.

    Without it, a watcher that requests on every measurement would keep the thread busy.
    """

    queue_cap_seconds: float = 3.0
    """The longest wait after a queue could not be measured."""

    hang_seconds: float = 0.75
    """An answer that fails after so long has kept a channel busy: its queue goes to quarantine."""

    quarantine_seconds: float = 1.0
    quarantine_cap_seconds: float = 60.0
    """The first and the longest wait of a queue in quarantine."""

    whole_seconds: float = 120.0
    """How old the latest measurement of an idle run's queue may be while glances find no news."""

    connection_cap_seconds: float = 15.0
    """The longest wait after a connection could not be made, or broke."""

    jitter: Jitter = draw
    """Returns a random factor between two bounds."""

    def next_round(self) -> float:
        """Return the seconds between two rounds: 0.68 to 0.88 with the default interval."""
        return self.interval_seconds * self.jitter(0.85, 1.1)

    def next_queue_try(self, failures: int) -> float:
        """Return the seconds after a queue's nth failure in a row: 0.8, 1.6, then 3."""
        return double(self.interval_seconds, failures, cap=self.queue_cap_seconds)

    def next_quarantine_try(self, failures: int) -> float:
        """Return the seconds after a queue hung n times in a row: 1, 2, 4 … then 60."""
        return double(self.quarantine_seconds, failures, cap=self.quarantine_cap_seconds)

    def next_connection_try(self, failures: int) -> float:
        """Return the seconds after the nth failure in a row: 1, 2, 4, 8, then 15, less jitter."""
        grown = double(1.0, failures, cap=self.connection_cap_seconds)
        return grown * self.jitter(0.8, 1.0)
