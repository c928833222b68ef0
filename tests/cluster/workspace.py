"""A namespace of a test's own, and the questions that tests ask about what is in it."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from deploy.environment import WORKER, Cluster

from .broker import Broker
from .prepared import BROKER_HOST

Manifest = dict[str, Any]

CONSUME = '/usr/bin/amqp-consume --url="$BROKER_URL" -q "$QUEUE" -c 1'
"""The documents' own program; what follows gets the message on its standard input."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """One test's namespace and its queue, which bears the namespace's name."""

    cluster: Cluster
    broker: Broker
    namespace: str

    @property
    def queue(self) -> str:
        return self.namespace

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        return self.cluster.kubectl(
            "-n", self.namespace, *arguments, stdin=stdin, check=check
        ).stdout

    def apply(self, manifest: Mapping[str, Any]) -> None:
        self.cluster.apply(json.dumps(manifest), namespace=self.namespace)

    def get(self, *arguments: str) -> Manifest:
        return self.cluster.get("-n", self.namespace, *arguments)

    def work_queue_job(self, name: str) -> Manifest:
        return self.get("wqj", name)

    def jobs(self) -> list[Manifest]:
        items: list[Manifest] = self.get("jobs")["items"]
        return items

    def pods(self, name: str) -> list[Manifest]:
        items: list[Manifest] = self.get("pods", "-l", f"wqj.dev/name={name}")["items"]
        return items

    def logs(self, name: str) -> list[str]:
        """Return the lines that all pods of a WorkQueueJob have printed."""
        return self.kubectl(
            "logs", "-l", f"wqj.dev/name={name}", "--tail=-1", "--max-log-requests=200"
        ).splitlines()

    def events(self, name: str) -> list[Manifest]:
        selector = f"involvedObject.name={name}"
        items: list[Manifest] = self.get("events", "--field-selector", selector)["items"]
        return sorted(items, key=lambda event: str(event.get("eventTime")))

    def publish(self, items: Sequence[str]) -> datetime:
        """Publish to the workspace's queue; return when it was done."""
        self.broker.publish(self.queue, items)
        return datetime.now(UTC)

    def wait_until(
        self, name: str, holds: Callable[[Manifest], bool], *, seconds: float
    ) -> Manifest:
        """Return the WorkQueueJob once it is as wanted; fail with what it is instead."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.work_queue_job(name)
            if holds(found):
                return found
            if time.monotonic() > deadline:
                raise AssertionError(json.dumps(found.get("status"), indent=1))
            time.sleep(0.4)

    def wait_for_end(self, name: str, *, seconds: float) -> Manifest:
        return self.wait_until(
            name, lambda wqj: bool(reason_of(wqj, "Complete") or reason_of(wqj, "Failed")),
            seconds=seconds,
        )  # fmt: skip

    def wait_for_reason(
        self, name: str, condition: str, reason: str, *, seconds: float
    ) -> Manifest:
        return self.wait_until(
            name, lambda wqj: reason_of(wqj, condition) == reason, seconds=seconds
        )


def a_manifest(
    workspace: Workspace,
    name: str,
    *,
    command: str = f"{CONSUME} cat",
    rabbitmq: Mapping[str, Any] | None = None,
    management: bool = True,
    pod: Mapping[str, Any] | None = None,
    container: Mapping[str, Any] | None = None,
    **spec: Any,
) -> Manifest:
    """Return a WorkQueueJob on the workspace's queue, worked on by the documents' program."""
    queue: Manifest = {"host": BROKER_HOST, "queue": workspace.queue}
    if management:
        queue["management"] = {"url": f"http://{BROKER_HOST}:15672"}
    worker = {
        "name": "worker",
        "image": WORKER.local_reference,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", command],
        **(container or {}),
    }
    return {
        "apiVersion": "wqj.dev/v1alpha1",
        "kind": "WorkQueueJob",
        "metadata": {"name": name},
        "spec": {
            "queue": {"rabbitmq": {**queue, **(rabbitmq or {})}},
            "drainedAfterSeconds": 2,
            **spec,
            "template": {"spec": {"containers": [worker], **(pod or {})}},
        },
    }


def reason_of(wqj: Mapping[str, Any], condition_type: str) -> str | None:
    """Return the reason of a condition, if it is there."""
    for condition in (wqj.get("status") or {}).get("conditions") or ():
        if condition["type"] == condition_type:
            reason: str = condition["reason"]
            return reason
    return None


def message_of(wqj: Mapping[str, Any], condition_type: str) -> str:
    """Return the message of a condition, or nothing."""
    for condition in (wqj.get("status") or {}).get("conditions") or ():
        if condition["type"] == condition_type:
            message: str = condition["message"]
            return message
    return ""
