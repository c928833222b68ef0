"""What the workers' pods report, gathered from the watch and from one list of a finished Job."""

from typing import Any, cast

import pytest

from tests.builders import (
    NAMESPACE,
    a_finished_job,
    a_job,
    a_pod_metadata,
    a_work_queue_job,
)
from workqueuejob.api import JobStatus, WorkQueueJobStatus
from workqueuejob.api.status import CountedItems
from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.contract.report import ItemCounts, write_report
from workqueuejob.controller.worker_reports import WorkerReports
from workqueuejob.planning.observing.observed import ObservedJob

JOB = a_job()
DONE = a_finished_job()


class Pods:
    """An API server that lists pods, and counts how often it was asked."""

    def __init__(self, *pods: dict[str, Any]) -> None:
        self.pods = list(pods)
        self.asked = 0

    async def list_pods(self, _namespace: str, **_: Any) -> list[dict[str, Any]]:
        self.asked += 1
        return self.pods


def a_pod(uid: str, *, succeeded: int, job: ObservedJob = JOB, code: int = 0) -> dict[str, Any]:
    message = write_report(ItemCounts(succeeded=succeeded))
    terminated = {"exitCode": code, "message": message}
    return {
        "metadata": a_pod_metadata(uid, job),
        "status": {
            "phase": "Failed" if code else "Succeeded",
            "containerStatuses": [{"name": "main", "state": {"terminated": terminated}}],
        },
    }


async def attach(reports: WorkerReports, pods: Pods, *jobs: ObservedJob, **status: Any) -> int:
    """Return what all Jobs' workers have reported as succeeded."""
    resource = a_work_queue_job(
        worker={"source": "Image"}, status=WorkQueueJobStatus.model_validate(status)
    )
    attached = await reports.attach(cast("ClusterAPI", pods), resource, jobs)
    return sum(job.items.succeeded for job in attached if job.items)


async def test_pods_of_the_watch_are_added_up() -> None:
    reports = WorkerReports(NAMESPACE)

    assert reports.put(a_pod("a", succeeded=2))
    assert reports.put(a_pod("b", succeeded=3))
    assert not reports.put(a_pod("b", succeeded=3))

    assert await attach(reports, Pods(), JOB) == 5


async def test_pod_that_was_deleted_stays_counted() -> None:
    reports = WorkerReports(NAMESPACE)
    reports.put(a_pod("a", succeeded=2))

    reports.put(a_pod("a", succeeded=2), is_gone=True)

    assert await attach(reports, Pods(), JOB) == 2


async def attach_job(reports: WorkerReports, *recorded: JobStatus) -> ObservedJob:
    """Return the running Job with its reports, where status has recorded so much of it."""
    status = WorkQueueJobStatus(waves=len(recorded), jobs=recorded)
    resource = a_work_queue_job(status=status, worker={"source": "Image"})
    (attached,) = await reports.attach(cast("ClusterAPI", Pods()), resource, (JOB,))
    return attached


async def test_janitor_that_deletes_ended_pods_leaves_no_doubt() -> None:
    reports = WorkerReports(NAMESPACE)
    for name, code in (("a", 0), ("b", 75)):
        reports.put(a_pod(name, succeeded=2, code=code))
        assert reports.put(a_pod(name, succeeded=2, code=code), is_gone=True)
    attached = await attach_job(reports)
    assert attached.items == CountedItems(succeeded=4)
    assert attached.deleted == 1


async def test_restarted_operator_doubts_reports_that_it_can_not_read_again() -> None:
    known = JobStatus(name=JOB.name, wave=1, items=CountedItems(succeeded=4), deleted=1)
    reports = WorkerReports(NAMESPACE)
    for _ in range(2):
        attached = await attach_job(reports, known)
        assert attached.items == CountedItems(uncertain=1)
        assert attached.deleted == 1


async def test_operator_does_not_doubt_the_reports_that_it_has_read_itself() -> None:
    reports = WorkerReports(NAMESPACE)
    await attach_job(reports, JobStatus(name=JOB.name, wave=1))
    reports.put(a_pod("a", succeeded=2, code=75), is_gone=True)
    known = JobStatus(name=JOB.name, wave=1, items=CountedItems(succeeded=2), deleted=1)
    assert (await attach_job(reports, known)).items == CountedItems(succeeded=2)


async def test_finished_job_is_listed_once_so_that_no_pod_is_missed() -> None:
    reports, pods = (
        WorkerReports(NAMESPACE),
        Pods(a_pod("a", succeeded=2), a_pod("late", succeeded=4)),
    )
    reports.put(a_pod("a", succeeded=2))

    assert await attach(reports, pods, DONE) == 6
    assert await attach(reports, pods, DONE) == 6
    assert pods.asked == 1


async def test_job_that_is_in_the_totals_already_is_not_looked_at_again() -> None:
    pods = Pods(a_pod("a", succeeded=2))

    assert await attach(WorkerReports(NAMESPACE), pods, DONE, waves=1) == 0
    assert pods.asked == 0


async def test_program_of_the_users_own_reports_nothing() -> None:
    pods = Pods(a_pod("a", succeeded=2))

    attached = await WorkerReports(NAMESPACE).attach(
        cast("ClusterAPI", pods), a_work_queue_job(), (DONE,)
    )

    assert attached == (DONE,)
    assert pods.asked == 0


@pytest.mark.parametrize(("code", "failed"), [(0, 0), (75, 0), (137, 1)])
async def test_pod_killed_without_an_item_is_a_failed_pod(code: int, failed: int) -> None:
    reports = WorkerReports(NAMESPACE)
    reports.put(a_pod("a", succeeded=0, code=code))
    resource = a_work_queue_job(worker={"source": "Image"})

    (attached,) = await reports.attach(cast("ClusterAPI", Pods()), resource, (JOB,))

    assert attached.failed == failed
    assert (attached.failure is not None) is bool(failed)


async def test_pod_that_goes_after_its_job_is_not_remembered() -> None:
    reports = WorkerReports(NAMESPACE)
    assert await attach(reports, Pods(a_pod("a", succeeded=2)), DONE) == 2
    assert await attach(reports, Pods(), waves=1) == 0

    reports.put(a_pod("a", succeeded=2), is_gone=True)
    assert await attach(reports, Pods(), waves=1) == 0

    assert reports.put(a_pod("a", succeeded=2), is_gone=True), "it is news again"
