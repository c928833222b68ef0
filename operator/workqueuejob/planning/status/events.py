"""Builds the Events, which show a run step by step in `kubectl describe`. Writes nothing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from workqueuejob.api.status import Condition, ConditionStatus, WorkQueueJobStatus
from workqueuejob.planning.actions import (
    Action,
    CreateWave,
    DeleteJob,
    EndJob,
    GrowWave,
    RaiseParallelism,
    SetSuspend,
)
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.rules.aftermath import find_vain_edit
from workqueuejob.planning.verdict import QUEUE_DRAINED, ConditionType, Progress


class EventType(StrEnum):
    """Whether a person should look into it."""

    NORMAL = "Normal"
    WARNING = "Warning"


@dataclass(frozen=True, slots=True)
class Event:
    """One Event of a WorkQueueJob."""

    type: EventType
    reason: str

    action: str
    """What the operator did or tried, as a CamelCase verb."""

    message: str

    is_once: bool = False
    """Whether its name follows from object, reason and message. Then it exists once, however often
    it is written, and by however many processes."""


ENDED_RUN_CHANGED = "EndedRunChanged"
"""The reason of the Event about a change of spec to which an ended run does nothing."""

_TOLD_OTHERWISE = frozenset({Progress.QUEUE_UNAVAILABLE, Progress.COMPLETE, Progress.FAILED})
"""Reasons of Progressing that get no Event, because another condition has a better one."""


def build_events(old: WorkQueueJobStatus, new: WorkQueueJobStatus, plan: Plan) -> tuple[Event, ...]:
    """Return the Events to write once the new status has been written."""
    return (*_tell_actions(plan), *_tell_conditions(old, new), *_tell_vain_edit(old, new))


def _tell_actions(plan: Plan) -> Iterator[Event]:
    if plan.actions and plan.decision is not None:
        reason, action = _words_of(plan.actions[-1])
        yield Event(EventType.NORMAL, reason, action, plan.decision)


def _tell_vain_edit(old: WorkQueueJobStatus, new: WorkQueueJobStatus) -> Iterator[Event]:
    message = find_vain_edit(old, new)
    if message is not None:
        yield Event(EventType.WARNING, ENDED_RUN_CHANGED, "Reconcile", message)


def _words_of(action: Action) -> tuple[str, str]:
    match action:
        case CreateWave():
            return "WaveCreated", "CreateJob"
        case RaiseParallelism():
            return "ParallelismRaised", "PatchJob"
        case GrowWave():
            return "WaveGrown", "PatchJob"
        case SetSuspend(suspend=True):
            return "WavesSuspended", "PatchJob"
        case SetSuspend():
            return "WavesResumed", "PatchJob"
        case EndJob(reason=reason) if reason == QUEUE_DRAINED:
            return "SurplusEnded", "EndJob"
        case EndJob(reason=reason):
            return reason, "EndJob"
        case DeleteJob():
            return "WaveWithdrawn", "DeleteJob"
        case _:
            assert_never(action)


def _tell_conditions(old: WorkQueueJobStatus, new: WorkQueueJobStatus) -> Iterator[Event]:
    before = {condition.type: condition for condition in old.conditions}
    for condition in new.conditions:
        known = before.get(condition.type)
        if known is None or _essence(known) != _essence(condition):
            yield from _TELLERS[ConditionType(condition.type)](condition, known)


def _essence(condition: Condition) -> tuple[ConditionStatus, str]:
    return condition.status, condition.reason


def _tell_reachable(condition: Condition, known: Condition | None) -> Iterator[Event]:
    if condition.reason == "NotMeasured":
        return
    if condition.reason != "Measured":
        yield _event(condition, EventType.WARNING, "MeasureQueue")
    elif known is not None and known.status is ConditionStatus.FALSE:
        yield _event(condition, EventType.NORMAL, "MeasureQueue", reason="QueueReachable")


def _tell_progressing(condition: Condition, _known: Condition | None) -> Iterator[Event]:
    if condition.reason in {Progress.SUSPENDED, Progress.VERIFYING_DRAINED}:
        yield _event(condition, EventType.NORMAL, "Reconcile")
    elif condition.status is ConditionStatus.FALSE and condition.reason not in _TOLD_OTHERWISE:
        yield _event(condition, EventType.WARNING, "Reconcile")


def _tell_complete(condition: Condition, _known: Condition | None) -> Iterator[Event]:
    yield _event(condition, EventType.NORMAL, "Complete", reason="Complete")


def _tell_failed(condition: Condition, _known: Condition | None) -> Iterator[Event]:
    yield _event(condition, EventType.WARNING, "Fail")


_TELLERS: dict[ConditionType, Callable[[Condition, Condition | None], Iterator[Event]]] = {
    ConditionType.QUEUE_REACHABLE: _tell_reachable,
    ConditionType.PROGRESSING: _tell_progressing,
    ConditionType.COMPLETE: _tell_complete,
    ConditionType.FAILED: _tell_failed,
}


def _event(
    condition: Condition, kind: EventType, action: str, *, reason: str | None = None
) -> Event:
    return Event(kind, reason or condition.reason, action, condition.message)
