"""Carries out a plan's actions, one request after the other. Decides nothing."""

from datetime import UTC, datetime
from typing import Any, assert_never

import structlog

from workqueuejob.api import WorkQueueJob
from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.controller.refusals import Refusals
from workqueuejob.controller.store import JobStore
from workqueuejob.errors import ClusterError, Conflict, JobNameConflict, NotFound, NotLeading
from workqueuejob.metrics import JOBS_CREATED
from workqueuejob.names import JOB_LABEL
from workqueuejob.planning.actions import (
    Action,
    Change,
    CreateWave,
    DeleteJob,
    EndJob,
    GrowWave,
    RaiseParallelism,
    SetSuspend,
)
from workqueuejob.planning.observing.ownership import is_own_job, read_job_uid
from workqueuejob.planning.pods.job_manifest import WorkerImage, build_job

_log = structlog.get_logger(__name__)

_GRACE_SECONDS = 2
"""For programs that handle SIGTERM; they hold nothing."""


async def apply_actions(
    cluster: ClusterAPI,
    resource: WorkQueueJob,
    store: JobStore,
    actions: tuple[Action, ...],
    *,
    worker_image: WorkerImage,
    refusals: Refusals,
) -> tuple[Action, ...]:
    """Carry out the actions in order; what the API server answers goes into the store.

    Returns those that were carried out. A change of a Job that is refused is held back for a while,
    and keeps no other from being carried out. Raises Conflict, because a plan that rests on an
    older state is void, NotLeading, and whatever keeps a wave from being created.
    """
    done: list[Action] = []
    refusals.keep(actions)
    for action in actions:
        if isinstance(action, CreateWave):
            await _create(cluster, resource, store, action, worker_image)
        elif not refusals.may_try(action) or not await _change(
            cluster, resource, store, action, refusals
        ):
            continue
        done.append(action)
    return tuple(done)


async def _change(
    cluster: ClusterAPI,
    resource: WorkQueueJob,
    store: JobStore,
    action: Change,
    refusals: Refusals,
) -> bool:
    """Carry out a change of a Job; return whether it was carried out."""
    try:
        await _apply_change(cluster, resource.metadata.namespace, store, action)
    except (Conflict, NotLeading):
        raise
    except NotFound:
        store.remove(action.job)
        return False
    except ClusterError as error:
        refusals.meet(action, error)
        return False
    refusals.forget(action)
    return True


async def _create(
    cluster: ClusterAPI,
    resource: WorkQueueJob,
    store: JobStore,
    wave: CreateWave,
    worker_image: WorkerImage,
) -> None:
    manifest = build_job(resource, wave, worker_image)
    store.put(await _create_wave(cluster, resource, manifest))
    JOBS_CREATED.inc()


async def _apply_change(
    cluster: ClusterAPI, namespace: str, store: JobStore, action: Change
) -> None:
    match action:
        case RaiseParallelism(parallelism=parallelism):
            store.put(await _patch(cluster, namespace, action, {"parallelism": parallelism}))
        case GrowWave(completions=pods):
            spec = {"completions": pods, "parallelism": pods}
            store.put(await _patch(cluster, namespace, action, spec))
        case SetSuspend(suspend=suspend, parallelism=parallelism):
            resized = {} if parallelism is None else {"parallelism": parallelism}
            store.put(await _patch(cluster, namespace, action, {"suspend": suspend, **resized}))
        case EndJob():
            store.put(await _end_job(cluster, namespace, action))
        case DeleteJob(job=job, uid=uid, resource_version=version):
            await cluster.delete_job(namespace, job, uid=uid, resource_version=version)
            store.remove(job)
        case _:
            assert_never(action)


async def _patch(
    cluster: ClusterAPI,
    namespace: str,
    action: RaiseParallelism | GrowWave | SetSuspend,
    spec: dict[str, Any],
) -> dict[str, Any]:
    return await cluster.patch_job_spec(
        namespace, action.job, spec, resource_version=action.resource_version
    )


async def _create_wave(
    cluster: ClusterAPI, resource: WorkQueueJob, manifest: dict[str, Any]
) -> dict[str, Any]:
    """Create the wave's Job; one that is there already is ours if we are its controller."""
    name = manifest["metadata"]["name"]
    try:
        return await cluster.create_job(manifest)
    except JobNameConflict as conflict:
        existing = await cluster.read_job(resource.metadata.namespace, name)
        if is_own_job(existing, resource):
            return existing
        raise JobNameConflict(
            f"a Job named {name} exists and is not a Job of this WorkQueueJob; delete or rename it:"
            f" kubectl delete job {name} -n {resource.metadata.namespace}"
        ) from conflict


async def _end_job(cluster: ClusterAPI, namespace: str, action: EndJob) -> dict[str, Any]:
    """End the Job's pods within seconds, then declare its end.

    In the other order the Job's controller deletes the pods with their whole grace period, which
    can't be shortened afterwards. Pods that end first are not replaced so fast. Deleting knows no
    resourceVersion, so the Job is looked at once more before.
    """
    current = await cluster.read_job(namespace, action.job)
    if current["metadata"]["resourceVersion"] != action.resource_version:
        raise Conflict(f"Job {action.job} has changed since its end was decided")
    if not action.with_grace:
        await _delete_pods(cluster, namespace, current["metadata"])
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    condition = {
        "type": "SuccessCriteriaMet" if action.succeeded else "FailureTarget",
        "status": "True",
        "reason": action.reason,
        "message": action.message,
        "lastProbeTime": now,
        "lastTransitionTime": now,
    }
    return await cluster.patch_job_condition(
        namespace, action.job, condition, resource_version=action.resource_version
    )


async def _delete_pods(cluster: ClusterAPI, namespace: str, job: dict[str, Any]) -> None:
    """Delete the pods that a Job controls; one that only bears its label is left alone."""
    pods = await cluster.list_pods(
        namespace,
        label_selector=f"{JOB_LABEL}={job['name']}",
        field_selector="status.phase!=Succeeded,status.phase!=Failed",
    )
    for pod in [pod for pod in pods if read_job_uid(pod) == job["uid"]]:
        metadata = pod["metadata"]
        await cluster.delete_pod(
            namespace,
            metadata["name"],
            uid=metadata["uid"],
            grace_period_seconds=_GRACE_SECONDS,
        )
