"""Fills an API server with the objects of others, and with those of ended waves."""

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from kubernetes import client

from workqueuejob.names import (
    JOB_LABEL,
    NAME_LABEL,
    UID_LABEL,
    WAVE_LABEL,
    WORKER_LABEL,
    job_name,
)

Manifest = dict[str, Any]
Given = TypeVar("Given")

_AT_ONCE = 8
_NOTE = {"note": "x" * 2000}
_POD: Manifest = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}
_REPORT = '{"wqj":1,"succeeded":1}'


def create_foreign_jobs(api: client.ApiClient, count: int, *, namespace: str = "default") -> None:
    """Create suspended Jobs that no WorkQueueJob owns."""
    jobs: Any = client.BatchV1Api(api)

    def create(number: int) -> None:
        body = {
            "metadata": {"name": f"foreign-{number}", "annotations": _NOTE},
            "spec": {"suspend": True, "template": {"spec": _POD}},
        }
        jobs.create_namespaced_job(namespace, body, _preload_content=False)

    each(create, range(count))


def create_finished_pods(api: client.ApiClient, count: int, *, namespace: str = "default") -> None:
    """Create pods of workers that have ended, of a run that is no more.

    No scheduler takes them, so no kubelet has them, and no pod of a missing node is cleared away.
    """
    labels = {WORKER_LABEL: "true", UID_LABEL: "before", JOB_LABEL: "before"}
    _create_pods(
        api, namespace, [{"name": f"finished-{n}", "labels": labels} for n in range(count)]
    )


def create_foreign_pods(api: client.ApiClient, count: int, *, namespace: str = "default") -> None:
    """Create pods that have ended and that no WorkQueueJob has anything to do with."""
    _create_pods(api, namespace, [{"name": f"foreign-{n}"} for n in range(count)])


def create_finished_waves(
    api: client.ApiClient, run: Manifest, *, waves: int, pods_per_wave: int
) -> None:
    """Create Jobs of a run that are Complete, with their pods.

    run: as the API server has it. Its status should know of so many waves.
    """
    jobs: Any = client.BatchV1Api(api)
    namespace, name, uid = (run["metadata"][key] for key in ("namespace", "name", "uid"))
    owner = {"apiVersion": run["apiVersion"], "kind": run["kind"], "name": name, "uid": uid}

    for wave in range(1, waves + 1):
        labels = {NAME_LABEL: name, UID_LABEL: uid, WAVE_LABEL: str(wave), WORKER_LABEL: "true"}
        metadata: Manifest = {"name": job_name(name, uid, wave), "labels": labels}
        metadata["ownerReferences"] = [{**owner, "controller": True}]
        spec = {
            "completions": pods_per_wave,
            "completionMode": "Indexed",
            # No controller creates pods of its own for it before the status is written.
            "suspend": True,
            "template": {"metadata": {"labels": labels}, "spec": _POD},
        }
        body = {"metadata": metadata, "spec": spec}
        answer = jobs.create_namespaced_job(namespace, body, _preload_content=False)
        job = json.loads(answer.data)
        controller = {"apiVersion": "batch/v1", "kind": "Job", "controller": True}
        controller |= {"name": metadata["name"], "uid": job["metadata"]["uid"]}
        _create_pods(
            api,
            namespace,
            [
                {
                    "name": f"{metadata['name']}-{index}",
                    "labels": labels | {JOB_LABEL: metadata["name"]},
                    "annotations": {"batch.kubernetes.io/job-completion-index": str(index)},
                    "ownerReferences": [controller],
                }
                for index in range(pods_per_wave)
            ],
        )
        jobs.patch_namespaced_job_status(
            metadata["name"],
            namespace,
            {"status": _build_complete(pods_per_wave, job["metadata"]["creationTimestamp"])},
            _preload_content=False,
        )


def build_succeeded(container: str, report: str) -> Manifest:
    """Return the status of a pod that has succeeded with this termination message."""
    terminated = {"exitCode": 0, "reason": "Completed", "message": report}
    status = {
        "name": container, "image": "i", "imageID": "i", "ready": False, "restartCount": 0,
        "state": {"terminated": terminated},
    }  # fmt: skip
    return {"phase": "Succeeded", "containerStatuses": [status]}


def _build_complete(pods: int, time: str) -> Manifest:
    """Return the status of a Job whose pods have all succeeded."""
    reached = {"status": "True", "reason": "CompletionsReached", "lastTransitionTime": time}
    return {
        "startTime": time,
        "completionTime": time,
        "succeeded": pods,
        "completedIndexes": f"0-{pods - 1}",
        "conditions": [
            {"type": "SuccessCriteriaMet", **reached},
            {"type": "Complete", **reached},
        ],
    }


def _create_pods(api: client.ApiClient, namespace: str, metadata: Iterable[Manifest]) -> None:
    """Create pods, each with the metadata of one, and let them succeed."""
    pods: Any = client.CoreV1Api(api)
    ended = {"status": build_succeeded("c", _REPORT)}

    def create(one: Manifest) -> None:
        annotations = _NOTE | one.get("annotations", {})
        body = {
            "metadata": one | {"annotations": annotations},
            "spec": {**_POD, "schedulerName": "none"},
        }
        pods.create_namespaced_pod(namespace, body, _preload_content=False)
        pods.patch_namespaced_pod_status(one["name"], namespace, ended, _preload_content=False)

    each(create, metadata)


def each(create: Callable[[Given], object], given: Iterable[Given]) -> None:
    """Call it with each of the numbers, manifests or names, a few at a time."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in pool.map(create, given):
            pass
