"""What the run has done, counted once."""

import pytest

from tests.builders import (
    NOON,
    a_finished_job,
    a_job,
    a_work_queue_job,
    a_worker_spec,
    an_observation,
)
from tests.reckoning import build_status, plan
from workqueuejob.api import ItemsStatus, JobStatus, PodsStatus, WorkQueueJobStatus
from workqueuejob.api.status import CountedItems
from workqueuejob.planning.evidence.evidence import Evidence
from workqueuejob.planning.ledger.run import Ledger, count_run
from workqueuejob.planning.observing.observed import JobState, ObservedJob


def recorded(*jobs: ObservedJob, status: WorkQueueJobStatus | None = None) -> WorkQueueJobStatus:
    """Return the status after one more reconcile."""
    observed = an_observation(*jobs, resource=a_work_queue_job(status=status))
    return build_status(observed, plan(observed, Evidence(), now=NOON), now=NOON)


def totals(status: WorkQueueJobStatus) -> tuple[int | None, int | None, int | None]:
    assert status.pods is not None
    return status.waves, status.pods.succeeded, status.pods.failed


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        pytest.param((), (0, 0, 0), id="nothing yet"),
        pytest.param((a_job(succeeded=2, failed=1),), (1, 2, 1), id="a running Job"),
        pytest.param((a_finished_job(),), (1, 5, 0), id="a Job that ended before it was recorded"),
        pytest.param((a_finished_job(1), a_job(2, succeeded=1)), (2, 6, 0), id="waves add up"),
    ],
)
def test_jobs_that_were_never_recorded_count(
    jobs: tuple[ObservedJob, ...], expected: tuple[int, int, int]
) -> None:
    assert totals(recorded(*jobs)) == expected


def test_recording_twice_counts_once() -> None:
    jobs = (a_finished_job(1), a_job(2, succeeded=2, failed=1))
    once = recorded(*jobs)
    assert totals(recorded(*jobs, status=once)) == totals(once) == (2, 7, 1)


def test_job_that_ended_is_folded_and_may_be_deleted() -> None:
    running = recorded(a_job(succeeded=3))
    ended = recorded(a_finished_job(), status=running)
    assert totals(ended) == (1, 5, 0)
    assert ended.jobs == ()
    assert totals(recorded(status=ended)) == (1, 5, 0)


def test_what_a_deleted_job_had_done_stays_counted() -> None:
    running = recorded(a_job(succeeded=3, failed=1))
    assert totals(recorded(status=running)) == (1, 3, 1)


def test_crash_between_creation_and_status_loses_nothing() -> None:
    before = recorded(a_finished_job(1))
    after_restart = recorded(a_finished_job(1), a_job(2, succeeded=1), status=before)
    assert totals(after_restart) == (2, 6, 0)
    assert [job.wave for job in after_restart.jobs] == [2]


def test_a_jobs_numbers_never_count_backwards() -> None:
    running = recorded(a_job(succeeded=3))
    assert totals(recorded(a_job(succeeded=2), status=running)) == (1, 3, 0)


def test_pods_that_fail_because_we_ended_their_job_are_nobodys_failure() -> None:
    running = recorded(a_job(failed=1))
    ending = a_job(failed=4, state=JobState.ENDING, ended_by_us=True)
    assert totals(recorded(ending, status=running)) == (1, 0, 1)


def test_wave_number_is_the_highest_ever_given() -> None:
    assert count_run(WorkQueueJobStatus(waves=4), (a_job(2),)).waves == 4
    assert count_run(WorkQueueJobStatus(waves=4), (a_job(5),)).waves == 5


def test_totals_come_from_status() -> None:
    status = WorkQueueJobStatus(
        waves=3,
        pods=PodsStatus(succeeded=9, failed=2),
        items=ItemsStatus(attempts_failed=1),
        jobs=(JobStatus(name="x", wave=3, succeeded=4, failed=1),),
    )
    ledger = count_run(status, (a_job(3, succeeded=5, failed=1),))
    assert ledger == Ledger(waves=3, succeeded=10, failed=2, futile=1)


class TestWhatWorkersReport:
    """Folded once by Job, whatever becomes of the operator."""

    def record(
        self, *jobs: ObservedJob, status: WorkQueueJobStatus | None = None
    ) -> WorkQueueJobStatus:
        resource = a_work_queue_job(status=status, **a_worker_spec(mode="Fine"))
        observed = an_observation(*jobs, resource=resource)
        return build_status(observed, plan(observed, Evidence(), now=NOON), now=NOON)

    def counted(self, status: WorkQueueJobStatus) -> tuple[int, int]:
        assert status.counted is not None
        return status.counted.succeeded, status.counted.uncertain

    def test_waves_add_up(self) -> None:
        jobs = (
            a_finished_job(1, items=CountedItems(succeeded=5)),
            a_job(2, items=CountedItems(succeeded=2, uncertain=1)),
        )
        assert self.counted(self.record(*jobs)) == (7, 1)

    def test_recording_twice_counts_once(self) -> None:
        job = a_job(items=CountedItems(succeeded=2))
        once = self.record(job)
        assert self.counted(self.record(job, status=once)) == (2, 0)

    def test_job_that_ended_is_folded_once_and_may_be_deleted(self) -> None:
        running = self.record(a_job(items=CountedItems(succeeded=2)))
        ended = a_finished_job(items=CountedItems(succeeded=5))
        folded = self.record(ended, status=running)
        assert self.counted(folded) == (5, 0)
        assert self.counted(self.record(ended, status=folded)) == (5, 0)
        assert self.counted(self.record(status=folded)) == (5, 0)

    def test_operator_that_restarts_and_finds_fewer_pods_forgets_nothing(self) -> None:
        running = self.record(a_job(items=CountedItems(succeeded=4, uncertain=1)))
        fewer = a_job(items=CountedItems(succeeded=1))
        assert self.counted(self.record(fewer, status=running)) == (4, 1)

    def test_job_that_was_deleted_while_it_ran_may_have_done_more_than_it_told(self) -> None:
        running = self.record(a_job(items=CountedItems(succeeded=2)))
        gone = self.record(status=running)
        assert self.counted(gone) == (2, 1)
        assert self.counted(self.record(status=gone)) == (2, 1)

    def test_a_foreign_program_reports_nothing(self) -> None:
        assert recorded(a_job(succeeded=2)).counted is None
