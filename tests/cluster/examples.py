"""The examples as users run them: their own manifests, step by step, in a test's own namespace."""

from pathlib import Path

from dev.environment import ROOT
from dev.workspaces.workspace import Manifest, Workspace

EXAMPLES = ROOT / "examples"

FRUITS = ("apple", "banana", "cherry", "date", "fig", "grape", "lemon", "melon", "orange")
"""What `fine-redis/fill.yaml` puts into the list job2."""


def apply(workspace: Workspace, path: str | Path) -> None:
    """Apply a manifest of the examples."""
    workspace.cluster.apply((EXAMPLES / path).read_text(), namespace=workspace.namespace)


def start_broker(workspace: Workspace, path: str, *, workload: str) -> None:
    """Apply a broker's manifest and wait until it answers."""
    apply(workspace, path)
    workspace.kubectl("rollout", "status", workload, "--timeout=120s")


def run_to_end(workspace: Workspace, path: str, *, job: str) -> None:
    """Apply a Job's manifest and wait until it is complete."""
    apply(workspace, path)
    workspace.kubectl("wait", "--for=condition=Complete", f"job/{job}", "--timeout=120s")


def drain(workspace: Workspace, path: str, name: str) -> Manifest:
    """Apply a WorkQueueJob's manifest, wait until it is complete, and return it."""
    apply(workspace, path)
    return wait_until_complete(workspace, name)


def wait_until_complete(workspace: Workspace, name: str) -> Manifest:
    """Return the WorkQueueJob when it is complete; fail when it ends otherwise."""
    workspace.wait_for_end(name, seconds=240)
    workspace.kubectl("wait", "--for=condition=Complete", f"wqj/{name}", "--timeout=1s")
    return workspace.work_queue_job(name)


def ask_redis(workspace: Workspace, *command: str) -> list[str]:
    """Return what redis-cli answers, a line an entry."""
    answer = workspace.kubectl("exec", "deployment/redis", "--", "redis-cli", "--raw", *command)
    return answer.split("\n")[:-1]


def logs_of_each_pod(workspace: Workspace, name: str) -> list[list[str]]:
    """Return the lines that each pod of a WorkQueueJob has printed."""
    names = (pod["metadata"]["name"] for pod in workspace.pods(name))
    return [workspace.kubectl("logs", pod).splitlines() for pod in names]
