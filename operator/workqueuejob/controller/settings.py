"""The settings of the operator's process. Reads no option or variable itself."""

import socket
import uuid
from dataclasses import dataclass, field
from importlib.metadata import version

from workqueuejob.brokers.hosts import ALL_HOSTS, AllowedHosts
from workqueuejob.planning.rules.installations import Installation

DEFAULT_WORKER_IMAGE = f"workqueuejob/worker:{version('workqueuejob')}"


def build_identity() -> str:
    """Return a name that no other process has: the host's, and a random UUID."""
    return f"{socket.gethostname()}_{uuid.uuid4()}"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line or the environment says."""

    namespaces: tuple[str, ...] = ()
    """Those to watch; empty: all but the excluded ones."""
    excluded_namespaces: tuple[str, ...] = ()
    """Those not to watch, while all others are watched."""
    http_port: int = 8080
    """Of /healthz, /readyz and /metrics."""
    poll_interval_seconds: float = 0.8
    """Between two measurements of a queue."""
    worker_image: str = DEFAULT_WORKER_IMAGE
    """The image from which an init container copies the worker into pods."""
    worker_image_pull_policy: str | None = None
    """That container's imagePullPolicy; None: Kubernetes' default."""
    identity: str = field(default_factory=build_identity)
    """This process' name in the Lease. No two processes at a time may have the same."""
    lease_namespace: str = "default"
    lease_name: str = "workqueuejob"
    """With lease_namespace: the Lease by which replicas agree on a leader."""
    installation: Installation = field(default_factory=Installation)
    """The installation that this process is a replica of."""
    allowed_hosts: AllowedHosts = ALL_HOSTS
    """The hosts and addresses that the operator may connect to as brokers."""
