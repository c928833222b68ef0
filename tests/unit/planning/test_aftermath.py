"""A run that has ended: its status is a record, and a change of its spec starts nothing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import (
    a_depth,
    a_finished_job,
    a_job,
    a_template,
    a_work_queue_job,
    a_worker_spec,
    after,
    an_observation,
)
from tests.reckoning import build_status, plan
from workqueuejob.api import WorkQueueJobStatus
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.evidence.evidence import Evidence
from workqueuejob.planning.observing.observed import JobState
from workqueuejob.planning.rules.aftermath import hash_spec
from workqueuejob.planning.status.events import Event, build_events
from workqueuejob.planning.status.status import differs
from workqueuejob.planning.verdict import ConditionType, Progress, Verdict, find_condition

ENDS = {
    "Drained": Plan(Verdict(Progress.COMPLETE, "the queue was empty at the end", "Drained")),
    "NoProgress": Plan(Verdict(Progress.FAILED, "nothing was settled", "NoProgress")),
}
EDITS: dict[str, dict[str, Any]] = {
    "the template": {"template": a_template(priority=1)},
    "parallelism": {"parallelism": 9},
    "suspend": {"suspend": True},
    "runPolicy": {"run_policy": "Continuous"},
    "a worker": a_worker_spec(),
    "autoscale": {"autoscale": {"items_per_worker": 2}},
    "the host": {"rabbitmq": {"host": "other"}},
}
FOLLOWED: dict[str, dict[str, Any]] = {
    "ttl": {"ttl_seconds_after_finished": 60},
    "successful Jobs": {"successful_jobs_history_limit": 7},
    "failed Jobs": {"failed_jobs_history_limit": 7},
}


def an_ended_status(end: str = "Drained", **spec: Any) -> WorkQueueJobStatus:
    observed = an_observation(a_finished_job(), resource=a_work_queue_job(**spec))
    return build_status(observed, ENDS[end], now=after(60))


def reconcile(
    status: WorkQueueJobStatus, *, generation: int = 2, depth: Any = None, **spec: Any
) -> tuple[WorkQueueJobStatus, tuple[Event, ...]]:
    """Return the status for a changed spec, and what is told of it."""
    resource = a_work_queue_job(status=status, generation=generation, **spec)
    observed = an_observation(a_finished_job(), resource=resource, depth=depth or a_depth(100))
    decided = plan(observed, Evidence(), now=after(3600))
    assert decided.actions == ()
    new = build_status(observed, decided, now=after(3600))
    return new, build_events(status, new, decided)


def message_of(status: WorkQueueJobStatus, kind: ConditionType) -> str:
    condition = find_condition(status.conditions, kind)
    assert condition is not None
    return condition.message


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("edit", EDITS)
def test_change_that_starts_nothing_is_told_with_what_does(end: str, edit: str) -> None:
    status = an_ended_status(end)

    new, (event,) = reconcile(status, **EDITS[edit])

    message = message_of(new, ConditionType.PROGRESSING)
    assert message.startswith(
        f"the run ended at 2026-01-01T12:01:00Z ({end}), and spec was changed"
    )
    assert message.endswith("To run again, delete the WorkQueueJob and create it again")
    assert (event.type, event.reason, event.message) == ("Warning", "EndedRunChanged", message)
    kind = ConditionType.COMPLETE if end == "Drained" else ConditionType.FAILED
    assert message_of(new, kind) == ENDS[end].verdict.message


@pytest.mark.parametrize("edit", FOLLOWED)
def test_change_that_an_ended_run_follows_is_not_told(edit: str) -> None:
    new, events = reconcile(an_ended_status(), **FOLLOWED[edit])

    assert events == ()
    assert message_of(new, ConditionType.PROGRESSING) == "the queue was empty at the end"
    assert new.observed_generation == 2


def test_one_event_for_each_change_and_none_after_a_restart() -> None:
    first, events = reconcile(an_ended_status(), parallelism=9)
    assert len(events) == 1
    again, events = reconcile(first, parallelism=9)
    assert (again, events) == (first, ())
    other, events = reconcile(first, generation=3, parallelism=8)
    assert len(events) == 1
    assert not differs(
        first,
        other.model_copy(
            update={
                "observed_generation": 2,
                "conditions": first.conditions,
            }
        ),
    )


def test_change_that_is_taken_back_is_not_held_against_the_run() -> None:
    changed, _ = reconcile(an_ended_status(), parallelism=9)

    back, events = reconcile(changed, generation=3)

    assert events == ()
    assert message_of(back, ConditionType.PROGRESSING) == "the queue was empty at the end"


def test_end_that_an_older_operator_recorded_is_told_of_any_change() -> None:
    status = an_ended_status().model_copy(update={"spec_hash_at_end": None})

    _, events = reconcile(status, ttl_seconds_after_finished=60)

    assert [event.reason for event in events] == ["EndedRunChanged"]


def test_hash_is_the_same_with_defaults_that_are_spelled_out() -> None:
    assert hash_spec(a_work_queue_job(backoff_limit=6).spec) == hash_spec(a_work_queue_job().spec)
    assert hash_spec(a_work_queue_job(backoff_limit=7).spec) != hash_spec(a_work_queue_job().spec)


@given(
    end=st.sampled_from(sorted(ENDS)),
    edit=st.sampled_from([*EDITS.values(), *FOLLOWED.values(), {}]),
    generation=st.integers(1, 5),
    ready=st.integers(0, 200),
    in_flight=st.none() | st.integers(0, 9),
    succeeded=st.integers(0, 9),
    is_unfinished=st.booleans(),
)
def test_no_edit_and_no_item_changes_the_record_of_an_ended_run(
    *,
    end: str,
    edit: dict[str, Any],
    generation: int,
    ready: int,
    in_flight: int | None,
    succeeded: int,
    is_unfinished: bool,
) -> None:
    status = an_ended_status(end)
    state = JobState.RUNNING if is_unfinished else JobState.COMPLETE
    jobs = (a_job(1, state=state, succeeded=succeeded), a_job(2, active=1))
    resource = a_work_queue_job(status=status, generation=generation, **edit)
    depth = a_depth(ready, in_flight)
    observed = an_observation(*jobs, resource=resource, depth=depth)
    decided = plan(observed, Evidence(), now=after(9000))

    new = build_status(observed, decided, now=after(9000))

    meant = {"observed_generation", "conditions"}
    assert new.model_dump(exclude=meant) == status.model_dump(exclude=meant)
    assert new.observed_generation == generation
    facts = [(c.type, c.status, c.reason, c.last_transition_time) for c in status.conditions]
    assert [(c.type, c.status, c.reason, c.last_transition_time) for c in new.conditions] == facts
