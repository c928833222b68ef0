"""How long and how often the numbers must agree before anything is ended because of them.

Numbers only. Since when something has been so is in `evidence.py`, and what follows is in `rules`.
"""

from workqueuejob.brokers.depth import QueueDepth

SEVERAL_READS = 3
"""The least number of measurements that must agree."""

RETURN_SECONDS = 10.0
"""The longest time until an item is back that a dead worker had held past RabbitMQ's time-out."""

BLIND_PROOF_SECONDS = 30.0
"""The time for which the numbers must agree where the broker tells nothing of items in flight.

It outlasts the false zeros of a quorum queue whose node restarts.
"""

_EXACT_PROOF_SECONDS = 1.0
"""The same where the broker tells exactly how many items are in flight."""

_LAGGING_PROOF_SECONDS = 15.0
"""The same where it tells late: three times the five seconds after which RabbitMQ refreshes a
quorum queue's unacked count."""


def choose_proof_seconds(depth: QueueDepth) -> float:
    """Return how long a queue's numbers must agree before pods are ended because of them."""
    if depth.in_flight is not None:
        return _EXACT_PROOF_SECONDS
    if depth.in_flight_lately is not None:
        return _LAGGING_PROOF_SECONDS
    return BLIND_PROOF_SECONDS
