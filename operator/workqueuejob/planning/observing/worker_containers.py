"""Finds the container of a pod that runs the worker, and whether it runs or has ended. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from workqueuejob.contract.settings import SETTINGS
from workqueuejob.planning.observing.containers import has_ended, is_deleted, read_state


@dataclass(frozen=True, slots=True)
class RunningWorker:
    """A pod whose worker runs, and which is not being deleted."""

    uid: str
    started: datetime
    """When its container was started, by the node's clock."""


def find_worker(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the status of the container that has the worker's settings; empty without any."""
    workers = name_workers(manifest)
    for container in (manifest.get("status") or {}).get("containerStatuses") or ():
        if container.get("name") in workers or not workers:
            status: Mapping[str, Any] = container
            return status
    return {}


def name_workers(pod: Mapping[str, Any]) -> set[str]:
    """Return the containers that have the worker's settings."""
    return {name for name, variables in list_variables(pod).items() if SETTINGS in variables}


def list_variables(manifest: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the names of each container's variables."""
    containers = (manifest.get("spec") or {}).get("containers") or ()
    return {
        container["name"]: [variable["name"] for variable in container.get("env") or ()]
        for container in containers
    }


def read_running_worker(manifest: Mapping[str, Any], *, is_gone: bool) -> RunningWorker | None:
    """Return a pod whose worker runs; None if it does not, or the pod is deleted."""
    metadata = manifest["metadata"]
    running = read_state(find_worker(manifest)).get("running") or {}
    is_over = is_gone or has_ended(manifest) or is_deleted(manifest)
    if is_over or not running.get("startedAt"):
        return None
    return RunningWorker(metadata["uid"], datetime.fromisoformat(running["startedAt"]))


def has_left(manifest: Mapping[str, Any], container: Mapping[str, Any]) -> bool:
    """Return whether a pod goes on although its worker has ended and is not started again."""
    terminated = read_state(container).get("terminated")
    if not terminated or (manifest.get("status") or {}).get("phase") != "Running":
        return False
    policy = (manifest.get("spec") or {}).get("restartPolicy")
    return policy == "Never" or (policy == "OnFailure" and terminated.get("exitCode") == 0)
