"""How often an item is tried, and how long it rests in between."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """What becomes of an item whose attempt failed.

    max_attempts: the first included.
    dead_letter: where an item goes after its last attempt: a queue, key or stream at the same
        broker; None discards it.
    """

    max_attempts: int = 3
    initial_delay_seconds: int = 1
    max_delay_seconds: int = 300
    dead_letter: str | None = None

    def delay_seconds(self, attempt: int) -> int:
        """Return the rest after a failed attempt, counted from 1: it doubles each time."""
        # The exponent is bounded, for 1 << 99 is a number too, but no delay.
        doubled = self.initial_delay_seconds << min(attempt - 1, 31)
        return min(doubled, self.max_delay_seconds)

    @property
    def delays_seconds(self) -> tuple[int, ...]:
        """Every rest that there can be, shortest first; 0, no rest at all, is not among them."""
        delays = {self.delay_seconds(attempt) for attempt in range(1, self.max_attempts)}
        return tuple(sorted(delays - {0}))
