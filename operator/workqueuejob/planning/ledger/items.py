"""Counts the run's items: how many were seen, and what became of them.

What remains is always measured, never derived. What is done comes from the best source there is: a
broker that counts in the same step in which it settles, or the reports of workers. Without
either it is inferred from the fall of the queue's depth or from the pods, and is called so.
"""

from dataclasses import dataclass

from workqueuejob.api.busy_period import BusyPeriod, CountsBefore
from workqueuejob.api.scalars import LARGEST_COUNT
from workqueuejob.api.status import Accounting, CountedItems, ItemsStatus, QueueStatus
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.brokers.traits import read_traits
from workqueuejob.contract.report import ItemCounts
from workqueuejob.planning.ledger.run import Ledger
from workqueuejob.planning.observing.observed import Observed, count_active
from workqueuejob.planning.sizing.holding import find_most_concurrency

Outcomes = ItemsStatus | CountedItems | BusyPeriod | CountsBefore
"""All that have numbers of items that succeeded and that were put aside."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Pods whose success may have settled nothing."""

    doubtful: int = 0
    """Pods that have not moved the queue's depth so far."""

    futile: int = 0
    """Pods that are now known to have settled nothing."""


def count_items(observed: Observed, ledger: Ledger, doubt: Doubt) -> ItemsStatus | None:
    """Return the numbers of items; None while the depth is unknown."""
    depth = observed.depth
    if depth is None:
        return None
    items = _count(observed, depth, ledger, doubt)
    return items.model_copy(update={"expired": _count_expired(observed, depth) or None})


def _count(observed: Observed, depth: QueueDepth, ledger: Ledger, doubt: Doubt) -> ItemsStatus:
    spec = observed.resource.spec
    if spec.worker is not None and read_traits(spec.queue).counts_settled:
        return _counted_by_broker(observed, depth, ledger.counted)
    if spec.worker is not None:
        return _reported_by_workers(observed, depth, ledger.counted)
    if spec.mode == "Fine":
        return _inferred_from_depth(observed, depth, attempts_failed=ledger.futile + doubt.futile)
    return _inferred_from_pods(observed, depth, ledger, doubt)


def _counted_by_broker(
    observed: Observed, depth: QueueDepth, reported: CountedItems
) -> ItemsStatus:
    """Return what the broker has counted, but no less than is known otherwise.

    A restart without persistence or a failover may lose the broker's counters, which then begin at
    zero. From then on the numbers are called inferred.
    """
    previous, counts = _previous_items(observed), depth.counts or ItemCounts()
    forgot = previous.accounting is Accounting.INFERRED or counts.settled < _count_least(
        observed, previous, reported
    )
    remaining = depth.ready + depth.delayed + (depth.in_flight or 0)
    sources: tuple[ItemCounts | ItemsStatus | CountedItems, ...] = (counts,)
    if forgot:
        sources = (counts, previous, reported)
    succeeded = max(source.succeeded or 0 for source in sources)
    dead = max(source.dead_lettered or 0 for source in sources)
    discarded = max(source.discarded or 0 for source in sources)
    return ItemsStatus(
        total=succeeded + dead + discarded + remaining,
        succeeded=succeeded,
        dead_lettered=dead,
        discarded=discarded,
        remaining=remaining,
        attempts_failed=max(
            counts.attempts_failed + counts.attempts_lost, previous.attempts_failed or 0
        ),
        accounting=Accounting.INFERRED if forgot else Accounting.COUNTED,
    )


def _count_least(observed: Observed, previous: ItemsStatus, reported: CountedItems) -> int:
    """Return the least number of items that the broker must have counted.

    While pods run, their reports don't say so: a report may be newer than the measurement.
    """
    if observed.unfinished:
        return count_settled(previous)
    return max(count_settled(previous), count_settled(reported))


def _reported_by_workers(
    observed: Observed, depth: QueueDepth, counted: CountedItems
) -> ItemsStatus:
    """Return the sum of the reports; what pods have yet to report is inferred from the depth.

    When every pod has ended the reports say it all, unless a pod was killed with an item in hand or
    left no report. Then an item that was seen and has gone is taken to have succeeded.
    """
    reported = count_settled(counted)
    remaining = _count_remaining(observed, depth, settled=reported)
    inferred = bool(observed.unfinished) or counted.uncertain > 0 or counted.unreported > 0
    total = reported + remaining
    # What has gone from a log may have been no item, but the marker of a transaction.
    if observed.unfinished or (inferred and depth.log is None):
        total = _count_seen(observed, depth, counted, remaining)
    gone = total - remaining - counted.discarded
    unexplained = gone - counted.succeeded
    dead = max(counted.dead_lettered, min(_guess_dead(observed, depth, counted), unexplained))
    succeeded = max(counted.succeeded, gone - dead)
    return ItemsStatus(
        total=succeeded + dead + counted.discarded + remaining,
        succeeded=succeeded,
        dead_lettered=dead,
        discarded=counted.discarded,
        remaining=remaining,
        attempts_failed=counted.attempts_failed,
        accounting=Accounting.INFERRED if inferred else Accounting.COUNTED,
    )


