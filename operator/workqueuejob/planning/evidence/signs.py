"""What one look at Jobs and queue says of the items that are left and held.

It is no evidence yet: `evidence.py` follows since when it has been so. Nothing here counts time.
"""

from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.planning.ledger.run import Ledger
from workqueuejob.planning.observing.observed import ObservedJob, count_active, count_open


def is_quiet(jobs: tuple[ObservedJob, ...]) -> bool:
    """Return whether the Jobs have no pod any more but stuck ones, and get none."""
    return all(job.is_quiet for job in jobs)


def is_drained(
    jobs: tuple[ObservedJob, ...], depth: QueueDepth, *, warm: tuple[ObservedJob, ...] = ()
) -> bool:
    """Return whether nothing is left in the queue, and no pod of the run may give an item back.

    What other consumers hold is not the run's to wait for. But a broker that knows no consumers
    can't say whether a held item is that of another consumer or of a worker that has died. And
    while pods are kept warm, one of them may hold what is held.

    jobs: without those kept warm.
    """
    if not is_quiet(jobs) or depth.ready or depth.delayed:
        return False
    return not is_abandoned(jobs, depth) if is_quiet(warm) else depth.in_flight_known == 0


def is_abandoned(jobs: tuple[ObservedJob, ...], depth: QueueDepth) -> bool:
    """Return whether items are held although no pod that could hold them is known to be there."""
    return is_quiet(jobs) and depth.consumers is None and bool(depth.in_flight)


def is_surplus(
    jobs: tuple[ObservedJob, ...],
    depth: QueueDepth,
    *,
    has_workers: bool = False,
    warm: tuple[ObservedJob, ...] = (),
) -> bool:
    """Return whether there are open completions for which no item is left, beside those kept warm.

    A running pod counts as waiting only while it is a consumer, because a pod that is none may
    still work on what it has acked. A worker's pod never counts as waiting: it leaves by itself,
    and may hold an item that the queue doesn't show, kept past the broker's time-out or prefetched.

    jobs: without those kept warm.
    """
    if depth.ready or depth.delayed or depth.in_flight_known or not count_open(jobs):
        return False
    consumers = max(0, (depth.consumers or 0) - count_active(warm))
    if has_workers and any(job.terminating > job.stuck for job in jobs):
        return False
    if has_workers or depth.in_flight_known is None:
        return consumers == 0 and count_active(jobs) == 0
    return consumers >= count_active(jobs)


def is_untaken(jobs: tuple[ObservedJob, ...], depth: QueueDepth) -> bool:
    """Return whether items are ready and workers run, but none of them has taken one."""
    is_running = any(job.ready for job in jobs)
    return bool(depth.ready) and is_running and not depth.in_flight_known and not depth.consumers


def is_passed_over(jobs: tuple[ObservedJob, ...], depth: QueueDepth) -> bool:
    """Return whether items are ready although pods run that work on several at once."""
    return bool(depth.ready) and any(job.ready and job.concurrency > 1 for job in jobs)


def is_anything_held(depth: QueueDepth) -> bool:
    """Return whether a pod may hold an item, by the broker's numbers alone.

    A Job's status may not show yet a pod that holds one by now.
    """
    return depth.holders != 0


def take_fingerprint(
    jobs: tuple[ObservedJob, ...], depth: QueueDepth, ledger: Ledger
) -> tuple[int, ...]:
    """Return numbers that stay the same while nothing happens to the Jobs and the queue."""
    return (
        depth.ready,
        depth.consumers or 0,
        depth.in_flight or 0,
        count_active(jobs),
        ledger.succeeded,
        ledger.failed,
    )
