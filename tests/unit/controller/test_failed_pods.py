"""The pods of a failed Job are looked at once, to say how they failed."""

from typing import Any, cast

from tests.builders import a_finished_job, a_job, a_pod_metadata, a_work_queue_job, a_worker_spec
from tests.unit.controller.fake_cluster import FakeCluster
from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.controller.failed_pods import FailedPods
from workqueuejob.planning.observing.failed_pods import PodFailure
from workqueuejob.planning.observing.observed import JobState, ObservedJob

FAILED = a_finished_job(state=JobState.FAILED, succeeded=0, failed=1)
EVICTED = PodFailure("Evicted: low on memory")


def an_evicted_pod(job: ObservedJob = FAILED) -> dict[str, Any]:
    status = {"phase": "Failed", "reason": "Evicted", "message": "low on memory"}
    return {"metadata": a_pod_metadata("u1", job), "status": status}


async def look(
    failed: FailedPods, cluster: FakeCluster, *jobs: ObservedJob, **spec: Any
) -> list[PodFailure | None]:
    """Return how the pods of each Job failed."""
    seen = await failed.attach(cast("ClusterAPI", cluster), a_work_queue_job(**spec), jobs)
    return [job.failure for job in seen]


async def test_failed_job_says_how_its_pods_failed_and_is_looked_at_once() -> None:
    failed, cluster = FailedPods(), FakeCluster(pods=[an_evicted_pod()])
    for _ in range(3):
        assert await look(failed, cluster, FAILED, a_job(2)) == [EVICTED, None]
    assert cluster.requests == ["list pods"]


async def test_pod_of_another_job_says_nothing() -> None:
    cluster = FakeCluster(pods=[an_evicted_pod(a_job(7))])
    assert await look(FailedPods(), cluster, FAILED) == [None]


async def test_only_failed_jobs_of_a_users_own_program_are_looked_at() -> None:
    failed, cluster = FailedPods(), FakeCluster(pods=[an_evicted_pod()])
    ended = a_finished_job(state=JobState.FAILED, ended_by_us=True)
    assert await look(failed, cluster, a_job(), a_finished_job(2), ended) == [None] * 3
    assert await look(failed, cluster, FAILED, **a_worker_spec()) == [None]
    assert cluster.requests == []
