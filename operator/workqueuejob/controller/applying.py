"""Carries out a plan's actions, one after the other. Decides nothing."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, assert_never

import structlog

from workqueuejob.api import WorkQueueJob
from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.cluster.observation import resting_on_the_version
from workqueuejob.controller.refusals import Refusals
from workqueuejob.controller.store import JobStore
from workqueuejob.errors import ClusterError, Conflict, JobNameConflict, NotFound, NotWritten
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
"""Of pods whose Job has ended: time for programs that handle SIGTERM. They hold no item."""

MOST_PODS_A_STEP = 200
"""The most pods that one step deletes. A Job may have 10,000, which would take minutes, while what
is known of the queue grows old. So the next round decides by a new measurement whether to go on."""


@dataclass(frozen=True, slots=True)
class Applier:
    """Carries out actions on the Jobs of one WorkQueueJob, and keeps `store` up to date."""

    cluster: ClusterAPI
    store: JobStore
    worker_image: WorkerImage
    installation: str

    async def apply(
        self, resource: WorkQueueJob, actions: tuple[Action, ...], refusals: Refusals
    ) -> tuple[Action, ...]:
        """Carry out the actions in order, and return those that were carried out.

        A change of a Job that the API server refuses goes into `refusals`, where it waits before it
        is tried again; the other actions go on. Raises Conflict, because a plan that rests on an
        older state is void; NotWritten; and the ClusterError that keeps a wave from being created.
        """
        done: list[Action] = []
        refusals.keep(actions)
        for action in actions:
            if isinstance(action, CreateWave):
                await self._create(resource, action)
            elif not refusals.may_try(action) or not await self._change(resource, action, refusals):
                continue
            done.append(action)
        return tuple(done)

    async def _create(self, resource: WorkQueueJob, wave: CreateWave) -> None:
        manifest = build_job(resource, wave, self.worker_image, installation=self.installation)
        self.store.put(await _create_wave(self.cluster, resource, manifest))
        JOBS_CREATED.inc()

    async def _change(self, resource: WorkQueueJob, action: Change, refusals: Refusals) -> bool:
        """Change a Job; return whether that was done."""
        try:
            is_done = await _apply_change(
                self.cluster, resource.metadata.namespace, self.store, action
            )
        except (Conflict, NotWritten):
            raise
        except NotFound:
            self.store.remove(action.job)
            return False
        except ClusterError as error:
            refusals.meet(action, error)
            return False
        refusals.forget(action)
        return is_done


async def _apply_change(
    cluster: ClusterAPI, namespace: str, store: JobStore, action: Change
) -> bool:
    """Carry out an action; return whether that is done, or one more step is needed."""
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
            ended = await _end_job(cluster, namespace, action)
            if ended is None:
                return False
            store.put(ended)
        case DeleteJob(job=job, uid=uid, resource_version=version):
            with resting_on_the_version():
                await cluster.delete_job(namespace, job, uid=uid, resource_version=version)
            store.remove(job)
        case _:
            assert_never(action)
    return True


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
    """Create the wave's Job and return it; if it exists already, return that one.

    An operator that died after it had created the Job leaves one. Raises JobNameConflict if the
    existing Job is not controlled by this WorkQueueJob.
    """
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


async def _end_job(cluster: ClusterAPI, namespace: str, action: EndJob) -> dict[str, Any] | None:
    """Delete the Job's pods with a short grace, then set the condition that ends the Job.

    In the other order the Job controller would delete the pods with their whole grace period, which
    can't be shortened afterwards. Pods that end first are not replaced so fast. A pod's deletion
    can't depend on the Job's resourceVersion, so the Job is read once more before. Raises Conflict
    if it has changed. Returns the ended Job, or None if there are more pods to delete first.
    """
    current = await cluster.read_job(namespace, action.job)
    if current["metadata"]["resourceVersion"] != action.resource_version:
        raise Conflict(f"Job {action.job} has changed since its end was decided")
    if not action.with_grace and not await _delete_pods(cluster, namespace, current["metadata"]):
        return None
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


async def _delete_pods(cluster: ClusterAPI, namespace: str, job: dict[str, Any]) -> bool:
    """Delete the running pods that a Job controls, and no other pod with its label.

    Deletes MOST_PODS_A_STEP at most; returns whether every pod is deleted by now.
    """
    pods = await cluster.list_pods(
        namespace,
        label_selector=f"{JOB_LABEL}={job['name']}",
        field_selector="status.phase!=Succeeded,status.phase!=Failed",
    )
    left = [
        pod["metadata"]
        for pod in pods
        if read_job_uid(pod) == job["uid"] and "deletionTimestamp" not in pod["metadata"]
    ]
    deletions = (
        cluster.delete_pod(
            namespace,
            metadata["name"],
            uid=metadata["uid"],
            grace_period_seconds=_GRACE_SECONDS,
        )
        for metadata in left[:MOST_PODS_A_STEP]
    )
    for failure in await asyncio.gather(*deletions, return_exceptions=True):
        if failure is not None:
            raise failure
    return len(left) <= MOST_PODS_A_STEP
