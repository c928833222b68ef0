"""Fills an API server with the objects of others, many at a time."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from kubernetes import client

from workqueuejob.names import JOB_LABEL, UID_LABEL, WORKER_LABEL

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
    pods: Any = client.CoreV1Api(api)
    labels = {WORKER_LABEL: "true", UID_LABEL: "before", JOB_LABEL: "before"}
    terminated = {"exitCode": 0, "reason": "Completed", "message": _REPORT}
    container = {
        "name": "c", "image": "i", "imageID": "i", "ready": False, "restartCount": 0,
        "state": {"terminated": terminated},
    }  # fmt: skip
    ended = {"status": {"phase": "Succeeded", "containerStatuses": [container]}}

    def create(number: int) -> None:
        name = f"finished-{number}"
        metadata = {"name": name, "labels": labels, "annotations": _NOTE}
        body = {"metadata": metadata, "spec": {**_POD, "schedulerName": "none"}}
        pods.create_namespaced_pod(namespace, body, _preload_content=False)
        pods.patch_namespaced_pod_status(name, namespace, ended, _preload_content=False)

    each(create, range(count))


def each(create: Callable[[Given], object], given: Iterable[Given]) -> None:
    """Call it with each of the numbers, manifests or names, a few at a time."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in pool.map(create, given):
            pass
