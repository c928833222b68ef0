"""The Events that tell a run as a story."""

import pytest

from tests.builders import a_depth, a_work_queue_job, after, an_observation
from tests.reckoning import build_status
from workqueuejob.api import Condition, ConditionStatus, WorkQueueJobStatus
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.errors import ConnectionFailed
from workqueuejob.planning.actions import (
    Action,
    CreateWave,
    EndJob,
    RaiseParallelism,
    SetSuspend,
)
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.status.events import Event, EventType, build_events
from workqueuejob.planning.verdict import Progress, Verdict

WORKING = Plan(Verdict(Progress.WORKING, "at work"))
REFUSED = ConnectionFailed("mq:5672: refused")


def status_of(
    decided: Plan = WORKING,
    *,
    before: WorkQueueJobStatus | None = None,
    depth: QueueDepth | ConnectionFailed | None = None,
) -> WorkQueueJobStatus:
    observed = an_observation(resource=a_work_queue_job(status=before), depth=depth)
    return build_status(observed, decided, now=after(0))


def events_after(
    before: WorkQueueJobStatus,
    decided: Plan = WORKING,
    *,
    depth: QueueDepth | ConnectionFailed | None = None,
) -> tuple[Event, ...]:
    return build_events(before, status_of(decided, before=before, depth=depth), decided)


@pytest.mark.parametrize(
    ("action", "reason", "verb"),
    [
        (CreateWave(1, 1, 1), "WaveCreated", "CreateJob"),
        (RaiseParallelism("x", 2, "1"), "ParallelismRaised", "PatchJob"),
        (SetSuspend("x", True, "1"), "WavesSuspended", "PatchJob"),
        (SetSuspend("x", False, "1"), "WavesResumed", "PatchJob"),
        (EndJob("x", True, "QueueDrained", "", "1"), "SurplusEnded", "EndJob"),
        (EndJob("x", False, "TemplateChanged", "", "1"), "TemplateChanged", "EndJob"),
    ],
)
def test_what_was_done_is_told_with_its_decision(action: Action, reason: str, verb: str) -> None:
    decided = Plan(WORKING.verdict, (action,), "because")
    assert events_after(status_of(), decided) == (Event(EventType.NORMAL, reason, verb, "because"),)


def test_actions_without_a_decision_are_not_told() -> None:
    assert events_after(status_of(), Plan(WORKING.verdict, (RaiseParallelism("x", 2, "1"),))) == ()


def test_nothing_is_told_twice() -> None:
    assert events_after(status_of()) == ()
    lost = status_of(depth=REFUSED)
    assert events_after(lost, depth=REFUSED) == ()


def test_first_success_is_no_news() -> None:
    assert events_after(WorkQueueJobStatus()) == ()


def test_lost_queue_is_a_warning_and_its_return_is_told() -> None:
    (lost,) = events_after(status_of(), depth=REFUSED)
    assert (lost.type, lost.reason, lost.message) == ("Warning", "ConnectionFailed", str(REFUSED))
    (found,) = events_after(status_of(depth=REFUSED), depth=a_depth())
    assert (found.type, found.reason) == ("Normal", "QueueReachable")


@pytest.mark.parametrize(
    ("progress", "end", "expected"),
    [
        (Progress.SUSPENDED, None, [("Normal", "Suspended")]),
        (Progress.VERIFYING_DRAINED, None, [("Normal", "VerifyingDrained")]),
        (Progress.PODS_NOT_STARTING, None, [("Warning", "PodsNotStarting")]),
        (Progress.SURPLUS_PODS_WAITING, None, [("Warning", "SurplusPodsWaiting")]),
        ("JobRejected", None, [("Warning", "JobRejected")]),
        (Progress.QUEUE_UNAVAILABLE, None, []),
        (Progress.WAITING_FOR_ITEMS, None, []),
        (Progress.COMPLETE, "Drained", [("Normal", "Complete")]),
        (Progress.FAILED, "NoProgress", [("Warning", "NoProgress")]),
    ],
)
def test_turn_of_the_story_is_told_once(
    progress: str, end: str | None, expected: list[tuple[str, str]]
) -> None:
    events = events_after(status_of(), Plan(Verdict(progress, "…", end)))
    assert [(event.type.value, event.reason) for event in events] == expected


def test_condition_of_somebody_else_is_not_ours_to_tell() -> None:
    foreign = Condition(
        type="Audited",
        status=ConditionStatus.TRUE,
        reason="Fine",
        message="",
        last_transition_time=after(0),
    )
    before = status_of()
    before = before.model_copy(update={"conditions": (*before.conditions, foreign)})
    assert events_after(before) == ()
