"""How long to wait before the next round or try. Pure, but for the randomness it is given."""

import random
from collections.abc import Callable
from dataclasses import dataclass

Jitter = Callable[[float, float], float]


def draw(low: float, high: float) -> float:
    """Return a random number in between; not for secrets."""
    return random.uniform(low, high)  # noqa: S311


@dataclass(frozen=True, slots=True)
class Pace:
    """The times of one meter, in seconds.

    gap_seconds: between the starts of two rounds, however many requests there are: a watcher that
        requests on every measurement would otherwise spin.
    """

    interval_seconds: float = 0.8
    gap_seconds: float = 0.05
    queue_cap_seconds: float = 3.0
    connection_cap_seconds: float = 15.0
    jitter: Jitter = draw

    def next_round(self) -> float:
        """Return the wait between rounds: with the default, an item is seen within a second."""
        return self.interval_seconds * self.jitter(0.85, 1.1)

    def next_queue_try(self, failures: int) -> float:
        """Return the wait after a queue's nth failure in a row."""
        grown = self.interval_seconds * 2.0 ** min(failures - 1, 10)
        return min(grown, self.queue_cap_seconds)

    def next_connection_try(self, failures: int) -> float:
        """Return the wait after the nth failure in a row: 1 s, 2 s, 4 s … up to the cap."""
        grown = min(2.0 ** min(failures - 1, 10), self.connection_cap_seconds)
        return grown * self.jitter(0.8, 1.0)
