"""How often an item is tried, and how long it rests between two attempts. Pure."""

import math
from dataclasses import dataclass

from workqueuejob.contract.features import added

DEFAULT_MAX_LOST_ATTEMPTS = 10
"""How many pods an item may take with it before it is put aside."""

DELAY_MAX_SECONDS = 86_400
"""The longest rest of an item, whoever chooses it."""


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """What becomes of an item whose attempt failed.

    max_attempts: how many attempts may fail, the first one included.
    max_lost_attempts: how many attempts may end without a word, as when a pod is killed; they do
        not count as failed.
    initial_delay_seconds: the rest after the first failed attempt.
    max_delay_seconds: the longest rest.
    permanent_exit_codes: exit codes of a command after which its item is not tried again.
    dead_letter: the queue, key, stream or topic of the same broker to which an item moves after its
        last attempt; None discards the item.
    """

    max_attempts: int = 3
    initial_delay_seconds: int = 1
    max_delay_seconds: int = 300
    dead_letter: str | None = None
    max_lost_attempts: int = added(DEFAULT_MAX_LOST_ATTEMPTS)
    permanent_exit_codes: tuple[int, ...] = added(())

    def delay_seconds(self, failed: int) -> int:
        """Return the rest after a failed attempt: with 1 initially, 1 s after the first, then 2, 4.

        failed: how many attempts have failed, this one included.
        """
        # The exponent is bounded, because 1 << 99 is a number, but no delay.
        doubled = self.initial_delay_seconds << min(failed - 1, 31)
        return min(doubled, self.max_delay_seconds)

    def choose_delay_seconds(self, failed: int, asked_seconds: float | None) -> int:
        """Return the rest after a failed attempt, in whole seconds.

        asked_seconds: the rest that the work asks for; None leaves it to the settings.
        Raises ValueError for one that no item may have.
        """
        if asked_seconds is None:
            return self.delay_seconds(failed)
        if not 0 <= asked_seconds <= DELAY_MAX_SECONDS:
            raise ValueError(
                f"delay_seconds is {asked_seconds}; it must be from 0 to {DELAY_MAX_SECONDS}, a day"
            )
        return math.ceil(asked_seconds)

    @property
    def delays_seconds(self) -> tuple[int, ...]:
        """Every rest that the settings choose, shortest first; without 0, which is no rest."""
        delays = {self.delay_seconds(failed) for failed in range(1, self.max_attempts)}
        return tuple(sorted(delays - {0}))

    def is_exhausted(self, *, failed: int, lost: int) -> bool:
        """Return whether an item is put aside after so many failed and lost attempts."""
        return failed >= self.max_attempts or lost >= self.max_lost_attempts
