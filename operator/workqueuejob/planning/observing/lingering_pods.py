"""Finds pods that hang half-way: not started although nothing refuses them, or not ended although
the container that works has. Asks no cluster.

Neither shows in a reason of the pod's status. A pod whose volume needs a missing ConfigMap says
`ContainerCreating`, as a healthy one does for a moment.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from workqueuejob.planning.observing.containers import is_deleted, list_containers, read_state
from workqueuejob.planning.observing.observed import PodProblem
from workqueuejob.planning.observing.worker_containers import name_workers

CONTAINERS_LEFT = "ContainersLeft"
"""The reason of the problem that a pod does not end although its work is over."""

_STARTED_WITHIN = timedelta(seconds=30)
_ENDED_WITHIN = timedelta(seconds=30)


def find_slow_start(pods: Iterable[Mapping[str, Any]], *, now: datetime) -> PodProblem | None:
    """Return the problem that pods have been starting for half a minute, or None."""
    return _sum_up("NotStarted", (_find_delay(pod, now) for pod in pods))


def find_left_containers(pods: Iterable[Mapping[str, Any]], *, now: datetime) -> PodProblem | None:
    """Return the problem that pods don't end because another container goes on, or None."""
    return _sum_up(CONTAINERS_LEFT, (_find_left(pod, now) for pod in pods))


def _sum_up(reason: str, problems: Iterable[str | None]) -> PodProblem | None:
    """Return the problem that most of the pods have; None without any."""
    for message, pods in Counter(filter(None, problems)).most_common(1):
        return PodProblem(reason=reason, message=message, pods=pods)
    return None


def _find_delay(pod: Mapping[str, Any], now: datetime) -> str | None:
    """Return what a pod that was scheduled has been waiting for; None if it is not late."""
    status: Mapping[str, Any] = pod.get("status") or {}
    since = _find_scheduled(status)
    is_starting = status.get("phase") == "Pending" and not is_deleted(pod)
    if not is_starting or since is None or now - since <= _STARTED_WITHIN:
        return None
    always = {
        container["name"]
        for container in (pod.get("spec") or {}).get("initContainers") or ()
        if container.get("restartPolicy") == "Always"
    }
    for container in status.get("initContainerStatuses") or ():
        running = read_state(container).get("running")
        if running is not None and container["name"] not in always:
            return f"init container {container['name']} has not ended, and the others wait for it"
    reasons = [
        f"container {container['name']} ({read_state(container)['waiting'].get('reason')})"
        for _, container in list_containers(status)
        if read_state(container).get("waiting")
    ]
    if not reasons:
        return None
    return (
        f"{reasons[0]} has been waiting for more than {_STARTED_WITHIN.seconds} s, as for a large"
        " image, or for a volume whose ConfigMap or Secret is missing; kubectl describe pod"
        f" {pod['metadata']['name']} shows the kubelet's words"
    )


def _find_scheduled(status: Mapping[str, Any]) -> datetime | None:
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "True":
            time = condition.get("lastTransitionTime")
            return datetime.fromisoformat(time) if time else None
    return None


def _find_left(pod: Mapping[str, Any], now: datetime) -> str | None:
    """Return which container of a pod has ended and which goes on; None if none is left over."""
    status: Mapping[str, Any] = pod.get("status") or {}
    if status.get("phase") != "Running" or is_deleted(pod):
        return None
    states = {c["name"]: read_state(c) for c in status.get("containerStatuses") or ()}
    workers = name_workers(pod)
    ended = [
        name
        for name, state in states.items()
        if _has_ended_long_ago(state, now) and (not workers or name in workers)
    ]
    left = [name for name, state in states.items() if "running" in state]
    if not ended or not left:
        return None
    return (
        f"container {ended[0]} has ended, and {', '.join(left)} goes on, so the pod does not end:"
        " if it only serves the other one, declare it in spec.template as a sidecar, which is an"
        " init container with restartPolicy Always"
    )


def _has_ended_long_ago(state: Mapping[str, Any], now: datetime) -> bool:
    finished = (state.get("terminated") or {}).get("finishedAt")
    return finished is not None and now - datetime.fromisoformat(finished) > _ENDED_WITHIN