def _count_seen(
    observed: Observed, depth: QueueDepth, counted: CountedItems, remaining: int
) -> int:
    """Return the items seen so far, also those that running pods have settled and not reported.

    Where the broker counts what is held, items that arrived meanwhile are added. Elsewhere an item
    that seems to have arrived may have been held before.
    """
    reported = count_settled(counted)
    seen = max(_count_seen_before(observed, depth), reported + remaining)
    if observed.unfinished and depth.in_flight is not None:
        seen = max(seen, count_settled(_previous_items(observed)) + remaining)
    return seen


def _count_seen_before(observed: Observed, depth: QueueDepth) -> int:
    """Return the items that had been seen, without those that a log's retention deleted since."""
    previous = _previous_items(observed)
    newly = _count_expired(observed, depth) - (previous.expired or 0)
    return max(0, (previous.total or 0) - newly)


def _count_expired(observed: Observed, depth: QueueDepth) -> int:
    """Return how many records a log's retention deleted before they were processed.

    Counted step by step, because the broker only tells the current first offset.
    """
    queue, previous = observed.resource.status.queue, _previous_items(observed)
    before = (queue.removed if queue else None) or 0
    return min((previous.expired or 0) + max(0, depth.removed - before), LARGEST_COUNT)


def _guess_dead(observed: Observed, depth: QueueDepth, counted: CountedItems) -> int:
    """Return how many items were dead-lettered, by the depth of the dead-letter target.

    It shows them before the pods report them. But others may put items there too, so once every pod
    has reported, no more are counted than the reports allow.
    """
    newly = _count_newly_dead(observed.resource.status.queue, depth)
    if observed.unfinished or counted.unreported:
        return newly
    return min(newly, counted.dead_lettered + counted.uncertain)


def _inferred_from_depth(
    observed: Observed, depth: QueueDepth, *, attempts_failed: int
) -> ItemsStatus:
    """Return the items that have gone from the queue as done.

    If an item arrives in the moment in which one is settled, neither shows.
    """
    previous = _previous_items(observed)
    settled = previous.succeeded or 0
    remaining = _count_remaining(observed, depth, settled=settled)
    total = max(_count_seen_before(observed, depth), settled + remaining)
    return ItemsStatus(
        total=total,
        succeeded=total - remaining,
        remaining=remaining,
        attempts_failed=attempts_failed,
        accounting=Accounting.INFERRED,
    )


def _inferred_from_pods(
    observed: Observed, depth: QueueDepth, ledger: Ledger, doubt: Doubt
) -> ItemsStatus:
    """Return the pods that succeeded, times the items that each of them settles.

    A pod is counted a moment after it has acked its item. Until then the sum is too low by as many
    items as active pods may have acked, so by that much the total keeps its former value.
    """
    per_pod, previous = observed.resource.spec.items_settled_per_pod, _previous_items(observed)
    unsettled = ledger.futile + max(doubt.futile, doubt.doubtful)
    succeeded = max(0, ledger.succeeded - unsettled) * per_pod
    active = count_active(observed.jobs) * per_pod
    remaining = depth.ready + depth.delayed + _count_holders(observed, depth)
    total = max(succeeded + remaining, min(previous.total or 0, succeeded + remaining + active))
    return ItemsStatus(
        total=total,
        succeeded=succeeded,
        remaining=total - succeeded,
        attempts_failed=ledger.futile + doubt.futile,
        accounting=Accounting.INFERRED,
    )


def _count_newly_dead(queue: QueueStatus | None, depth: QueueDepth) -> int:
    """Return the items in the dead-letter target that were not there when the run started."""
    before = queue.dead_lettered_at_start if queue else None
    if before is None or depth.dead_lettered is None:
        return 0
    return max(0, depth.dead_lettered - before)


def count_put_aside(items: Outcomes) -> int:
    """Return the items that were given up: dead-lettered or discarded."""
    return (items.dead_lettered or 0) + (items.discarded or 0)


def count_settled(items: Outcomes) -> int:
    """Return the items that are done with: succeeded, dead-lettered or discarded."""
    return (items.succeeded or 0) + count_put_aside(items)


def _count_remaining(observed: Observed, depth: QueueDepth, *, settled: int) -> int:
    """Return how many items are left, as measured.

    Where the broker doesn't count what is held, each consumer is taken to hold as many items as its
    pod works on at once, while items are ready. Afterwards a consumer may be waiting, and no more
    are taken to be held than items are missing from what was seen.
    """
    waiting = depth.ready + depth.delayed
    held = _count_holders(observed, depth)
    if depth.in_flight is None and not depth.ready:
        missing = (_previous_items(observed).total or 0) - settled - waiting
        held = max(0, min(held, missing))
    return waiting + held


def _count_holders(observed: Observed, depth: QueueDepth) -> int:
    if depth.in_flight is not None:
        return depth.in_flight
    if depth.log is not None:
        # A group's lag counts what members hold as ready.
        return 0
    stuck = sum(job.stuck for job in observed.jobs)
    pods = min(depth.consumers or 0, count_active(observed.jobs) + stuck)
    return pods * find_most_concurrency(observed.jobs)


def _previous_items(observed: Observed) -> ItemsStatus:
    return observed.resource.status.items or ItemsStatus()
