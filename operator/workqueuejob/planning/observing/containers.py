"""Reads the status of a pod and of its containers: has it ended, did it ever run? Knows no worker.

A kubelet that ends a pod gives each of its containers a terminated state. Even a container that was
never started gets exit code 137, with the reason `ContainerStatusUnknown` (`TerminatePod` of
`pkg/kubelet/status`). It differs from one that was killed in two ways: it has no ID, which a
container gets when it is created, and no earlier run is known.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

ENDED = frozenset({"Succeeded", "Failed"})
"""The phases of a pod that has ended."""

_UNKNOWN = "ContainerStatusUnknown"
_NOT_STARTED = datetime(1970, 1, 1, tzinfo=UTC)
"""The start of a container that its runtime could not start, such as for an unknown command."""

_START_FAILED = frozenset({"StartError", "ContainerCannotRun"})
"""What runtimes say of a container whose program they could not start."""

_NODE_IS_GONE = "DeletionByPodGC"


def read_state(container: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the state of a container's status: waiting, running or terminated."""
    state: Mapping[str, Any] = container.get("state") or {}
    return state


def has_ended(pod: Mapping[str, Any]) -> bool:
    """Return whether all containers of a pod have ended for good."""
    return (pod.get("status") or {}).get("phase") in ENDED


def has_started(pod: Mapping[str, Any]) -> bool:
    """Return whether containers of a pod, other than init containers, have been started."""
    return (pod.get("status") or {}).get("phase") in {"Running", *ENDED}


def is_deleted(pod: Mapping[str, Any]) -> bool:
    """Return whether a pod is being deleted."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def list_containers(status: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield what people call each container of a pod's status, and its status; init ones first."""
    kinds = (("initContainerStatuses", "init container"), ("containerStatuses", "container"))
    for field, kind in kinds:
        for container in status.get(field) or ():
            yield kind, container


def has_never_run(pod: Mapping[str, Any], container: Mapping[str, Any]) -> bool:
    """Return whether a pod has ended, and this container of it was never started.

    container: its status; empty where the kubelet has reported none, as of a pod that it refused.
    """
    status: Mapping[str, Any] = pod.get("status") or {}
    if (status.get("phase") == "Running" and not container) or _is_word_missing(status):
        return False
    if container.get("restartCount") or (container.get("lastState") or {}).get("terminated"):
        return False
    state = read_state(container)
    if "running" in state:
        return False
    terminated = state.get("terminated")
    return not terminated or _could_not_start(container, terminated)


def _could_not_start(container: Mapping[str, Any], terminated: Mapping[str, Any]) -> bool:
    started = terminated.get("startedAt")
    if terminated.get("reason") in _START_FAILED:
        return True
    if started:
        return datetime.fromisoformat(started) == _NOT_STARTED
    return terminated.get("reason") == _UNKNOWN and not container.get("containerID")


def _is_word_missing(status: Mapping[str, Any]) -> bool:
    """Return whether the pod was declared dead without its kubelet, which may have started it."""
    return any(
        condition["type"] == "DisruptionTarget" and condition.get("reason") == _NODE_IS_GONE
        for condition in status.get("conditions") or ()
    )
