"""Drains as many items with a plain Job and with a run, and times both in the same way."""

import json
import time
from dataclasses import dataclass

from dev.environment import WORKER
from dev.workspaces.api import connect
from dev.workspaces.prepared import BROKER_HOST
from dev.workspaces.workspace import CONSUME, Manifest, Workspace, a_manifest
from workqueuejob.names import JOB_LABEL, NAME_LABEL

_COMMAND = f"{CONSUME} cat"
_ENDED_SECONDS = 600.0
_LOOK_SECONDS = 0.2
"""Between two lists of pods."""


@dataclass(frozen=True, slots=True)
class Drain:
    """How long it took, from `kubectl apply`."""

    last_pod_seconds: float
    """Until the last pod had ended: neither a condition nor the proof of the drain is in it."""
    complete_seconds: float
    """Until `kubectl wait` saw Complete."""


def drain_with_plain_job(workspace: Workspace, items: int, parallelism: int) -> Drain:
    """Drain so many items with a Job whose completions were set by hand."""
    workspace.publish([str(number) for number in range(items)])
    started = time.monotonic()
    job = _build_plain_job(workspace, items, parallelism)
    workspace.cluster.apply(json.dumps(job), namespace=workspace.namespace)
    return _await_end(workspace, "job/plain", f"{JOB_LABEL}=plain", items, started)


def drain_with_run(workspace: Workspace, items: int, parallelism: int) -> Drain:
    """Drain so many items with a WorkQueueJob."""
    workspace.publish([str(number) for number in range(items)])
    started = time.monotonic()
    workspace.apply(a_manifest(workspace, "run", command=_COMMAND, parallelism=parallelism))
    return _await_end(workspace, "wqj/run", f"{NAME_LABEL}=run", items, started)


def _build_plain_job(workspace: Workspace, items: int, parallelism: int) -> Manifest:
    worker = {
        "name": "worker",
        "image": WORKER.local_reference,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", _COMMAND],
        "env": [
            {"name": "BROKER_URL", "value": f"amqp://guest:guest@{BROKER_HOST}:5672"},
            {"name": "QUEUE", "value": workspace.queue},
        ],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "plain"},
        "spec": {
            "completions": items,
            "parallelism": parallelism,
            "template": {"spec": {"restartPolicy": "Never", "containers": [worker]}},
        },
    }


def _await_end(
    workspace: Workspace, drained_by: str, selector: str, items: int, started: float
) -> Drain:
    """Wait until a pod for each item has succeeded, and then for Complete."""
    api = connect(workspace.cluster)
    ended: set[str] = set()
    while len(ended) < items:
        if time.monotonic() - started > _ENDED_SECONDS:
            raise TimeoutError(f"{len(ended)} of {items} pods with {selector} have succeeded")
        time.sleep(_LOOK_SECONDS)
        pods = api.pods(workspace.namespace, label_selector=selector)
        succeeded = (pod for pod in pods if pod["status"]["phase"] == "Succeeded")
        # A Job that is over may be deleted with its pods, so they are remembered.
        ended |= {pod["metadata"]["name"] for pod in succeeded}
    last_pod_seconds = time.monotonic() - started
    workspace.kubectl("wait", "--for=condition=Complete", drained_by, "--timeout=60s")
    return Drain(last_pod_seconds, complete_seconds=time.monotonic() - started)
