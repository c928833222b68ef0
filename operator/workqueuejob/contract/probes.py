"""A container's probes as its worker asks them: written by the operator, read by the worker."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """One probe: a command, or a port, or a port and a path of HTTP.

    kind: `livenessProbe` or `startupProbe`. host: None is the pod's own.
    path: None only connects to the port. headers: pairs of name and value.
    """

    kind: str
    timeout_seconds: int = 1
    command: tuple[str, ...] = ()
    host: str | None = None
    port: int | None = None
    path: str | None = None
    is_encrypted: bool = False
    headers: tuple[tuple[str, str], ...] = ()


def read_probe(written: Mapping[str, Any]) -> ProbeSettings:
    """Return a probe that was written as JSON; raises TypeError or ValueError for anything else."""
    command = tuple(written.get("command") or ())
    headers = tuple((name, value) for name, value in written.get("headers") or ())
    return ProbeSettings(**{**written, "command": command, "headers": headers})
