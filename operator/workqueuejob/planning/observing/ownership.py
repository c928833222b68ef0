"""Finds out to which run a Job or a pod belongs, by namespace and controller.

Labels and names prove nothing, because anyone may write them, in any namespace. A UID alone proves
little more: a user who may read an object of another namespace knows its UID, and may name it as an
owner.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from workqueuejob.api import WorkQueueJob
from workqueuejob.contract.report import HELD_MAX
from workqueuejob.names import CONCURRENCY_LABEL, GROUP, KIND, WAVE_DIGITS, WAVE_LABEL, job_name
from workqueuejob.planning.observing.observed import ObservedJob

Manifest = Mapping[str, Any]

_CONCURRENCY_DIGITS = 3


def is_own_job(manifest: Manifest, resource: WorkQueueJob) -> bool:
    """Return whether a Job is a wave of this WorkQueueJob.

    The name must be that of the Job's wave: a copy that a person makes of a Job keeps its owner and
    its labels, and would be counted a second time.
    """
    metadata, own = manifest["metadata"], resource.metadata
    return (
        metadata.get("namespace") == own.namespace
        and _read_controller_uid(metadata, group=GROUP, kind=KIND) == own.uid
        and metadata.get("name") == job_name(own.name, own.uid, read_wave(manifest))
    )


def read_job_uid(pod: Manifest) -> str:
    """Return the UID of the Job that controls a pod; empty if none does."""
    return _read_controller_uid(pod["metadata"], group="batch", kind="Job")


def keep_own_pods(pods: Iterable[Manifest], jobs: Iterable[ObservedJob]) -> list[Manifest]:
    """Return the pods that one of the Jobs controls, in their order."""
    uids = {job.uid for job in jobs}
    return [pod for pod in pods if read_job_uid(pod) in uids]


def read_wave(manifest: Manifest) -> int:
    """Return the wave that a Job's or a pod's label names; 0 if it names none."""
    label = (manifest["metadata"].get("labels") or {}).get(WAVE_LABEL, "")
    is_number = label.isascii() and label.isdigit() and len(label) <= WAVE_DIGITS
    return int(label) if is_number else 0


def read_concurrency(manifest: Manifest) -> int:
    """Return how many items a pod works on at once, as its or its Job's label says."""
    label = (manifest["metadata"].get("labels") or {}).get(CONCURRENCY_LABEL, "")
    is_number = label.isascii() and label.isdigit() and len(label) <= _CONCURRENCY_DIGITS
    return min(max(int(label), 1), HELD_MAX) if is_number else 1


def read_owner_uid(job: Manifest) -> str:
    """Return the UID of the WorkQueueJob that a Job names as its controller; empty without one."""
    return _read_controller_uid(job["metadata"], group=GROUP, kind=KIND)


def _read_controller_uid(metadata: Manifest, *, group: str, kind: str) -> str:
    """Return the controller's UID if it is of this group and kind.

    The version is not compared: the object stays the same one when its API gets another version.
    """
    for owner in metadata.get("ownerReferences") or ():
        if owner.get("controller"):
            owner_group = str(owner.get("apiVersion", "")).partition("/")[0]
            is_of_kind = owner_group == group and owner.get("kind") == kind
            return str(owner.get("uid", "")) if is_of_kind else ""
    return ""
