"""The conditions that a person or `kubectl wait` looks at."""

import pytest

from tests.builders import (
    a_depth,
    a_job,
    a_work_queue_job,
    after,
    an_observation,
    an_unmeasured_observation,
)
from workqueuejob.api import Condition, ConditionStatus, WorkQueueJobStatus
from workqueuejob.brokers.depth import DepthWarning
from workqueuejob.errors import ConnectionFailed, MeasurementUnreliable, QueueNotFound
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.observing.observed import Observed
from workqueuejob.planning.status.conditions import build_conditions
from workqueuejob.planning.verdict import Progress, Verdict

WORKING = Plan(Verdict(Progress.WORKING, "at work"))


def conditions_of(
    observed: Observed, decided: Plan = WORKING, *, at: float = 0
) -> dict[str, Condition]:
    return {c.type: c for c in build_conditions(observed, decided, now=after(at))}


def with_conditions(*conditions: Condition) -> WorkQueueJobStatus:
    return WorkQueueJobStatus(conditions=conditions)


@pytest.mark.parametrize(
    ("observed", "status", "reason"),
    [
        pytest.param(an_observation(), "True", "Measured", id="measured"),
        pytest.param(an_unmeasured_observation(), "Unknown", "NotMeasured", id="not yet"),
        pytest.param(
            an_observation(depth=a_depth(warning=DepthWarning("ManagementLags", "…"))),
            "True",
            "ManagementLags",
            id="measured with a warning",
        ),
        pytest.param(
            an_observation(depth=QueueNotFound("no queue")), "False", "QueueNotFound", id="an error"
        ),
        pytest.param(
            an_observation(depth=MeasurementUnreliable("below zero")),
            "Unknown",
            "MeasurementUnreliable",
            id="an answer that can't be true",
        ),
    ],
)
def test_queue_reachable_tells_how_measuring_went(
    observed: Observed, status: str, reason: str
) -> None:
    condition = conditions_of(observed)["QueueReachable"]
    assert (condition.status, condition.reason) == (status, reason)


def test_message_has_no_numbers_that_would_change_with_every_item() -> None:
    messages = [
        conditions_of(an_observation(depth=a_depth(n)))["QueueReachable"].message for n in (1, 2)
    ]
    assert messages[0] == messages[1]


@pytest.mark.parametrize(
    ("progress", "status"),
    [
        (Progress.WORKING, "True"),
        (Progress.WAITING_FOR_ITEMS, "True"),
        (Progress.VERIFYING_DRAINED, "True"),
        (Progress.SUSPENDED, "False"),
        (Progress.QUEUE_UNAVAILABLE, "False"),
        (Progress.PODS_NOT_STARTING, "False"),
        (Progress.SURPLUS_PODS_WAITING, "False"),
        ("TemplateInvalid", "False"),
    ],
)
def test_progressing_is_false_when_a_person_is_needed(progress: str, status: str) -> None:
    found = conditions_of(an_observation(), Plan(Verdict(progress, "…")))
    assert (found["Progressing"].status, found["Progressing"].reason) == (status, progress)
    assert found.keys() == {"QueueReachable", "Progressing"}


@pytest.mark.parametrize("kind", ["Complete", "Failed"])
def test_end_is_a_condition_of_its_own(kind: str) -> None:
    found = conditions_of(an_observation(), Plan(Verdict(kind, "over", "Reason")))
    assert (found[kind].status, found[kind].reason) == ("True", "Reason")
    assert (found["Progressing"].status, found["Progressing"].reason) == ("False", kind)


def test_run_that_ended_says_no_more_of_its_queue() -> None:
    first = build_conditions(an_observation(), WORKING, now=after(0))
    resource = a_work_queue_job(status=with_conditions(*first))
    ended = Plan(Verdict("Complete", "over", "Drained"))
    observed = an_observation(depth=ConnectionFailed("refused"), resource=resource)
    assert conditions_of(observed, ended)["QueueReachable"].reason == "Measured"


def test_transition_time_moves_with_the_status_alone() -> None:
    first = build_conditions(an_observation(), WORKING, now=after(0))
    resource = a_work_queue_job(status=with_conditions(*first), generation=4)
    verifying = Plan(Verdict(Progress.VERIFYING_DRAINED, "…"))
    observed = an_observation(depth=ConnectionFailed("refused"), resource=resource)
    found = conditions_of(observed, verifying, at=9)
    assert found["Progressing"].last_transition_time == after(0)
    assert found["Progressing"].reason == "VerifyingDrained"
    assert found["Progressing"].observed_generation == 4
    assert found["QueueReachable"].last_transition_time == after(9)


def test_features_that_workers_lack_are_named_until_workers_know_them() -> None:
    resource = a_work_queue_job()
    for job, status, reason, named in [
        (a_job(), None, "", ""),
        (a_job(lacks=("retry.x",)), "True", "FeaturesUnknown", "goes on without retry.x"),
        (a_job(), "True", "FeaturesUnknown", "goes on without retry.x"),
        (a_job(lacks=()), "False", "FeaturesKnown", "know every feature"),
    ]:
        conditions = build_conditions(an_observation(job, resource=resource), WORKING, now=after(0))
        resource = a_work_queue_job(status=with_conditions(*conditions))
        found = next((c for c in conditions if c.type == "WorkerOutdated"), None)
        assert (found and found.status) == status
        assert (found.reason if found else "") == reason
        assert named in (found.message if found else "")


def test_condition_of_somebody_else_is_kept() -> None:
    foreign = Condition(
        type="Audited",
        status=ConditionStatus.TRUE,
        reason="Fine",
        message="",
        last_transition_time=after(0),
    )
    resource = a_work_queue_job(status=with_conditions(foreign))
    assert conditions_of(an_observation(resource=resource), at=9)["Audited"] == foreign
