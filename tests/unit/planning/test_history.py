"""Which finished Jobs may go, and which are still needed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import a_depth, a_finished_job, a_job, a_work_queue_job, after, an_observation
from tests.reckoning import plan
from workqueuejob.api import JobStatus, WorkQueueJob, WorkQueueJobStatus
from workqueuejob.planning.evidence.evidence import Evidence
from workqueuejob.planning.evidence.movement import Movement
from workqueuejob.planning.observing.observed import JobState, ObservedJob
from workqueuejob.planning.rules.history import MOST_PODS, list_expired
from workqueuejob.planning.verdict import RUN_FAILED

MOVED = Evidence(movement=Movement(items_left=1, newest=9, attempt_after=9, still_after=9))


def a_run(*open_waves: int, **spec: Any) -> WorkQueueJob:
    jobs = tuple(JobStatus(name=f"job-{wave}", wave=wave) for wave in open_waves)
    return a_work_queue_job(status=WorkQueueJobStatus(waves=9, jobs=jobs), **spec)


def expired_waves(*jobs: ObservedJob, run: WorkQueueJob) -> list[str]:
    return [deletion.job.rpartition("-")[2] for deletion in list_expired(run, jobs)]


def test_newest_finished_jobs_are_kept() -> None:
    jobs = [a_finished_job(wave) for wave in (5, 1, 2, 3, 4)]

    assert expired_waves(*jobs, run=a_run()) == ["1", "2"]
    assert expired_waves(*jobs, run=a_run(successful_jobs_history_limit=4)) == ["1"]


def test_failed_jobs_have_a_limit_of_their_own() -> None:
    failed = [a_finished_job(wave, state=JobState.FAILED) for wave in (1, 2)]
    done = [a_finished_job(wave) for wave in (3, 4, 5)]

    assert expired_waves(*failed, *done, run=a_run()) == ["1"]
    assert expired_waves(*failed, *done, run=a_run(failed_jobs_history_limit=0)) == ["1", "2"]


def test_older_jobs_go_when_there_are_too_many_pods() -> None:
    jobs = [a_finished_job(wave, succeeded=MOST_PODS // 2) for wave in (1, 2, 3)]
    large = a_finished_job(4, succeeded=MOST_PODS - 9, failed=10)

    assert expired_waves(*jobs, run=a_run()) == ["1"]
    # Failed pods count as well, and nothing older than a Job that goes stays.
    assert expired_waves(*jobs, large, run=a_run(successful_jobs_history_limit=9)) == list("1234")


@st.composite
def finished_jobs(draw: st.DrawFn, wave: int) -> ObservedJob:
    state = draw(st.sampled_from([JobState.COMPLETE, JobState.FAILED]))
    succeeded, failed = draw(st.tuples(st.integers(0, 1500), st.integers(0, 1500)))
    return a_finished_job(wave, state=state, succeeded=succeeded, failed=failed)


@given(st.tuples(*(finished_jobs(wave) for wave in range(1, 8))), st.sets(st.integers(1, 7)))
def test_what_stays_of_recorded_jobs_has_few_pods(
    jobs: tuple[ObservedJob, ...], open_waves: set[int]
) -> None:
    run = a_run(*open_waves, successful_jobs_history_limit=9, failed_jobs_history_limit=9)
    gone = {deletion.job for deletion in list_expired(run, jobs)}

    kept = [job for job in jobs if job.name not in gone]
    counted = [job for job in kept if job.wave not in open_waves]
    assert sum(job.succeeded + job.failed for job in counted) <= MOST_PODS
    assert open_waves <= {job.wave for job in kept}


@pytest.mark.parametrize(
    "job",
    [
        pytest.param(a_job(1), id="still runs"),
        pytest.param(a_job(1, state=JobState.ENDING), id="is about to end"),
        pytest.param(a_finished_job(1, terminating=1), id="has a pod that is not gone"),
        pytest.param(a_finished_job(10), id="is not recorded"),
    ],
)
def test_job_is_kept_that(job: ObservedJob) -> None:
    assert expired_waves(job, run=a_run(successful_jobs_history_limit=0)) == []


def test_job_is_kept_whose_results_are_not_in_the_totals() -> None:
    run = a_run(1, successful_jobs_history_limit=0)

    assert expired_waves(a_finished_job(1), a_finished_job(2), run=run) == ["2"]


def test_deletion_names_this_very_job() -> None:
    job = a_finished_job(1, uid="u", resource_version="8")

    (deletion,) = list_expired(a_run(successful_jobs_history_limit=0), (job,))

    assert (deletion.job, deletion.uid, deletion.resource_version) == (job.name, "u", "8")


def test_run_keeps_the_jobs_of_an_attempt_that_is_being_judged() -> None:
    judged = Evidence(movement=Movement(items_left=1, newest=9, attempt_after=5, still_after=4))
    run = a_run(successful_jobs_history_limit=0)
    observed = an_observation(a_finished_job(5), a_finished_job(6), depth=a_depth(1), resource=run)

    decided = plan(observed, judged, now=after(0))

    assert [deletion.job for deletion in decided.deletions] == [a_job(5).name]
    assert plan(observed, Evidence(), now=after(0)).deletions == ()


def test_run_keeps_the_job_that_says_that_it_gave_up() -> None:
    given_up = a_finished_job(2, state=JobState.FAILED, failure_reason=RUN_FAILED)
    run = a_run(failed_jobs_history_limit=0)
    running = a_job(9, active=1)

    decided = plan(
        an_observation(given_up, running, depth=a_depth(1), resource=run), MOVED, now=after(0)
    )

    assert decided.deletions == ()
