"""How the operator's process is set up."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line or the environment says.

    namespaces: those to watch; empty means all.
    http_port: of /healthz, /readyz and /metrics.
    poll_interval_seconds: between two measurements of a queue.
    """

    namespaces: tuple[str, ...] = ()
    http_port: int = 8080
    poll_interval_seconds: float = 0.8
