"""How the operator's process is set up."""

import socket
import uuid
from dataclasses import dataclass, field
from importlib.metadata import version

from workqueuejob.brokers.hosts import ALL_HOSTS, AllowedHosts

DEFAULT_WORKER_IMAGE = f"workqueuejob/worker:{version('workqueuejob')}"


def build_identity() -> str:
    """Return a name that no other process has."""
    return f"{socket.gethostname()}_{uuid.uuid4()}"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line or the environment says.

    namespaces: those to watch; empty means all.
    http_port: of /healthz, /readyz and /metrics.
    poll_interval_seconds: between two measurements of a queue.
    worker_image: what the worker is injected from, by an init container.
    worker_image_pull_policy: that container's imagePullPolicy; unset: as Kubernetes has it.
    identity: who this process is in the Lease; no two that run at once may have the same.
    lease_namespace, lease_name: the Lease by which replicas agree on a leader.
    allowed_hosts: those that may be connected to as brokers.
    """

    namespaces: tuple[str, ...] = ()
    http_port: int = 8080
    poll_interval_seconds: float = 0.8
    worker_image: str = DEFAULT_WORKER_IMAGE
    worker_image_pull_policy: str | None = None
    identity: str = field(default_factory=build_identity)
    lease_namespace: str = "default"
    lease_name: str = "workqueuejob"
    allowed_hosts: AllowedHosts = ALL_HOSTS
