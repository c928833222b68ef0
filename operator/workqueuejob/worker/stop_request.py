"""That a worker was told to stop, and what is left of its grace. No signals here: who installs a
handler calls `request` in it, so nothing in here takes a lock or allocates much.
"""

import time
from collections.abc import Callable

from workqueuejob.contract.grace import patience_seconds

KILL_AFTER_SECONDS = 2.0


class StopRequest:
    """Whether to stop; a second request changes nothing.

    requested_at: when it was asked for. finish_by: until when the item in hand may be finished.
    kill_by: when work is ended by force. All are by the clock, and infinite until it is asked for.
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
        """Stop taking items; finish the one in hand if there is time."""
        if not self.requested:
            self.requested_at = self._clock()
            self.finish_by = self.requested_at + self._patience_seconds
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
