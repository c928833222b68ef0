"""Notices waves whose pods succeed without settling anything.

The client of Kubernetes' own example exits 0 when its command fails, and gives the item back. A
wave of such pods looks like success to Kubernetes, and an operator that believed it would make
waves without end. The same happens with a worker where the broker shows items and hands out none,
and with a program that uses the worker's library and leaves without taking an item.
"""

from workqueuejob.planning.evidence.evidence import Evidence
from workqueuejob.planning.ledger.run import Ledger
from workqueuejob.planning.observing.observed import ObservedJob

MAX_FUTILE_WAVES = 3
"""Consecutive waves without progress after which a run that drains has failed."""

_FIRST_DELAY_SECONDS = 5
_LONGEST_DELAY_SECONDS = 300

_MOST_DOUBLINGS = 10
"""Keeps the power small; the longest delay is reached before."""


def count_futile_pods(evidence: Evidence, jobs: tuple[ObservedJob, ...]) -> int:
    """Return how many pods of this attempt succeeded while the queue stayed as deep as it was.

    Only waves count that were made after the depth had last moved, because a pod of an older wave
    may have moved it. An item that arrives moves the depth too, so a futile wave may go unnoticed.
    And a useful wave seems futile if between two reads as many items arrive as it settles.
    """
    movement = evidence.movement
    if movement is None or not movement.items_left:
        return 0
    judged_after = max(movement.attempt_after, movement.still_after)
    return sum(job.succeeded for job in jobs if job.wave > judged_after)


def count_idle_exits(evidence: Evidence, ledger: Ledger) -> int:
    """Return how many pods have succeeded since anything last moved."""
    movement = evidence.movement
    return max(0, ledger.succeeded - movement.succeeded) if movement is not None else 0


def has_progressed(evidence: Evidence) -> bool:
    """Return whether the queue's depth was seen to move during this attempt."""
    return evidence.movement is not None and evidence.movement.has_moved


def futility_delay_seconds(futile_waves: int) -> float:
    """Return how long to wait, with no pod running, before the next attempt: 5, 10, 20 … 300 s."""
    delay = _FIRST_DELAY_SECONDS * 2 ** min(futile_waves, _MOST_DOUBLINGS)
    return float(min(delay, _LONGEST_DELAY_SECONDS))
