"""How actions become requests, and what a refusal means."""

from typing import Any, cast

import pytest

from tests.builders import (
    NAME,
    UID,
    a_job,
    a_job_manifest,
    a_pod_metadata,
    a_work_queue_job,
    an_owner,
)
from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.controller.applying import MOST_PODS_A_STEP, Applier
from workqueuejob.controller.refusals import Refusals
from workqueuejob.controller.store import JobStore
from workqueuejob.errors import Conflict, JobNameConflict
from workqueuejob.names import DEFAULT_INSTALLATION, job_name
from workqueuejob.planning.actions import Action, CreateWave, EndJob, RaiseParallelism
from workqueuejob.planning.pods.job_manifest import WorkerImage

from .fake_cluster import FakeCluster

FIRST = job_name(NAME, UID, 1)


async def apply(cluster: FakeCluster, *actions: Action, store: JobStore | None = None) -> JobStore:
    store = store or JobStore()
    applier = Applier(
        cast("ClusterAPI", cluster), store, WorkerImage("worker"), DEFAULT_INSTALLATION
    )
    await applier.apply(a_work_queue_job(), actions, Refusals())
    return store


async def test_created_wave_is_known_before_the_watch_tells() -> None:
    store = await apply(FakeCluster(), CreateWave(wave=1, completions=8, parallelism=2))

    assert [(job.name, job.completions) for job in store.jobs] == [(FIRST, 8)]


async def test_wave_that_an_operator_made_before_it_died_is_taken_as_made() -> None:
    cluster = FakeCluster()
    await apply(cluster, CreateWave(wave=1, completions=8, parallelism=2))

    store = await apply(cluster, CreateWave(wave=1, completions=5, parallelism=2))

    assert len(cluster.jobs) == 1
    assert [job.completions for job in store.jobs] == [8]


@pytest.mark.parametrize(
    "owners",
    [
        [],
        [an_owner(uid="another")],
        [an_owner(kind="CronJob", apiVersion="batch/v1")],
        [an_owner(controller=False)],
    ],
)
async def test_job_of_the_same_name_that_is_not_ours_is_a_conflict(owners: list[Any]) -> None:
    taken = a_job_manifest()
    taken["metadata"]["ownerReferences"] = owners
    cluster = FakeCluster(jobs={FIRST: taken})

    with pytest.raises(JobNameConflict, match=f"kubectl delete job {FIRST}"):
        await apply(cluster, CreateWave(wave=1, completions=8, parallelism=2))


async def test_patch_of_a_job_that_changed_meanwhile_is_a_conflict() -> None:
    cluster = FakeCluster()
    store = await apply(cluster, CreateWave(wave=1, completions=8, parallelism=2))

    with pytest.raises(Conflict):
        await apply(cluster, RaiseParallelism(FIRST, 4, resource_version="1"), store=store)

    assert cluster.jobs[FIRST]["spec"]["parallelism"] == 2


async def test_job_that_is_gone_is_forgotten_and_the_other_actions_go_on() -> None:
    cluster = FakeCluster()
    store = await apply(cluster, CreateWave(wave=1, completions=8, parallelism=2))
    del cluster.jobs[FIRST]

    await apply(
        cluster,
        RaiseParallelism(FIRST, 4, resource_version="1"),
        CreateWave(wave=2, completions=1, parallelism=1),
        store=store,
    )

    assert [job.wave for job in store.jobs] == [2]


@pytest.mark.parametrize(
    ("succeeded", "condition"), [(True, "SuccessCriteriaMet"), (False, "FailureTarget")]
)
async def test_job_is_ended_through_the_condition_that_its_controller_acts_on(
    *, succeeded: bool, condition: str
) -> None:
    cluster = FakeCluster()
    store = await apply(cluster, CreateWave(wave=1, completions=8, parallelism=2))
    version = cluster.jobs[FIRST]["metadata"]["resourceVersion"]

    await apply(
        cluster,
        EndJob(FIRST, succeeded=succeeded, reason="R", message="m", resource_version=version),
        store=store,
    )

    (written,) = cluster.jobs[FIRST]["status"]["conditions"]
    assert (written["type"], written["status"], written["reason"]) == (condition, "True", "R")


async def test_pods_of_a_job_that_is_ended_get_two_seconds_before_its_controller_deletes_them() -> (
    None
):
    pods = [{"metadata": a_pod_metadata("u1", a_job()), "status": {"phase": "Running"}}]
    cluster = FakeCluster(pods=pods)
    store = await apply(cluster, CreateWave(wave=1, completions=8, parallelism=2))
    version = cluster.jobs[FIRST]["metadata"]["resourceVersion"]

    end = EndJob(FIRST, succeeded=True, reason="R", message="m", resource_version=version)
    await apply(cluster, end, store=store)

    assert cluster.requests[-3:] == ["list pods", f"delete pod {FIRST}-u1 u1 2", "patch job status"]


async def test_pod_that_only_bears_the_label_of_a_job_that_is_ended_is_left_alone() -> None:
    orphan = a_pod_metadata("u2", a_job(), ownerReferences=[])
    of_another = a_pod_metadata("u3", a_job(uid="another"))
    pods = [{"metadata": metadata, "status": {}} for metadata in (orphan, of_another)]
    cluster = FakeCluster(pods=pods)
    store = await apply(cluster, CreateWave(wave=1, completions=8, parallelism=2))
    version = cluster.jobs[FIRST]["metadata"]["resourceVersion"]

    end = EndJob(FIRST, succeeded=True, reason="R", message="m", resource_version=version)
    await apply(cluster, end, store=store)

    assert cluster.requests[-2:] == ["list pods", "patch job status"]


async def test_pods_of_a_job_that_changed_meanwhile_are_left_alone() -> None:
    pods = [{"metadata": a_pod_metadata("u1", a_job()), "status": {"phase": "Running"}}]
    cluster = FakeCluster(pods=pods)
    store = await apply(cluster, CreateWave(wave=1, completions=8, parallelism=2))

    end = EndJob(FIRST, succeeded=True, reason="R", message="m", resource_version="1")
    with pytest.raises(Conflict):
        await apply(cluster, end, store=store)

    assert not any(request.startswith("delete") for request in cluster.requests)


async def test_pods_of_a_large_job_are_deleted_in_several_steps_before_its_end_is_declared() -> (
    None
):
    count = 2 * MOST_PODS_A_STEP + 1
    cluster = FakeCluster(
        pods=[
            {"metadata": a_pod_metadata(f"u{number}", a_job()), "status": {"phase": "Running"}}
            for number in range(count)
        ]
    )
    store = await apply(cluster, CreateWave(wave=1, completions=count, parallelism=count))
    version = cluster.jobs[FIRST]["metadata"]["resourceVersion"]
    end = EndJob(FIRST, succeeded=True, reason="R", message="m", resource_version=version)

    deleted: list[int] = []
    while "patch job status" not in cluster.requests:
        await apply(cluster, end, store=store)
        gone = {request.split()[2] for request in cluster.requests if "delete pod" in request}
        deleted.append(len(gone))
        for pod in cluster.pods:
            if pod["metadata"]["name"] in gone:
                pod["metadata"]["deletionTimestamp"] = "2026-01-01T12:00:00Z"

    assert deleted == [MOST_PODS_A_STEP, 2 * MOST_PODS_A_STEP, count]
