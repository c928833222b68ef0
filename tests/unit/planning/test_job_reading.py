"""What planning takes from a Job's manifest."""

from typing import Any

import pytest

from tests.builders import NOON, a_job_manifest, after
from workqueuejob.planning.observing.jobs import count_indexes, read_job
from workqueuejob.planning.observing.observed import JobState


def a_condition(kind: str, *, reason: str = "R", status: str = "True") -> dict[str, Any]:
    time = "2026-01-01T12:00:05Z"
    return {"type": kind, "status": status, "reason": reason, "lastTransitionTime": time}


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 0), ("3", 1), ("1,3-5", 4), ("0-9", 10), ("1,2,7", 3), ("0,10-12,99", 5)],
)
def test_compressed_indexes_are_counted(text: str, count: int) -> None:
    assert count_indexes(text) == count


def test_numbers_are_taken_over() -> None:
    counters = {"active": 2, "ready": 1, "terminating": 3, "succeeded": 4, "failed": 5}
    job = read_job(a_job_manifest(4, status=counters | {"failedIndexes": "0,2-3"}))
    assert (job.wave, job.completions, job.parallelism) == (4, 5, 2)
    assert (job.active, job.ready, job.terminating) == (2, 1, 3)
    assert (job.succeeded, job.failed, job.failed_indexes) == (4, 5, 3)
    assert (job.created, job.resource_version) == (NOON, "7")


def test_new_job_has_done_nothing_yet() -> None:
    job = read_job(a_job_manifest())
    assert (job.active, job.succeeded, job.failed, job.open) == (0, 0, 0, 5)
    assert (job.state, job.suspended) == (JobState.RUNNING, False)


def test_suspended_job_is_seen_as_such() -> None:
    assert read_job(a_job_manifest(spec={"suspend": True})).suspended


@pytest.mark.parametrize(
    ("conditions", "state", "failure"),
    [
        pytest.param([], JobState.RUNNING, None, id="no condition"),
        pytest.param([a_condition("Suspended")], JobState.RUNNING, None, id="suspended"),
        pytest.param([a_condition("SuccessCriteriaMet")], JobState.ENDING, None, id="success"),
        pytest.param([a_condition("FailureTarget")], JobState.ENDING, "R", id="failure"),
        pytest.param(
            [a_condition("SuccessCriteriaMet"), a_condition("Complete")],
            JobState.COMPLETE,
            None,
            id="complete",
        ),
        pytest.param(
            [a_condition("FailureTarget"), a_condition("Failed")], JobState.FAILED, "R", id="failed"
        ),
        pytest.param(
            [a_condition("Complete", status="False")], JobState.RUNNING, None, id="not true"
        ),
    ],
)
def test_state_is_told_by_conditions(
    conditions: list[dict[str, Any]], state: JobState, failure: str | None
) -> None:
    job = read_job(a_job_manifest(status={"conditions": conditions}))
    assert (job.state, job.failure_reason) == (state, failure)


def test_only_running_jobs_have_open_completions() -> None:
    ending = {"conditions": [a_condition("SuccessCriteriaMet")]}
    assert read_job(a_job_manifest(status=ending)).open == 0


@pytest.mark.parametrize(
    ("reason", "ours"), [("QueueDrained", True), ("CompletionsReached", False)]
)
def test_our_own_decision_is_known_by_its_reason(reason: str, *, ours: bool) -> None:
    status = {"conditions": [a_condition("SuccessCriteriaMet", reason=reason)]}
    job = read_job(a_job_manifest(status=status))
    assert job.ended_by_us is ours
    assert job.ending_since == after(5)


@pytest.mark.parametrize("missing", ["labels", "name", "creationTimestamp"])
def test_job_that_is_not_ours_is_refused(missing: str) -> None:
    manifest = a_job_manifest()
    del manifest["metadata"][missing]
    with pytest.raises(KeyError):
        read_job(manifest)


def test_wave_that_is_no_number_is_refused() -> None:
    manifest = a_job_manifest()
    manifest["metadata"]["labels"]["wqj.dev/wave"] = "first"
    with pytest.raises(ValueError, match="first"):
        read_job(manifest)
