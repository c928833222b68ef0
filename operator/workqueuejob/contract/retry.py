"""How often an item is tried, and how long it rests between two attempts. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """What becomes of an item whose attempt failed.

    max_attempts: how often an item is tried, the first attempt included.
    initial_delay_seconds: the rest after the first failed attempt.
    max_delay_seconds: the longest rest.
    dead_letter: the queue, key, stream or topic of the same broker to which an item moves after its
        last attempt; None discards the item.
    """

    max_attempts: int = 3
    initial_delay_seconds: int = 1
    max_delay_seconds: int = 300
    dead_letter: str | None = None

    def delay_seconds(self, attempt: int) -> int:
        """Return the rest after a failed attempt: with 1 initially, 1 s after the first, then 2, 4.

        attempt: counted from 1.
        """
        # The exponent is bounded, because 1 << 99 is a number, but no delay.
        doubled = self.initial_delay_seconds << min(attempt - 1, 31)
        return min(doubled, self.max_delay_seconds)

    @property
    def delays_seconds(self) -> tuple[int, ...]:
        """Every rest that an item may have, shortest first; without 0, which is no rest."""
        delays = {self.delay_seconds(attempt) for attempt in range(1, self.max_attempts)}
        return tuple(sorted(delays - {0}))
