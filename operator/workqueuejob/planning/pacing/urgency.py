"""Decides which request to the API server goes first, and which write of a status may wait. Pure.

All WorkQueueJobs share one budget of requests. Where it is short, a wave that is due goes before a
number that changed earlier. But every fourth request is the one that has waited
longest, so that nothing waits without an end. Times are in seconds.
"""

from collections.abc import Mapping, Sequence
from enum import Enum, IntEnum, auto

from workqueuejob.api import WorkQueueJobStatus
from workqueuejob.planning.status.status import differs
from workqueuejob.planning.verdict import find_end

NUMBERS_INTERVAL_SECONDS = 2.0
"""At least so long after the last write of a status, one is sent that changes numbers only."""
NUMBERS_LONGEST_SECONDS = 10.0
"""How old numbers may be while other requests go first."""
RESTLESS_WRITES = 12
"""A status whose conditions were written so often within RESTLESS_SECONDS is restless."""
RESTLESS_SECONDS = 600.0

_SHARE_OF_OLDEST = 4


class Urgency(IntEnum):
    """Why a request is sent; the most urgent first."""

    DECISION = 0
    """It creates, changes or ends a Job, is read for that, or records it in the status.

    Deletions of finished Jobs are no decisions: nothing waits for them.
    """

    VISIBLE = 1
    """It changes what a person sees, a condition or numbers that are old; it writes an Event, tries
    whether a Job could be made, or deletes a finished one.
    """

    OBSERVATION = 2
    """It reads what a plan is made from."""

    NUMBERS = 3
    """It changes only numbers of a status."""


def choose_next(oldest: Mapping[Urgency, float], *, sent: int) -> Urgency:
    """Return the urgency of the next request, among those that wait.

    oldest: since when the oldest request of each urgency waits; not empty.
    sent: how many were sent before.
    """
    if sent % _SHARE_OF_OLDEST == _SHARE_OF_OLDEST - 1:
        return min(oldest, key=lambda urgency: (oldest[urgency], urgency))
    return min(oldest)


def judge_status(
    old: WorkQueueJobStatus, new: WorkQueueJobStatus, *, acted: bool, restless: bool
) -> Urgency | None:
    """Return how urgent it is to write a new status; None if it is the same.

    acted: whether Jobs were changed, which the status records.
    restless: what `is_restless` says.
    """
    if not differs(old, new):
        return None
    if acted or _landmarks(old) != _landmarks(new):
        return Urgency.DECISION
    if _looks(old) != _looks(new) and not restless:
        return Urgency.VISIBLE
    return Urgency.NUMBERS


class Due(Enum):
    """When changed numbers are written."""

    LATER = auto()
    IF_SPARE = auto()
    """Now, if no other request needs the budget."""
    NOW = auto()


def judge_numbers(*, since_write: float, behind: float, restless: bool) -> Due:
    """Return when changed numbers are written.

    since_write: the age of the last write. behind: for how long they have waited.
    restless: what `is_restless` says.
    """
    if since_write < (NUMBERS_LONGEST_SECONDS if restless else NUMBERS_INTERVAL_SECONDS):
        return Due.LATER
    return Due.NOW if restless or behind >= NUMBERS_LONGEST_SECONDS else Due.IF_SPARE


def is_restless(written: Sequence[float], *, now: float) -> bool:
    """Return whether conditions were written so often lately that they wait like numbers.

    written: when they were, oldest first. Pods that start and fail in turn cause such changes.
    """
    lately = [at for at in written if now - at < RESTLESS_SECONDS]
    return len(lately) >= RESTLESS_WRITES


def _landmarks(status: WorkQueueJobStatus) -> object:
    """Return what programs and the operator's next steps rely on."""
    return (
        status.waves,
        status.observed_generation,
        status.waves_without_progress,
        status.installation,
        status.current_busy_period is None,
        find_end(status.conditions) is None,
    )


def _looks(status: WorkQueueJobStatus) -> object:
    conditions = [(c.type, c.status, c.reason) for c in status.conditions]
    return conditions, status.last_decision
