"""Measures for how long an item keeps a pod, from what pods at work settle.

The latest items count most, so that a faster or slower mix shows soon. Before anything is settled,
and while items take longer than those before, the time that has gone into unfinished ones says how
long they take at least.
"""

from dataclasses import dataclass, replace
from datetime import datetime

_REMEMBERED_ITEMS = 20
_SEED_ITEMS = 3
_LONGEST_STEP_SECONDS = 10.0
"""Between two looks; what happened in a longer gap is not known."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Weighted sums over what was settled.

    pod_seconds: spent until the last one was settled. items: their number, by weight, and half an
        item for each pod that was added meanwhile, since what is in hand is half done on average.
    pending: pod-seconds since the last one was settled. pods: at work at the last look.
    settled: by the run in all. time: of the last look.
    """

    settled: int
    time: datetime
    pods: int = 0
    pod_seconds: float = 0.0
    items: float = 0.0
    pending: float = 0.0

    @property
    def seconds_per_item(self) -> float | None:
        """Return pod-seconds for one item; None before anything is known."""
        known = [self.pod_seconds / self.items] if self.items and self.pod_seconds else []
        if self.pods and self.pending:
            known.append((self.pod_seconds + self.pending) / (self.items + self.pods))
        return max(known, default=None)


def begin_pace(*, settled: int, pods: int, now: datetime, seconds_per_item: float | None) -> Pace:
    """Return what a first look says.

    seconds_per_item: what was known before the operator was restarted; soon outweighed.
    """
    pace = Pace(settled=settled, time=now, pods=pods)
    if seconds_per_item is None:
        return pace
    return replace(pace, pod_seconds=seconds_per_item * _SEED_ITEMS, items=float(_SEED_ITEMS))


def follow_pace(previous: Pace, *, settled: int, pods: int, now: datetime) -> Pace:
    """Return what one more look says.

    pods: that are at work now; between two looks, as many as at the first of them.
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
