"""Follows the busy periods of a Continuous run: from the first item to a queue proved empty.

A run that never ends counts failures from zero in each period. The patch that records a period's
first wave also records the run's counters before it, and the difference is what the period did.
"""

from dataclasses import dataclass
from datetime import datetime

from workqueuejob.api import ItemsStatus, WorkQueueJob, WorkQueueJobStatus
from workqueuejob.api.busy_period import BusyPeriod, CountsBefore
from workqueuejob.api.spec import RunPolicy
from workqueuejob.planning.ledger.items import count_settled
from workqueuejob.planning.ledger.run import Ledger
from workqueuejob.planning.observing.observed import Observed


@dataclass(frozen=True, slots=True)
class PeriodEnd:
    """The end of a busy period."""

    time: datetime

    is_given_up: bool = False
    """Whether it ended because too many pods had failed."""


def counts_before(resource: WorkQueueJob) -> CountsBefore:
    """Return the counters before the current or next period; zeros for a run without periods."""
    status = resource.status
    if status.current_busy_period is not None:
        return status.current_busy_period.before or CountsBefore()
    return _count_all(status) if _has_periods(resource) else CountsBefore()


def count_failed(resource: WorkQueueJob, ledger: Ledger) -> int:
    """Return the failed pods that count towards `backoffLimit`."""
    return max(0, ledger.failed - counts_before(resource).pods_failed)


def count_since(items: ItemsStatus, before: CountsBefore) -> ItemsStatus:
    """Return the items without those that had been settled before."""
    settled = count_settled(before)
    return items.model_copy(
        update={
            "total": max(0, (items.total or 0) - settled),
            "succeeded": _without(items.succeeded, before.succeeded),
            "dead_lettered": _without(items.dead_lettered, before.dead_lettered),
            "discarded": _without(items.discarded, before.discarded),
        }
    )


def follow_period(
    observed: Observed,
    ledger: Ledger,
    items: ItemsStatus | None,
    *,
    end: PeriodEnd | None,
    now: datetime,
) -> tuple[BusyPeriod | None, BusyPeriod | None]:
    """Return the current and the last period from now on.

    items: those of the whole run; None while the depth is unknown.
    end: that of the current period, if it is over.
    """
    status = observed.resource.status
    current, last = status.current_busy_period, status.last_busy_period
    if current is None:
        if end is not None or not _has_periods(observed.resource) or not _is_busy(observed, items):
            return None, last
        current = BusyPeriod(start_time=now, before=_count_all(status))
    current = _count_on(current, ledger, items)
    if end is None:
        return current, last
    before = (last.given_up if last else None) or 0
    given_up = before + 1 if end.is_given_up else None
    return None, current.model_copy(
        update={"end_time": end.time, "given_up": given_up, "before": None}
    )


def describe_progress(period: BusyPeriod) -> str:
    """Return items settled of items seen, as in "3/8"."""
    return f"{count_settled(period)}/{period.items or 0}"


def _has_periods(resource: WorkQueueJob) -> bool:
    """Return whether the run is Continuous, or was."""
    status = resource.status
    return (
        resource.spec.run_policy is RunPolicy.CONTINUOUS
        or status.current_busy_period is not None
        or status.last_busy_period is not None
    )


def _is_busy(observed: Observed, items: ItemsStatus | None) -> bool:
    """Return whether there is, or was a moment ago, anything to do.

    Pods that are kept warm and hold no item don't count.
    """
    depth = observed.depth
    if depth is None:
        return False
    is_at_work = any(not job.is_warm for job in observed.unfinished)
    return bool(depth.ready or depth.delayed) or is_at_work or _is_warm_pod_busy(observed, items)


def _is_warm_pod_busy(observed: Observed, items: ItemsStatus | None) -> bool:
    """Return whether a warm pod holds an item, or has settled one between two measurements."""
    if not observed.warm or observed.depth is None:
        return False
    known = observed.resource.status.items or ItemsStatus()
    is_news = items is not None and count_settled(items) > count_settled(known)
    return bool(observed.depth.in_flight_known) or is_news


def _count_all(status: WorkQueueJobStatus) -> CountsBefore:
    items, pods = status.items or ItemsStatus(), status.pods
    return CountsBefore(
        succeeded=items.succeeded or 0,
        dead_lettered=items.dead_lettered or 0,
        discarded=items.discarded or 0,
        waves=status.waves or 0,
        pods_failed=(pods.failed if pods else None) or 0,
    )


def _count_on(period: BusyPeriod, ledger: Ledger, items: ItemsStatus | None) -> BusyPeriod:
    before = period.before or CountsBefore()
    counted = period.model_copy(
        update={
            "waves": max(0, ledger.waves - before.waves),
            "pods_failed": max(0, ledger.failed - before.pods_failed),
        }
    )
    if items is None:
        return counted
    since = count_since(items, before)
    return counted.model_copy(
        update={
            "items": since.total,
            "succeeded": since.succeeded,
            "dead_lettered": since.dead_lettered,
            "discarded": since.discarded,
        }
    )


def _without(number: int | None, before: int) -> int | None:
    return None if number is None else max(0, number - before)
