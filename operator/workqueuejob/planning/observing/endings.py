"""Finds out what of its own spec ended a pod: its container probes, or its deadline. Pure.

A worker that gets SIGTERM gives its item back, and can't see who sent the signal. Under
`kubectl drain` that must not count as an attempt. But it must where the item itself makes a
container probe fail, or the item would be tried without an end. So a worker knows its container
probes, and asks them itself when it is stopped.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from workqueuejob.contract.probes import ProbeSettings
from workqueuejob.planning.observing.containers import is_deleted

Manifest = Mapping[str, Any]

PROBES = ("livenessProbe", "startupProbe")
"""The container probes that end a container."""

DEADLINE_EXCEEDED = "DeadlineExceeded"


def read_probes(container: Manifest) -> tuple[ProbeSettings, ...] | None:
    """Return the container probes that may end it and that its worker can ask; None without any.

    The worker speaks no gRPC. One that the API server would refuse is left out, because the API
    server will say so.
    """
    read = (_read_probe(kind, container) for kind in PROBES)
    return tuple(probe for probe in read if probe is not None) or None


def find_ender(pod: Manifest, container_names: Iterable[str], *, stopped: bool) -> str | None:
    """Return what of its own spec ended a pod, in a person's words; None if nothing did.

    container_names: the containers to look at.
    stopped: whether the pod is known to have had a SIGTERM: by a program's exit code, or by a
        worker's report.
    """
    status: Manifest = pod.get("status") or {}
    if status.get("reason") == DEADLINE_EXCEEDED:
        seconds = (pod.get("spec") or {}).get("activeDeadlineSeconds")
        return f"activeDeadlineSeconds ({seconds} s) of spec.template.spec"
    if not stopped or is_disrupted(pod):
        return None
    looked_at = set(container_names)
    for container in (pod.get("spec") or {}).get("containers") or ():
        kinds = [kind for kind in PROBES if container.get(kind)]
        if kinds and container["name"] in looked_at:
            return f"the {' or '.join(kinds)} of container {container['name']}"
    return None


def is_disrupted(pod: Manifest) -> bool:
    """Return whether a pod is deleted, evicted, preempted, or its node shuts down."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return is_deleted(pod) or any(
        condition["type"] == "DisruptionTarget" and condition["status"] == "True"
        for condition in conditions
    )


def _read_probe(kind: str, container: Manifest) -> ProbeSettings | None:
    probe = _mapping(container.get(kind))
    timeout = probe.get("timeoutSeconds") or 1
    if not isinstance(timeout, int):
        return None
    command = _mapping(probe.get("exec")).get("command")
    if isinstance(command, list):
        return ProbeSettings(kind, timeout, command=tuple(str(word) for word in command))
    http, tcp = _mapping(probe.get("httpGet")), _mapping(probe.get("tcpSocket"))
    port = _find_port((http or tcp).get("port"), container)
    if port is None:
        return None
    if tcp:
        return ProbeSettings(kind, timeout, host=tcp.get("host"), port=port)
    return ProbeSettings(
        kind,
        timeout,
        host=http.get("host"),
        port=port,
        path=http.get("path") or "/",
        is_encrypted=http.get("scheme") == "HTTPS",
        headers=tuple((str(h.get("name")), str(h.get("value"))) for h in _headers(http)),
    )


def _headers(http: Manifest) -> list[Manifest]:
    headers = http.get("httpHeaders")
    return [_mapping(header) for header in headers] if isinstance(headers, list) else []


def _find_port(port: object, container: Manifest) -> int | None:
    """Return a port's number; a text is the name of one of the container's ports."""
    if isinstance(port, int):
        return port
    named = container.get("ports")
    for candidate in map(_mapping, named if isinstance(named, list) else ()):
        number = candidate.get("containerPort")
        if candidate.get("name") == port and isinstance(number, int):
            return number
    return None


def _mapping(value: object) -> Manifest:
    return value if isinstance(value, Mapping) else {}
