"""WorkQueueJobs whose command the worker runs, and the questions that tests ask about them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from .prepared import BROKER_HOST, KAFKA_HOST, REDIS_HOST
from .workspace import Manifest, Workspace, build_manifest, condition_of

PRINT_STDIN = "awk 1"
"""Prints its standard input as a line."""


def print_stdin_after(seconds: float) -> str:
    """Return a command that works for some seconds on its item, then prints it."""
    return f"sleep {seconds}; awk 1"


def a_worker_job(
    workspace: Workspace,
    name: str,
    *,
    queue: Manifest | None = None,
    command: str = PRINT_STDIN,
    worker: Mapping[str, Any] | None = None,
    pod: Mapping[str, Any] | None = None,
    container: Mapping[str, Any] | None = None,
    **spec: Any,
) -> Manifest:
    """Return a Fine WorkQueueJob on a Redis list of the workspace's name, and inject its worker."""
    worked = {
        "queue": queue or a_redis_list(workspace),
        "mode": "Fine",
        "worker": {"source": "Injected", **(worker or {})},
        **spec,
    }
    return build_manifest(name, worked, command=command, pod=pod, container=container)


def a_redis_list(workspace: Workspace, **fields: Any) -> Manifest:
    """Return `spec.queue` for the workspace's list."""
    listed = {"host": REDIS_HOST, "list": {"key": workspace.queue}, "leaseSeconds": 5}
    return {"redis": {**listed, **fields}}


def a_rabbitmq_queue(workspace: Workspace, **fields: Any) -> Manifest:
    """Return `spec.queue` for the workspace's RabbitMQ queue, management API included."""
    management = {"url": f"http://{BROKER_HOST}:15672"}
    return {
        "rabbitmq": {
            "host": BROKER_HOST, "queue": workspace.queue, "management": management, **fields,
        }
    }  # fmt: skip


def a_kafka_topic(workspace: Workspace, **fields: Any) -> Manifest:
    """Return `spec.queue` for the workspace's topic, read by a group of the same name."""
    read = {"topic": workspace.queue, "consumerGroup": workspace.queue}
    return {"kafka": {"bootstrapServers": [f"{KAFKA_HOST}:9092"], **read, **fields}}


def count_processed(workspace: Workspace, name: str, items: Sequence[str]) -> Counter[str]:
    """Return how often pods, killed ones included, have printed each of the items.

    Asserts that each was printed. Other lines of the pods are not counted.
    """
    wanted = set(items)
    printed = Counter(line for line in workspace.logs(name) if line in wanted)
    unseen = sorted(wanted - set(printed))
    assert not unseen, f"items that no pod has processed: {unseen}"
    return printed


def assert_ledger_adds_up(wqj: Manifest) -> None:
    """Assert that the items of the run are those that were settled, and those that remain."""
    items = wqj["status"]["items"]
    settled = items["succeeded"] + items.get("deadLettered", 0) + items.get("discarded", 0)
    assert items["total"] == settled + items["remaining"], items


def has_failed_pods(wqj: Manifest) -> bool:
    """Return whether status counts a pod as failed."""
    return bool(wqj["status"]["pods"].get("failed"))


def ended_as(wqj: Manifest) -> tuple[str, str] | None:
    """Return the condition that ended the run and its reason."""
    for condition_type in ("Complete", "Failed"):
        condition = condition_of(wqj, condition_type)
        if condition.get("status") == "True":
            return condition_type, condition["reason"]
    return None
