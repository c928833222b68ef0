"""Who ended a pod that nobody deleted: its container's probes, or its own deadline. Pure.

A worker is told to stop by SIGTERM, whoever sends it, and gives its item back. That must not count
as an attempt where a node is drained, and must where the item is what makes a probe fail: it would
be tried for ever. So a probe of the worker's container gets a grace that ends before the worker
gives anything back, and its SIGKILL is an attempt like any other.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from workqueuejob.protocol.grace import probe_grace_seconds
from workqueuejob.protocol.settings import DEFAULT_GRACE_SECONDS

Manifest = Mapping[str, Any]

GRACE = "terminationGracePeriodSeconds"
PROBES = ("livenessProbe", "startupProbe")
"""Those that end a container; Kubernetes allows no other a grace."""

DEADLINE_EXCEEDED = "DeadlineExceeded"


def shorten_probe_grace(pod: Manifest, container: dict[str, Any]) -> None:
    """Give the probes of a worker's container less time than the worker's patience."""
    grace = pod.get(GRACE, DEFAULT_GRACE_SECONDS)
    for name in PROBES:
        probe = container.get(name)
        if isinstance(probe, dict) and isinstance(grace, int):
            longest = probe_grace_seconds(grace)
            container[name] = {**probe, GRACE: min(probe.get(GRACE) or longest, longest)}


def find_ender(pod: Manifest, container_names: Iterable[str], *, stopped: bool) -> str | None:
    """Return what of its own spec ended a pod, in a person's words; None if nothing did.

    container_names: those that are looked at. stopped: whether the pod is known to have had a
        SIGTERM, which a program tells by its exit code and a worker by its report.
    """
    status: Manifest = pod.get("status") or {}
    if status.get("reason") == DEADLINE_EXCEEDED:
        seconds = (pod.get("spec") or {}).get("activeDeadlineSeconds")
        return f"activeDeadlineSeconds ({seconds} s) of spec.template.spec"
    if not stopped or is_told_to_go(pod):
        return None
    looked_at = set(container_names)
    for container in (pod.get("spec") or {}).get("containers") or ():
        kinds = [kind for kind in PROBES if container.get(kind)]
        if kinds and container["name"] in looked_at:
            return f"the {' or '.join(kinds)} of container {container['name']}"
    return None


def is_told_to_go(pod: Manifest) -> bool:
    """Return whether a pod is deleted, evicted, preempted, or its node shuts down."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return bool(pod["metadata"].get("deletionTimestamp")) or any(
        condition["type"] == "DisruptionTarget" and condition["status"] == "True"
        for condition in conditions
    )
