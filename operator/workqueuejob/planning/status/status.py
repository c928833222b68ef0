"""Builds the status that follows from a plan and an observation. Writes nothing.

A number that is not known stays as it was, so a failed measurement changes no number.
"""

from datetime import datetime, timedelta

from workqueuejob.api import WorkQueueJobStatus
from workqueuejob.api.autoscale import ScalingStatus
from workqueuejob.api.busy_period import BusyPeriod
from workqueuejob.api.status import (
    Decision,
    ItemsStatus,
    JobStatus,
    PodsStatus,
    QueueStatus,
)
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.brokers.retries import list_delays
from workqueuejob.brokers.traits import queue_address
from workqueuejob.names import NAME_LABEL
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.ledger.books import Books, doubt_items
from workqueuejob.planning.ledger.items import count_settled
from workqueuejob.planning.ledger.periods import PeriodEnd, describe_progress, follow_period
from workqueuejob.planning.ledger.run import count_job
from workqueuejob.planning.ledger.spans import read_span, write_span
from workqueuejob.planning.observing.observed import Observed, count_active, count_open
from workqueuejob.planning.rules.aftermath import build_ended_status, hash_spec
from workqueuejob.planning.status.conditions import build_conditions
from workqueuejob.planning.verdict import Progress, find_end

_TIME_FIELDS = {"items_per_minute", "estimated_completion_time", "scaling"}
"""The fields that change with the clock alone, and are no reason to write."""


def build_status(
    observed: Observed, plan: Plan, *, books: Books, now: datetime
) -> WorkQueueJobStatus:
    """Return the whole new status. The status of an ended run is a record, and stays one.

    observed: with the Jobs as they are after the plan was carried out.
    books: of this very observation.
    """
    previous, resource = observed.resource.status, observed.resource
    if find_end(previous.conditions) is not None:
        return build_ended_status(resource)
    ledger, items = books.ledger, doubt_items(observed, books, plan.doubt)
    ended = plan.verdict.progress == Progress.COMPLETE
    period_end = plan.period_end or (PeriodEnd(now) if plan.verdict.is_end else None)
    current, last = follow_period(observed, ledger, items, end=period_end, now=now)
    period = current or last
    status = previous.model_copy(
        update={
            "observed_generation": resource.metadata.generation,
            "conditions": build_conditions(observed, plan, now=now),
            "selector": f"{NAME_LABEL}={resource.metadata.name}",
            "progress": _describe_progress(items, period) or previous.progress,
            "queue": _build_queue(observed, plan, items),
            "items": items or previous.items,
            "counted": ledger.counted if _counts_items(observed) else None,
            "pods": PodsStatus(
                active=count_active(observed.jobs),
                succeeded=ledger.succeeded,
                failed=ledger.failed,
            ),
            "desired_parallelism": _desired_parallelism(observed, plan),
            "scaling": _build_scaling(observed, plan),
            "jobs": _build_jobs(observed),
            "waves": ledger.waves,
            "waves_without_progress": _first_known(
                plan.futile_waves, previous.waves_without_progress
            ),
            "current_busy_period": current,
            "last_busy_period": last,
            **_build_start(observed, items, now=now),
            "completion_time": now if ended else None,
            "spec_hash_at_end": hash_spec(resource.spec) if plan.verdict.is_end else None,
            "last_decision": _build_decision(previous, plan, now=now),
        }
    )
    forecast = _forecast_period(period, now) if period else _forecast(status, plan, now)
    return status.model_copy(update=forecast)


def differs(old: WorkQueueJobStatus, new: WorkQueueJobStatus) -> bool:
    """Return whether the new status is worth a write: more than the clock has moved on."""
    return old.model_dump(exclude=_TIME_FIELDS) != new.model_dump(exclude=_TIME_FIELDS)


def _build_queue(observed: Observed, plan: Plan, items: ItemsStatus | None) -> QueueStatus:
    previous = observed.resource.status.queue or QueueStatus()
    address = queue_address(observed.resource.spec.queue)
    measurement, depth = observed.measurement, observed.depth
    delays = list_delays(observed.resource)
    span = plan.span or read_span(observed.resource)
    offsets = write_span(span) if span else None
    if measurement is None or depth is None:
        return previous.model_copy(
            update={"address": address, "retry_delays_seconds": delays, "offsets": offsets}
        )
    queue = QueueStatus(
        address=address,
        retry_delays_seconds=delays,
        ready=depth.ready,
        in_flight=depth.in_flight_known,
        delayed=depth.delayed if observed.resource.spec.worker else None,
        dead_lettered=depth.dead_lettered,
        dead_lettered_at_start=_count_foreign_dead(observed, depth, items),
        offsets=offsets,
        later=depth.later,
        removed=depth.removed or None,
        precision=depth.precision,
        observed_time=previous.observed_time,
    )
    if queue == previous:
        return previous
    return queue.model_copy(update={"observed_time": measurement.time})


