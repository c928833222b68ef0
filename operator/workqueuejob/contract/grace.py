"""What a worker does with the time between SIGTERM and SIGKILL. Pure."""

RESERVE_SECONDS = 5.0
"""Kept of the grace for ending a command, giving the item back and disconnecting."""

START_SECONDS = 60.0
"""How much older than its worker a pod may be: the deadline of a pod counts from its start."""


def patience_seconds(grace_seconds: float) -> float:
    """Return how long after SIGTERM the item in hand may still be finished: 25 of 30 seconds."""
    return max(grace_seconds - RESERVE_SECONDS, grace_seconds / 2)


def is_deadline(age_seconds: float, deadline_seconds: int | None) -> bool:
    """Return whether a stop at a worker's age is its pod's deadline, or comes as good as with it.

    deadline_seconds: the pod's activeDeadlineSeconds; None where there is none.
    """
    return deadline_seconds is not None and age_seconds + START_SECONDS >= deadline_seconds
