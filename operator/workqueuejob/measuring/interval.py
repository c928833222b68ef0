"""How long the interval between two measurements is, and from when on a message names it. Pure.

The operator asks only so many questions a second. With more queues than that the interval grows:
10,000 queues at 1,400 questions a second are asked every 7 seconds.
"""

WEIGHT = 0.2
"""Of the newest interval in the mean."""

STEPS_SECONDS = (10, 20, 30, 60, 120, 300)
"""What is said of an interval. Few steps, because a status changes with each."""


def smooth(mean: float, interval_seconds: float) -> float:
    """Return the mean after one more interval; the first one counts as it is."""
    return interval_seconds if mean == 0.0 else mean + WEIGHT * (interval_seconds - mean)


def say_interval(seconds: float) -> int:
    """Return the longest step that is reached, or 0 for an interval that needs no words."""
    return max((step for step in STEPS_SECONDS if seconds >= step), default=0)
