"""Remembers when one WorkQueueJob is due to be looked at although nothing has come.

Not for its Secrets: they are read again at times of their own, see `QueueFollower`.
"""

import math
import time


class NextLook:
    """The time of the next look; at once before the first one."""

    def __init__(self) -> None:
        self._at = 0.0

    @property
    def is_now(self) -> bool:
        """Whether it is time to look."""
        return time.monotonic() >= self._at

    def set(self, *delays_seconds: float | None) -> None:
        """Let the next look be after the shortest delay; None: that one waits for news."""
        known = [delay for delay in delays_seconds if delay is not None]
        self._at = time.monotonic() + min(known, default=math.inf)

    def seconds_until(self, reread_after_seconds: float | None) -> float | None:
        """Return the seconds until the next look or, if that is sooner, until Secrets are read.

        None: neither is due before there is news.
        """
        waits = (self._at - time.monotonic(), reread_after_seconds)
        delay = max(0.0, min(wait for wait in waits if wait is not None))
        return None if delay == math.inf else delay
