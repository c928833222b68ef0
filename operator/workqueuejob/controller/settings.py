"""How the operator's process is set up."""

from dataclasses import dataclass
from importlib.metadata import version

DEFAULT_WORKER_IMAGE = f"workqueuejob/worker:{version('workqueuejob')}"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line or the environment says.

    namespaces: those to watch; empty means all.
    http_port: of /healthz, /readyz and /metrics.
    poll_interval_seconds: between two measurements of a queue.
    worker_image: what the worker is injected from, by an init container.
    worker_image_pull_policy: that container's imagePullPolicy; unset: as Kubernetes has it.
    """

    namespaces: tuple[str, ...] = ()
    http_port: int = 8080
    poll_interval_seconds: float = 0.8
    worker_image: str = DEFAULT_WORKER_IMAGE
    worker_image_pull_policy: str | None = None
