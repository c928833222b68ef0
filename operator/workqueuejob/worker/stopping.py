"""That a worker was told to stop, and what is left of its grace. No signals here: who installs a
handler calls `request` in it, so nothing in here takes a lock or allocates much.
"""

import time
from collections.abc import Callable

RESERVE_SECONDS = 5.0
"""Kept of the grace for ending a command, giving the item back and disconnecting."""

KILL_AFTER_SECONDS = 2.0


class Stop:
    """Whether to stop; a second request changes nothing.

    finish_by: until when the item in hand may be finished. kill_by: when work is ended by force.
    Both are by the clock, and infinite as long as nobody asked.
    """

    def __init__(
        self, grace_seconds: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._patience_seconds = max(grace_seconds - RESERVE_SECONDS, grace_seconds / 2)
        self._clock = clock
        self.requested = False
        self.finish_by = float("inf")
        self.kill_by = float("inf")

    def request(self) -> None:
        """Stop taking items; finish the one in hand if there is time."""
        if not self.requested:
            self.finish_by = self._clock() + self._patience_seconds
            self.kill_by = self.finish_by + KILL_AFTER_SECONDS
            self.requested = True

    @property
    def expired(self) -> bool:
        """Whether the item in hand is to be given back now."""
        return self._clock() >= self.finish_by

    @property
    def kill_due(self) -> bool:
        """Whether work that still goes on is to be ended by force."""
        return self._clock() >= self.kill_by