def _count_foreign_dead(
    observed: Observed, depth: QueueDepth, items: ItemsStatus | None
) -> int | None:
    """Return the number of items in the dead-letter target that are not of this run.

    They can be counted only while none of the run's pods runs. Meanwhile the last number stays.
    """
    status = observed.resource.status
    if depth.dead_lettered is None or (observed.unfinished and status.waves):
        return status.queue.dead_lettered_at_start if status.queue else None
    ours = (items.dead_lettered or 0) if items else 0
    return max(0, depth.dead_lettered - ours)


def _describe_progress(items: ItemsStatus | None, period: BusyPeriod | None) -> str | None:
    if period is not None:
        return describe_progress(period)
    return f"{count_settled(items)}/{items.total}" if items else None


def _counts_items(observed: Observed) -> bool:
    return observed.resource.spec.worker is not None


def _build_jobs(observed: Observed) -> tuple[JobStatus, ...]:
    recorded = {job.wave: job for job in observed.resource.status.jobs}
    return tuple(
        JobStatus(
            name=job.name,
            wave=job.wave,
            completions=job.completions,
            parallelism=job.parallelism,
            active=job.active,
            succeeded=job.succeeded,
            failed=job.failed,
            items=count_job(job, recorded.get(job.wave)) if _counts_items(observed) else None,
            deleted=job.deleted or None,
        )
        for job in observed.listed
    )


def _build_scaling(observed: Observed, plan: Plan) -> ScalingStatus | None:
    """Return the numbers of the last choice; they stay while the queue can't be measured."""
    if observed.resource.spec.autoscale is None:
        return None
    if plan.scaling is None:
        return observed.resource.status.scaling
    seconds = plan.scaling.seconds_per_item
    return ScalingStatus(
        seconds_per_item=None if seconds is None else f"{seconds:.2f}",
        message=plan.scaling.message,
    )


def _desired_parallelism(observed: Observed, plan: Plan) -> int:
    spec = observed.resource.spec
    if spec.suspend:
        return 0
    if plan.scaling is not None:
        return plan.scaling.pods
    return min(spec.parallelism, count_open(observed.jobs))


def _build_start(
    observed: Observed, items: ItemsStatus | None, *, now: datetime
) -> dict[str, object]:
    """Return when the run was started or resumed, and with how many items done."""
    status = observed.resource.status
    if observed.resource.spec.suspend:
        return {"start_time": None, "succeeded_before_start": None}
    if status.start_time is not None:
        return {}
    succeeded = (items or status.items or ItemsStatus()).succeeded
    return {"start_time": now, "succeeded_before_start": succeeded or None}


def _build_decision(previous: WorkQueueJobStatus, plan: Plan, *, now: datetime) -> Decision | None:
    if plan.decision is None:
        return previous.last_decision
    return Decision(time=now, message=plan.decision)


def _forecast_period(period: BusyPeriod, now: datetime) -> dict[str, object]:
    """Return the rate of a busy period; a Continuous run has no end to forecast."""
    minutes = ((period.end_time or now) - period.start_time).total_seconds() / 60
    rate = (period.succeeded or 0) / minutes if minutes > 0 else 0.0
    return {"items_per_minute": f"{rate:.1f}" if rate else None, "estimated_completion_time": None}


def _forecast(status: WorkQueueJobStatus, plan: Plan, now: datetime) -> dict[str, object]:
    """Return the rate over the whole run and, while it goes on, the end at that rate."""
    items, start = status.items, status.start_time
    if status.completion_time is not None:
        now = status.completion_time
    minutes = (now - start).total_seconds() / 60 if start else 0.0
    succeeded = ((items.succeeded if items else None) or 0) - (status.succeeded_before_start or 0)
    if not items or succeeded <= 0 or minutes <= 0:
        return {"items_per_minute": None, "estimated_completion_time": None}
    rate = succeeded / minutes
    remaining = items.remaining or 0
    is_coming = remaining and plan.verdict.is_progressing
    end = now + timedelta(minutes=remaining / rate) if is_coming else None
    return {"items_per_minute": f"{rate:.1f}", "estimated_completion_time": end}


def _first_known(*numbers: int | None) -> int | None:
    return next((number for number in numbers if number is not None), None)
