"""Jobs that Kueue admits: created suspended, and left to it."""

from dataclasses import replace
from typing import Any

import pytest

from tests.builders import (
    a_depth,
    a_job,
    a_job_manifest,
    a_streak,
    a_work_queue_job,
    a_worker_spec,
    after,
    an_observation,
)
from tests.reckoning import build_status, plan
from workqueuejob.api import JobStatus, WorkQueueJobStatus
from workqueuejob.names import KUEUE_LABEL
from workqueuejob.planning.actions import CreateWave, DeleteJob, EndJob
from workqueuejob.planning.decision import RECHECK_SECONDS, Plan
from workqueuejob.planning.evidence.evidence import Evidence
from workqueuejob.planning.observing.jobs import read_job
from workqueuejob.planning.observing.observed import ObservedJob
from workqueuejob.planning.pods.job_manifest import WorkerImage, build_job, hash_template
from workqueuejob.planning.verdict import RUN_SUSPENDED, Progress

LABELS: dict[str, Any] = {"job_metadata": {"labels": {KUEUE_LABEL: "team-a"}}}


def decide(*jobs: ObservedJob, ready: int = 0, in_flight: int = 0, **spec: Any) -> Plan:
    run = a_work_queue_job(**LABELS, **spec)
    observed = an_observation(*jobs, depth=a_depth(ready, in_flight), resource=run)
    return plan(observed, Evidence(), now=after(60))


def withdrawal_of(job: ObservedJob) -> DeleteJob:
    return DeleteJob(job.name, uid=job.uid, resource_version=job.resource_version)


def test_wave_is_created_suspended_and_labelled() -> None:
    wave = CreateWave(wave=1, completions=1, parallelism=1)

    job = build_job(a_work_queue_job(**LABELS), wave, WorkerImage("worker"))

    assert job["spec"]["suspend"] is True
    assert job["metadata"]["labels"][KUEUE_LABEL] == "team-a"
    assert "suspend" not in build_job(a_work_queue_job(), wave, WorkerImage("worker"))["spec"]


def test_label_of_a_job_tells_whose_it_is() -> None:
    manifest = a_job_manifest()
    assert not read_job(manifest).is_queued

    manifest["metadata"]["labels"][KUEUE_LABEL] = "team-a"
    assert read_job(manifest).is_queued


def test_wave_that_waits_is_not_resumed_and_says_so() -> None:
    decided = decide(a_job(suspended=True, is_queued=True), ready=5, parallelism=2)

    assert decided.actions == ()
    assert decided.verdict.progress == Progress.WAITING_FOR_ADMISSION
    assert not decided.verdict.is_progressing
    assert "1 Job suspended until Kueue admits it" in decided.verdict.message


def test_items_beyond_those_of_a_waiting_wave_get_another_wave() -> None:
    decided = decide(a_job(suspended=True, is_queued=True), ready=7, parallelism=4)

    assert decided.actions == (CreateWave(wave=2, completions=2, parallelism=2),)


def test_admitted_wave_is_not_resized() -> None:
    coarse = a_job(active=2, is_queued=True)
    assert decide(coarse, ready=3, in_flight=2, parallelism=4).actions == ()

    run: dict[str, Any] = {"mode": "Fine", "parallelism": 4, **a_worker_spec()}
    current = hash_template(a_work_queue_job(**LABELS, **run))
    fine = a_job(completions=2, active=2, is_queued=True, template_hash=current)
    decided = decide(fine, ready=3, in_flight=2, **run)
    assert decided.actions == (CreateWave(wave=2, completions=2, parallelism=2),)


def test_wave_that_never_was_admitted_is_withdrawn_when_nothing_is_left_for_it() -> None:
    waiting = a_job(suspended=True, is_queued=True, uid="u")
    run = a_work_queue_job(status=WorkQueueJobStatus(waves=1), **LABELS)
    surplus = Evidence(surplus=a_streak(60, until=60))

    decided = plan(an_observation(waiting, resource=run), surplus, now=after(60))

    assert decided.actions == (DeleteJob(waiting.name, uid="u", resource_version="101"),)
    preempted = replace(waiting, terminating=1)
    decided = plan(an_observation(preempted, resource=run), surplus, now=after(60))
    assert (decided.actions, decided.decision) == ((), None)


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"active_deadline_seconds": 1}, id="the run took too long"),
        pytest.param({}, id="no item is left"),
    ],
)
def test_wave_is_withdrawn_only_when_its_number_is_recorded(spec: dict[str, Any]) -> None:
    recorded, unrecorded = (a_job(wave, suspended=True, is_queued=True) for wave in (1, 2))
    known = WorkQueueJobStatus(waves=1, start_time=after(0))
    run = a_work_queue_job(status=known, **LABELS, **spec)
    observed = an_observation(recorded, unrecorded, resource=run)
    surplus = Evidence(surplus=a_streak(60, until=60))

    first = plan(observed, surplus, now=after(60))

    assert first.actions == (withdrawal_of(recorded),)
    assert (first.decision, first.recheck_after_seconds) == (None, RECHECK_SECONDS)
    then = replace(observed, jobs=(unrecorded,))
    status = build_status(then, first, now=after(60))
    assert status.waves == 2
    again = replace(then, resource=run.model_copy(update={"status": status}))
    second = plan(again, surplus, now=after(61))
    assert second.actions == (withdrawal_of(unrecorded),)


def test_jobs_of_a_namespace_that_goes_wait_for_no_record() -> None:
    waiting = a_job(suspended=True, is_queued=True)
    observed = an_observation(waiting, resource=a_work_queue_job(**LABELS))

    decided = plan(replace(observed, namespace_terminating=True), Evidence(), now=after(60))

    assert decided.actions == (withdrawal_of(waiting),)


@pytest.mark.parametrize(("as_created", "uncertain"), [(True, 0), (False, 1)])
def test_withdrawn_wave_leaves_nothing_to_doubt_if_it_never_had_a_pod(
    uncertain: int, *, as_created: bool
) -> None:
    waiting = a_job(suspended=True, is_queued=True, is_as_created=as_created)
    recorded = WorkQueueJobStatus(waves=1, jobs=(JobStatus(name=waiting.name, wave=1),))
    run = a_work_queue_job(status=recorded, **LABELS, **a_worker_spec(mode="Fine"))
    surplus = Evidence(surplus=a_streak(60, until=60))
    decided = plan(an_observation(waiting, resource=run), surplus, now=after(60))

    status = build_status(an_observation(resource=run), decided, now=after(60))

    assert [type(action) for action in decided.actions] == [DeleteJob]
    assert (status.jobs, status.waves) == ((), 1)
    assert status.counted is not None
    assert status.counted.uncertain == uncertain


@pytest.mark.parametrize(("generation", "as_created"), [(1, True), (2, False)])
def test_admission_changes_a_jobs_spec(generation: int, *, as_created: bool) -> None:
    manifest = a_job_manifest()
    manifest["metadata"]["generation"] = generation
    assert read_job(manifest).is_as_created is as_created


def test_suspending_ends_what_kueue_admitted_and_leaves_the_rest_to_it() -> None:
    admitted = a_job(1, active=2, is_queued=True)
    waiting = a_job(2, suspended=True, is_queued=True)

    decided = decide(admitted, waiting, suspend=True)

    (end,) = decided.actions
    assert isinstance(end, EndJob)
    assert (end.job, end.reason, end.with_grace) == (admitted.name, RUN_SUSPENDED, True)
    assert decide(waiting, ready=5).actions == ()
