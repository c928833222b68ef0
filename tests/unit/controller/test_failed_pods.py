"""The pods of a failed Job are looked at once, to say how they failed."""

import copy
from typing import Any, cast

from tests.builders import (
    NAMESPACE,
    NOON,
    a_finished_job,
    a_job,
    a_pod_metadata,
    a_work_queue_job,
    a_worker_spec,
)
from tests.fake_broker import FakeBroker
from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.controller.failed_pods import FailedPods
from workqueuejob.planning.observing.failed_pods import PodFailure
from workqueuejob.planning.observing.observed import JobState, ObservedJob
from workqueuejob.planning.verdict import ConditionType

from .acting import FIRST, a_stored_object, acting, reason_of, until
from .fake_cluster import FakeCluster

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


async def test_failed_run_quotes_the_status_of_its_pod() -> None:
    broker = FakeBroker(host=f"mq.{NAMESPACE}.svc")
    broker.declare("job1").publish("a")
    cluster = FakeCluster(
        work_queue_job=a_stored_object(backoffLimit=0), pods=[an_evicted_pod(a_job())]
    )
    failed = {"status": "True", "reason": "FailedIndexes", "lastTransitionTime": NOON.isoformat()}
    async with acting(cluster, broker) as actor:
        await until(lambda: FIRST in cluster.jobs)
        job = cluster.jobs[FIRST]
        job["status"] = {"failed": 1, "conditions": [{"type": "Failed", **failed}]}
        job["metadata"]["resourceVersion"] = cluster.next_version()
        actor.put_job(copy.deepcopy(job))
        await until(lambda: reason_of(cluster, ConditionType.FAILED) is not None)
    messages = [c["message"] for c in cluster.work_queue_job["status"]["conditions"]]
    assert any("the last pod that failed: Evicted: low on memory" in said for said in messages)
