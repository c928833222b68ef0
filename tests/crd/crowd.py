"""Fills an API server with WorkQueueJobs, and reads what they cost."""

from pathlib import Path
from typing import Any

from tests.crowd import each
from workqueuejob.names import GROUP, PLURAL, VERSION

from .api_server import ApiServer
from .manifests import build_manifest


def create_idle_runs(
    server: ApiServer, count: int, *, port: int, prefix: str = "idle", **changes: Any
) -> None:
    """Create WorkQueueJobs that wait for a first item in lists of one Redis."""

    def create(number: int) -> None:
        queue = {"redis": {"host": "127.0.0.1", "port": port, "list": {"key": f"job{number}"}}}
        manifest = build_manifest({"spec": {"queue": {**queue, "rabbitmq": None}, **changes}})
        manifest["spec"]["emptyStart"] = "Wait"
        manifest["metadata"]["name"] = f"{prefix}-{number}"
        server.objects.create_namespaced_custom_object(GROUP, VERSION, "default", PLURAL, manifest)

    each(create, range(count))


def read_peak_megabytes(pid: int) -> float:
    """Return the most memory that a process has had at once."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024
