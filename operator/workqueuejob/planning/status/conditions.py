"""Builds the conditions, which people and `kubectl wait` look at. Writes nothing."""

from collections.abc import Iterator
from datetime import datetime
from typing import assert_never

from workqueuejob.api.status import Condition, ConditionStatus
from workqueuejob.brokers.depth import DepthWarning, QueueDepth
from workqueuejob.brokers.traits import queue_address
from workqueuejob.contract.features import describe_lacking
from workqueuejob.errors import MeasurementUnreliable, QueueError
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.observing.observed import Observed
from workqueuejob.planning.verdict import ConditionType, Progress, find_condition
from workqueuejob.planning.words import measuring as words
from workqueuejob.planning.words import spans as log_messages
from workqueuejob.planning.words.messages import NOT_MEASURED

LAG_UNREACHABLE = "LagUnreachable"
FEATURES_UNKNOWN = "FeaturesUnknown"
FEATURES_KNOWN = "FeaturesKnown"


def build_conditions(observed: Observed, plan: Plan, *, now: datetime) -> tuple[Condition, ...]:
    """Return the new conditions; a transition time moves only when the status does."""
    resource = observed.resource
    old = {condition.type: condition for condition in resource.status.conditions}
    new = {
        condition_type: Condition(
            type=condition_type,
            status=status,
            reason=reason,
            message=message,
            observed_generation=resource.metadata.generation,
            last_transition_time=now,
        )
        for condition_type, status, reason, message in _decide(observed, plan)
    }
    return tuple(_keep_transition_time(old.get(key), value) for key, value in new.items()) + tuple(
        condition for key, condition in old.items() if key not in new
    )


_Decided = tuple[ConditionType, ConditionStatus, str, str]


def _decide(observed: Observed, plan: Plan) -> Iterator[_Decided]:
    verdict = plan.verdict
    if not verdict.is_end or not observed.resource.status.conditions:
        yield _decide_reachable(observed, plan)
    progressing = ConditionStatus.TRUE if verdict.is_progressing else ConditionStatus.FALSE
    yield ConditionType.PROGRESSING, progressing, verdict.progress, verdict.message
    if verdict.end_reason is not None:
        end = (
            ConditionType.COMPLETE
            if verdict.progress == Progress.COMPLETE
            else ConditionType.FAILED
        )
        yield end, ConditionStatus.TRUE, verdict.end_reason, verdict.message
    yield from _decide_outdated(observed)


def _decide_outdated(observed: Observed) -> Iterator[_Decided]:
    """Say which features the workers lack, and later that they lack none; otherwise nothing."""
    kind, known = ConditionType.WORKER_OUTDATED, observed.resource.status.conditions
    reported = [job.lacks for job in observed.jobs if job.lacks is not None]
    if lacks := sorted({name for names in reported for name in names}):
        yield kind, ConditionStatus.TRUE, FEATURES_UNKNOWN, describe_lacking(lacks)
    elif reported and find_condition(known, kind) is not None:
        message = "the workers know every feature that the operator asks them for"
        yield kind, ConditionStatus.FALSE, FEATURES_KNOWN, message


def _decide_reachable(observed: Observed, plan: Plan) -> _Decided:
    kind = ConditionType.QUEUE_REACHABLE
    result = observed.measurement.result if observed.measurement else None
    match result:
        case None:
            return kind, ConditionStatus.UNKNOWN, "NotMeasured", NOT_MEASURED
        case QueueDepth(warning=DepthWarning() as warning):
            return kind, ConditionStatus.TRUE, warning.reason, warning.message
        case QueueDepth() as depth if _is_lag_unreachable(observed, plan, depth):
            return kind, ConditionStatus.TRUE, LAG_UNREACHABLE, log_messages.unreachable(depth)
        case QueueDepth():
            address = queue_address(observed.resource.spec.queue)
            seconds = observed.measurement.interval_seconds if observed.measurement else 0
            return kind, ConditionStatus.TRUE, "Measured", words.measured(address, seconds)
        case MeasurementUnreliable() as error:
            return kind, ConditionStatus.UNKNOWN, error.reason, str(error)
        case QueueError() as error:
            return kind, ConditionStatus.FALSE, error.reason, str(error)
        case _:
            assert_never(result)


def _is_lag_unreachable(observed: Observed, plan: Plan, depth: QueueDepth) -> bool:
    """Return whether a foreign program may be done although its group still seems to be behind.

    The last records of a log may be no items, such as the markers of transactions. A worker commits
    past them; another program may not.
    """
    may_be_done = depth.log is not None and observed.resource.spec.worker is None and depth.left > 0
    futile_waves = plan.futile_waves
    if futile_waves is None:
        futile_waves = observed.resource.status.waves_without_progress
    return may_be_done and bool(plan.doubt.doubtful or futile_waves)


def _keep_transition_time(old: Condition | None, new: Condition) -> Condition:
    if old is None or old.status is not new.status:
        return new
    return new.model_copy(update={"last_transition_time": old.last_transition_time})
