"""Measures how long an item keeps a pod, from what pods at work settle.

The latest items count most, so that a faster or slower mix shows soon. The time that has gone into
unfinished items says how long they take at least; it counts before anything is settled, and when
items take longer than those before.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from workqueuejob.api.status import ItemsStatus
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.planning.ledger.items import count_settled
from workqueuejob.planning.observing.observed import Observed

_REMEMBERED_ITEMS = 20
"""The number of items after which an older item counts for a third (1/e)."""

_SEED_ITEMS = 3
"""The weight, in items, of what was known before a restart."""

_LONGEST_STEP_SECONDS = 10.0
"""The most time that counts between two looks; what happened in a longer gap is not known."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Weighted sums over the items that were settled."""

    settled: int
    """The items that the run has settled in all."""

    time: datetime
    """The time of the last look."""

    pods: int = 0
    """The pods at work at the last look."""

    pod_seconds: float = 0.0
    """The pod-seconds until the last item was settled, by weight."""

    items: float = 0.0
    """The number of items, by weight, and half an item for each pod that was added meanwhile.

    What a pod has in hand is half done on average.
    """

    pending: float = 0.0
    """The pod-seconds since the last item was settled."""

    @property
    def seconds_per_item(self) -> float | None:
        """The pod-seconds that one item takes; None before anything is known."""
        known = [self.pod_seconds / self.items] if self.items and self.pod_seconds else []
        if self.pods and self.pending:
            known.append((self.pod_seconds + self.pending) / (self.items + self.pods))
        return max(known, default=None)


def begin_pace(*, settled: int, pods: int, now: datetime, seconds_per_item: float | None) -> Pace:
    """Return what a first look says.

    seconds_per_item: what was known before the operator was restarted; new items soon outweigh it.
    """
    pace = Pace(settled=settled, time=now, pods=pods)
    if seconds_per_item is None:
        return pace
    return replace(pace, pod_seconds=seconds_per_item * _SEED_ITEMS, items=float(_SEED_ITEMS))


def follow_pace(previous: Pace, *, settled: int, pods: int, now: datetime) -> Pace:
    """Return what one more look says.

    pods: those at work now. Those of the previous look count for the time between the two.
    """
    gap = min(max(0.0, (now - previous.time).total_seconds()), _LONGEST_STEP_SECONDS)
    pending = previous.pending + previous.pods * gap
    new = max(0, settled - previous.settled)
    kept = (1 - 1 / _REMEMBERED_ITEMS) ** new
    begun = (pods - previous.pods) / 2
    return Pace(
        settled=settled,
        time=now,
        pods=pods,
        pod_seconds=previous.pod_seconds * kept + (pending if new else 0.0),
        items=max(0.0, previous.items * kept + new + begun),
        pending=0.0 if new else pending,
    )


def follow_observed_pace(
    previous: Pace | None,
    observed: Observed,
    depth: QueueDepth,
    items: ItemsStatus | None,
    *,
    now: datetime,
) -> Pace | None:
    """Return what one more observation says; None without `autoscale` or the number of items."""
    if observed.resource.spec.autoscale is None or items is None:
        return None
    settled, pods = count_settled(items), _count_working(observed, depth)
    if previous is not None:
        return follow_pace(previous, settled=settled, pods=pods, now=now)
    scaling = observed.resource.status.scaling
    known = scaling.seconds_per_item if scaling else None
    return begin_pace(
        settled=settled, pods=pods, now=now, seconds_per_item=float(known) if known else None
    )


def _count_working(observed: Observed, depth: QueueDepth) -> int:
    """Return how many pods work on items.

    In mode Coarse the time of a pod's start is part of what its item takes, so pods that are not
    there yet count.
    """
    jobs = [job for job in observed.unfinished if not job.suspended]
    if observed.resource.spec.mode == "Fine":
        pods = sum(job.ready for job in jobs)
    else:
        pods = sum(max(job.share, job.active) for job in jobs)
    return min(pods, depth.left_beside_waiting if observed.warm else depth.left)
