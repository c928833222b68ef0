"""How long and how often measurements must agree before anything is ended because of them.

A streak counts measurements that agree. What they agree on is in `evidence.py`, and what follows
from it in `rules`. Its length is taken from the monotonic clock, because the wall clock may jump:
a minute ahead would prove in a moment what must hold for a minute.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from workqueuejob.brokers.depth import QueueDepth

SEVERAL_READS = 3
"""The least number of measurements that must agree."""

RETURN_SECONDS = 10.0
"""The longest time until an item is back that a dead worker held past the broker's time-out."""

BLIND_PROOF_SECONDS = 30.0
"""The time for which the numbers must agree where the broker tells nothing of items in flight.

It outlasts the false zeros of a quorum queue whose node restarts.
"""

SPARE_PROOF_SECONDS = 1.0
"""The time for which completions of workers must be spare."""

_EXACT_PROOF_SECONDS = 1.0
"""The same where the broker tells exactly how many items are in flight."""

_LAGGING_PROOF_SECONDS = 15.0
"""The same where it tells late: three times the five seconds after which a broker may refresh its
count."""


def choose_proof_seconds(depth: QueueDepth) -> float:
    """Return how long a queue's numbers must agree before pods are ended because of them."""
    if depth.in_flight is not None:
        return _EXACT_PROOF_SECONDS
    if depth.in_flight_lately is not None:
        return _LAGGING_PROOF_SECONDS
    return BLIND_PROOF_SECONDS


@dataclass(frozen=True, slots=True)
class Streak:
    """An unbroken series of reads that all said the same."""

    since: datetime
    """When it began, for people."""

    first_read: float
    """When the first measurement began, by the monotonic clock."""

    last_read: float
    """When the last one began."""

    reads: int = 1
    """How many measurements have said so."""

    def lasts(self, *, seconds: float, reads: int) -> bool:
        """Return whether it is at least so long and was read at least so often."""
        return self.reads >= reads and self.last_read - self.first_read >= seconds


def extend_streak(
    streak: Streak | None, *, holds: bool, read: float, now: datetime
) -> Streak | None:
    """Return the streak after one more read; None where the read breaks it.

    holds: whether the read says the same.
    read: when it began, by the monotonic clock. A measurement that was seen before counts once.
    """
    if not holds:
        return None
    if streak is None:
        return Streak(since=now, first_read=read, last_read=read)
    if read <= streak.last_read:
        return streak
    return replace(streak, reads=streak.reads + 1, last_read=read)
