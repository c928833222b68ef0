"""The stop request of a worker, and the seconds of grace that it has left.

Installs no signal handler. Signal handlers call `request`, so nothing in here takes a lock.
"""

import time
from collections.abc import Callable

from workqueuejob.contract.grace import KILL_AFTER_SECONDS, patience_seconds


class StopRequest:
    """Whether a stop was requested, and until when; a second request changes nothing.

    requested_at: when the stop was requested.
    finish_by: until when the item in hand may be finished.
    kill_by: when work that still goes on is ended by force.
    All three are times by the clock, and infinite until a stop is requested.
    """

    def __init__(
        self, grace_seconds: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._patience_seconds = patience_seconds(grace_seconds)
        self._clock = clock
        self.requested = False
        self.requested_at = float("inf")
        self.finish_by = float("inf")
        self.kill_by = float("inf")

    def request(self) -> None:
        """Request the stop: no more items are taken; the item in hand may be finished in time."""
        if not self.requested:
            self.requested_at = self._clock()
            self.finish_by = self.requested_at + self._patience_seconds
            self.kill_by = self.finish_by + KILL_AFTER_SECONDS
            self.requested = True

    @property
    def seconds_left(self) -> float:
        """How long the item in hand may still be finished; infinite before a stop is requested."""
        return max(self.finish_by - self._clock(), 0.0)

    @property
    def expired(self) -> bool:
        """Whether the time for the item in hand is over, so that it is given back."""
        return self._clock() >= self.finish_by

    @property
    def kill_due(self) -> bool:
        """Whether it is time to end by force the work that still goes on."""
        return self._clock() >= self.kill_by
