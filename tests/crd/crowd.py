"""Fills an API server with objects, many at a time."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from kubernetes import client

from workqueuejob.names import GROUP, JOB_LABEL, PLURAL, UID_LABEL, VERSION, WORKER_LABEL

from .api_server import ApiServer
from .manifests import Manifest, build_manifest

_AT_ONCE = 8
_POD: Manifest = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}


def create_idle_runs(
    server: ApiServer, count: int, *, port: int, prefix: str = "idle", **changes: Any
) -> None:
    """Create WorkQueueJobs that wait for a first item in lists of one Redis."""

    def create(number: int) -> None:
        queue = {"redis": {"host": "127.0.0.1", "port": port, "list": {"key": f"job{number}"}}}
        manifest = build_manifest({"spec": {"queue": {**queue, "rabbitmq": None}, **changes}})
        manifest["spec"]["emptyStart"] = "Wait"
        manifest["metadata"]["name"] = f"{prefix}-{number}"
        server.objects.create_namespaced_custom_object(GROUP, VERSION, "default", PLURAL, manifest)

    _each(create, range(count))


def create_foreign_jobs(server: ApiServer, count: int) -> None:
    """Create suspended Jobs that nobody of ours knows."""
    api: Any = client.BatchV1Api(server.objects.api_client)

    def create(number: int) -> None:
        spec = {"suspend": True, "template": {"spec": _POD}}
        metadata = {"name": f"foreign-{number}", "annotations": {"note": "x" * 2000}}
        api.create_namespaced_job("default", {"metadata": metadata, "spec": spec})

    _each(create, range(count))


def create_finished_pods(server: ApiServer, count: int) -> None:
    """Create pods of workers that have ended, of a run that is no more."""
    api: Any = client.CoreV1Api(server.objects.api_client)

    def create(number: int) -> None:
        name = f"finished-{number}"
        labels = {WORKER_LABEL: "true", UID_LABEL: "before", JOB_LABEL: "before"}
        metadata = {"name": name, "labels": labels, "annotations": {"note": "x" * 2000}}
        body = {"metadata": metadata, "spec": {**_POD, "nodeName": "nowhere"}}
        api.create_namespaced_pod("default", body)
        api.patch_namespaced_pod_status(name, "default", {"status": {"phase": "Succeeded"}})

    _each(create, range(count))


def read_peak_megabytes(pid: int) -> float:
    """Return the most memory that a process has had at once."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def _each(create: Callable[[int], None], numbers: Iterable[int]) -> None:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in pool.map(create, numbers):
            pass
