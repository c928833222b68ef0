"""What a worker does with the time between SIGTERM and SIGKILL. Pure.

The operator shortens a probe's grace by it, so that a worker that a probe ends is killed with its
item in hand, which counts as an attempt, while one whose pod is deleted gives its item back.
"""

RESERVE_SECONDS = 5.0
"""Kept of the grace for ending a command, giving the item back and disconnecting."""

START_SECONDS = 60.0
"""How much older than its worker a pod may be: the deadline of a pod counts from its start."""

_PROBE_RESERVE_SECONDS = 2


def patience_seconds(grace_seconds: float) -> float:
    """Return how long after SIGTERM the item in hand may still be finished: 25 of 30 seconds."""
    return max(grace_seconds - RESERVE_SECONDS, grace_seconds / 2)


def probe_grace_seconds(grace_seconds: int) -> int:
    """Return the grace that ends before the worker's patience does: 23 of 30 seconds."""
    return max(1, int(patience_seconds(grace_seconds)) - _PROBE_RESERVE_SECONDS)


def is_deadline(age_seconds: float, deadline_seconds: int | None) -> bool:
    """Return whether a stop at a worker's age is its pod's deadline, or comes as good as with it.

    deadline_seconds: the pod's activeDeadlineSeconds; None where there is none.
    """
    return deadline_seconds is not None and age_seconds + START_SECONDS >= deadline_seconds
