"""Reckons how many items the run's pods hold, and how many are left. Pure.

A pod with a concurrency of c holds up to c items. While items are ready, every consumer holds as
many as it may, because a worker takes all that it has room for: with 3 consumers at a concurrency
of 8, 24. Once none is ready, a consumer may hold any number from 0 to 8. Where the broker does not
count what is in flight, that is not known then, and no number is made up for it.

Each Job keeps the concurrency that it was made with. Where waves differ, the side is taken that
makes fewer pods.
"""

from collections.abc import Iterable

from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.planning.observing.observed import ObservedJob, count_active


def count_held(jobs: tuple[ObservedJob, ...], depth: QueueDepth) -> int:
    """Return how many items the run's active pods hold; at least so many if unsure.

    It is for a queue in which items are ready.
    """
    if depth.holders is None:
        return 0
    active = count_active(jobs)
    if is_foreign_consumer_present(jobs, depth):
        # Other consumers hold some of the items: count only pods that are seen to run.
        active = sum(job.ready for job in jobs)
    if depth.in_flight is None:
        return min(depth.holders, active) * find_least_concurrency(jobs)
    return min(depth.in_flight, active * find_most_concurrency(jobs))


def count_left(
    jobs: tuple[ObservedJob, ...], depth: QueueDepth, *, may_wait: bool = False
) -> int | None:
    """Return how many items are not settled; None while that is not known.

    may_wait: whether consumers may be waiting for their first item.
    """
    least = find_least_concurrency(jobs)
    is_counted = depth.in_flight is not None or depth.log is not None
    if least == 1 or is_counted or not depth.consumers:
        return depth.left_beside_waiting if may_wait else depth.left
    if not depth.ready:
        return None
    return depth.ready + depth.delayed + depth.consumers * least


def find_least_concurrency(jobs: Iterable[ObservedJob]) -> int:
    """Return the least that a pod which may be there works on at once; 1 without such pods."""
    return min(_list_concurrencies(jobs), default=1)


def find_most_concurrency(jobs: Iterable[ObservedJob]) -> int:
    """Return the most that a pod which may be there or come works on at once; 1 without any."""
    return max(_list_concurrencies(jobs), default=1)


def is_foreign_consumer_present(jobs: tuple[ObservedJob, ...], depth: QueueDepth) -> bool:
    """Return whether the broker counts more consumers than the run has pods that could be one."""
    possible = sum(job.active + job.terminating for job in jobs)
    return depth.consumers is not None and depth.consumers > possible


def _list_concurrencies(jobs: Iterable[ObservedJob]) -> list[int]:
    return [job.concurrency for job in jobs if job.open or job.active or job.terminating]
