"""Notices that the event loop has stalled, so that what the watches bring is behind.

While a loop stalls, the API server's answers wait in its sockets. The Lease is renewed by another
thread meanwhile, so this process still leads when the loop goes on.
"""

import time
from collections.abc import Callable

from workqueuejob.cluster.observation import LONGEST_AGE_SECONDS


class Stalls:
    """When the loop has last stalled for longer than an observation may be old."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._noted_at: float | None = None
        self._last_end: float | None = None

    def note_beat(self) -> None:
        """Note that the loop goes on; called every second."""
        now = self._clock()
        if self._noted_at is not None and now - self._noted_at > LONGEST_AGE_SECONDS:
            self._last_end = now
        self._noted_at = now

    @property
    def last_end(self) -> float | None:
        """When the last stall ended; None without one.

        A task may go on after a stall before the one that beats, so this looks at the clock too.
        """
        if self._noted_at is not None and self._clock() - self._noted_at > LONGEST_AGE_SECONDS:
            self.note_beat()
        return self._last_end
