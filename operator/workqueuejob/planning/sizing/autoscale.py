"""Chooses how many pods are wanted, of those that `parallelism` allows.

A choice never ends a pod: if fewer are wanted, only the next waves have fewer. So it rather begins
with too few, because more can be added at any time. And a wave is made no larger than what is to be
done before the next choice.
"""

import math
from dataclasses import dataclass
from datetime import datetime

from workqueuejob.api import WorkQueueJobSpec
from workqueuejob.api.autoscale import Autoscale
from workqueuejob.api.spec import RunPolicy
from workqueuejob.planning.observing.observed import Observed
from workqueuejob.planning.sizing.holding import count_left
from workqueuejob.planning.wording import count

HORIZON_SECONDS = 10.0
"""The time for which a Coarse wave gets items, because it keeps its pods until it is done."""

_RESERVE_SECONDS = 5.0
_RESERVE_SHARE = 0.1
"""The time kept for the start of pods that turn out to be needed late: the smaller of 5 s and a
tenth of the time limit."""

_TOLERANCE_PODS = 0.25
"""The part of a pod that may be lacking. It grows as time runs out, and then a pod is added."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """How many pods are wanted, and why."""

    pods: int

    message: str | None = None
    """The numbers that the choice rests on, for the status."""

    seconds_per_item: float | None = None
    """The pod-seconds that an item takes; None while that is not known."""

    limit: int | None = None
    """How many may run; None: no more than are wanted."""

    @property
    def most(self) -> int:
        """How many pods may run."""
        return self.pods if self.limit is None else self.limit

    @property
    def items_ahead(self) -> int:
        """The items that so many pods do within the horizon, at least one each.

        4 pods at 2 s an item do 20 items in 10 s.
        """
        if not self.seconds_per_item:
            return self.pods
        return max(self.pods, int(self.pods * HORIZON_SECONDS / self.seconds_per_item))


def choose_scaling(
    observed: Observed, seconds_per_item: float | None, *, now: datetime
) -> Scaling | None:
    """Return how many pods are wanted; None without `autoscale` or while the depth is unknown."""
    autoscale, depth = observed.resource.spec.autoscale, observed.depth
    if autoscale is None or depth is None:
        return None
    most, kept = observed.resource.spec.parallelism, count_kept(observed.resource.spec)
    concurrency = observed.resource.spec.concurrency
    known = count_left(observed.jobs, depth, may_wait=kept > 0)
    # Where it is not known, the pods that are there have in hand all that does not rest.
    left = depth.delayed if known is None else known
    if depth.partitions is not None:
        most = min(most, -(-depth.partitions // concurrency))
    if not left or not most:
        none = "no item ready" if known is None else "no item left"
        return Scaling(kept, f"{none}; {_say_kept(kept)}" if kept else None, seconds_per_item)
    by_time = _by_time(observed, left, seconds_per_item, now)
    wishes = [*_by_items(autoscale, left), *by_time]
    at_once = f" at {concurrency} at once" if concurrency > 1 else ""
    unlimited = (-(-left // concurrency), f"{_say_left(left)}{at_once} {_need(left)}")
    pods, why = max(wishes or [unlimited], key=lambda wish: wish[0])
    chosen = max(1, min(pods, most))
    wanted = f"{chosen} of {most} pods" if pods <= most else f"{pods} pods, of which {most} may run"
    message = f"{why} {wanted}" + (f"; {_say_kept(kept)}" if kept > chosen else "")
    return Scaling(max(chosen, kept), message, seconds_per_item, limit=None if wishes else most)


def count_kept(spec: WorkQueueJobSpec) -> int:
    """Return how many pods are kept although nothing is ready."""
    if spec.autoscale is None or spec.run_policy is not RunPolicy.CONTINUOUS:
        return 0
    return min(spec.autoscale.min_parallelism, spec.parallelism)


def _say_kept(kept: int) -> str:
    return f"kept {kept} warm (minParallelism)"


def _say_left(left: int) -> str:
    return f"{count(left, 'item')} left"


def _need(left: int) -> str:
    return "needs" if left == 1 else "need"


def _by_items(autoscale: Autoscale, left: int) -> list[tuple[int, str]]:
    each = autoscale.items_per_worker
    if each is None:
        return []
    return [(-(-left // each), f"{_say_left(left)} at {each} a pod {_need(left)}")]


def _by_time(
    observed: Observed, left: int, seconds_per_item: float | None, now: datetime
) -> list[tuple[int, str]]:
    autoscale = observed.resource.spec.autoscale
    limit = autoscale.finish_within_seconds if autoscale else None
    if limit is None:
        return []
    to_go = limit - (now - _find_start(observed, now)).total_seconds()
    items, needed = _say_left(left), _need(left)
    if to_go <= 0:
        most = observed.resource.spec.parallelism
        return [(most, f"{items} and {-to_go:.0f} s too late {needed}")]
    if seconds_per_item is None:
        return [(1, f"{items} and {to_go:.0f} s to go; to see how long one takes, try")]
    usable = max(1.0, to_go - min(_RESERVE_SECONDS, _RESERVE_SHARE * limit))
    need = math.ceil(left * seconds_per_item / usable - _TOLERANCE_PODS)
    why = f"{items} at {seconds_per_item:.2f} s each and {to_go:.0f} s to go {needed}"
    return [(max(1, need), why)]


def _find_start(observed: Observed, now: datetime) -> datetime:
    status = observed.resource.status
    if observed.resource.spec.run_policy is RunPolicy.CONTINUOUS:
        period = status.current_busy_period
        return period.start_time if period else now
    return status.start_time or now
