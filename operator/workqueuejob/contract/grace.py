"""How a worker divides the time between SIGTERM and SIGKILL. Pure."""

RESERVE_SECONDS = 5.0
"""The part of the grace for ending a command, giving the item back and disconnecting."""

START_SECONDS = 60.0
"""How much older than its worker a pod may be, because a pod's deadline counts from its start."""


def patience_seconds(grace_seconds: float) -> float:
    """Return how long after SIGTERM the item in hand may still be finished: 25 of 30 seconds."""
    return max(grace_seconds - RESERVE_SECONDS, grace_seconds / 2)


def is_deadline(age_seconds: float, deadline_seconds: int | None) -> bool:
    """Return whether a stop at this age of a worker is its pod's deadline, or comes close to it.

    deadline_seconds: the pod's activeDeadlineSeconds; None where it has none. With 600, a stop at
        an age of 540 seconds or more is the deadline.
    """
    return deadline_seconds is not None and age_seconds + START_SECONDS >= deadline_seconds
