"""Puts numbers into words, for messages of planning. Decides nothing."""

from workqueuejob.brokers.depth import QueueDepth


def count(number: int, noun: str) -> str:
    """Return a number with its noun, as in "1 pod" and "2 pods"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def describe_depth(depth: QueueDepth) -> str:
    """Return the queue's numbers, as in "8 ready, 2 in flight"."""
    if depth.in_flight is not None:
        in_flight = f"{depth.in_flight} in flight"
    elif depth.in_flight_lately is not None:
        in_flight = f"{depth.in_flight_lately} in flight some seconds ago"
    else:
        in_flight = "in flight unknown"
    return f"{depth.ready} ready, {in_flight}"
