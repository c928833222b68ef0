"""How a worker divides the time between SIGTERM and SIGKILL. Pure."""

RESERVE_SECONDS = 5.0
"""The part of the grace for ending a command, giving the item back and disconnecting."""

KILL_AFTER_SECONDS = 2.0
"""Between the end of the time for the item in hand and the end of its work by force."""

AT_END_OF_GRACE, AT_ONCE = "AtEndOfGrace", "AtOnce"
"""When a command gets SIGTERM, where its worker is to stop."""

START_SECONDS = 60.0
"""How much older than its worker a pod may be, because a pod's deadline counts from its start."""


def patience_seconds(grace_seconds: float) -> float:
    """Return how long after SIGTERM the item in hand may still be finished: 25 of 30 seconds."""
    return max(grace_seconds - RESERVE_SECONDS, grace_seconds / 2)


def find_stop_seconds(grace_seconds: float, stop_signal: str) -> float:
    """Return how long after its SIGTERM a command may end by itself: 25 seconds, or 2 at the end.

    stop_signal: AT_ONCE or AT_END_OF_GRACE.
    """
    return patience_seconds(grace_seconds) if stop_signal == AT_ONCE else KILL_AFTER_SECONDS


def is_deadline(age_seconds: float, deadline_seconds: int | None) -> bool:
    """Return whether a stop at this age of a worker is its pod's deadline, or comes close to it.

    deadline_seconds: the pod's activeDeadlineSeconds; None where it has none. With 600, a stop at
        an age of 540 seconds or more is the deadline.
    """
    return deadline_seconds is not None and age_seconds + START_SECONDS >= deadline_seconds
