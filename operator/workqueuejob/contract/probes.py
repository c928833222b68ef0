"""Container probes, as the operator writes them and the worker runs them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """One container probe: a command, a TCP port, or an HTTP port and path.

    kind: `livenessProbe` or `startupProbe`.
    host: None for the pod's own.
    path: of an HTTP request; None only connects to the port.
    is_encrypted: whether the HTTP request uses TLS.
    headers: pairs of name and value.
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
    """Return the container probe that is written as JSON.

    Raises TypeError or ValueError for any other JSON.
    """
    command = tuple(written.get("command") or ())
    headers = tuple((name, value) for name, value in written.get("headers") or ())
    return ProbeSettings(**{**written, "command": command, "headers": headers})
