"""One test's namespace, and the questions that tests ask about the objects in it."""

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from dev.environment import WORKER, Cluster

from .api import connect
from .broker import Broker
from .objects import a_namespace
from .prepared import BROKER_HOST

Manifest = dict[str, Any]

CONSUME = '/usr/bin/amqp-consume --url="$BROKER_URL" -q "$QUEUE" -c 1'
"""The documents' program; the command after it gets the message on its standard input."""

PRINT = f"{CONSUME} awk 1"
"""Prints its item as a line."""

SHORT_GRACE = {"terminationGracePeriodSeconds": 1}
"""For a pod with CONSUME, which as PID 1 ignores SIGTERM and runs until its grace is over."""


def print_after(seconds: int) -> str:
    """Return a command that works for some seconds on its item, then prints it."""
    return f"{CONSUME} -- sh -c 'sleep {seconds}; awk 1'"


@dataclass(frozen=True, slots=True)
class Workspace:
    """One test's namespace and its queue, which has the namespace's name."""

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

    def apply(self, *manifests: Mapping[str, Any]) -> None:
        listed = {"apiVersion": "v1", "kind": "List", "items": manifests}
        self.cluster.apply(json.dumps(listed), namespace=self.namespace)

    def patch(self, name: str, spec: Mapping[str, Any]) -> None:
        """Merge into a WorkQueueJob's spec."""
        self.kubectl("patch", "wqj", name, "--type=merge", "-p", json.dumps({"spec": spec}))

    def close(self) -> None:
        """Delete the namespace, without waiting for it, and what it had at the broker."""
        connect(self.cluster).delete_namespace(self.namespace)
        self.broker.remove(self.queue)

    def get(self, *arguments: str) -> Manifest:
        return self.cluster.get("-n", self.namespace, *arguments)

    def watch(self, *arguments: str, seconds: int) -> list[str]:
        """Return the words that `kubectl get --watch` prints within the seconds."""
        options = ("--watch", f"--request-timeout={seconds}s")
        return self.kubectl("get", *arguments, *options, check=False).split()

    def work_queue_job(self, name: str) -> Manifest:
        return connect(self.cluster).work_queue_job(self.namespace, name)

    def jobs(self) -> list[Manifest]:
        return connect(self.cluster).jobs(self.namespace)

    def pods(self, name: str) -> list[Manifest]:
        selector = f"wqj.dev/name={name}"
        return connect(self.cluster).pods(self.namespace, label_selector=selector)

    def logs(self, name: str) -> list[str]:
        """Return the lines that all pods of a WorkQueueJob have printed."""
        return self.kubectl(
            "logs", "-l", f"wqj.dev/name={name}", "--tail=-1", "--max-log-requests=200"
        ).splitlines()

    def logs_in_order(self, name: str) -> list[str]:
        """Return the lines that all pods of a WorkQueueJob have printed, in the order of time."""
        stamped = self.kubectl(
            "logs", "-l", f"wqj.dev/name={name}", "--tail=-1", "--max-log-requests=200",
            "--timestamps",
        ).splitlines()  # fmt: skip
        return [line.partition(" ")[2] for line in sorted(stamped)]

    def events(self, name: str) -> list[Manifest]:
        selector = f"involvedObject.name={name}"
        items: list[Manifest] = self.get("events", "--field-selector", selector)["items"]
        return sorted(items, key=lambda event: str(event.get("eventTime")))

    def wait_for_event(self, name: str, reason: str) -> list[Manifest]:
        """Return the Events about an object once one has the reason: it follows the status."""
        return poll(
            lambda: self.events(name),
            lambda events: reason in [event["reason"] for event in events],
            seconds=30,
        )

    def wait_for_depth(self, ready: int, *, seconds: float = 60) -> None:
        """Wait until the broker has exactly `ready` items ready."""
        poll(lambda: self.broker.depth(self.queue), lambda depth: depth == ready, seconds=seconds)

    def publish(self, items: Sequence[str]) -> datetime:
        """Publish to the workspace's queue; return when it was done."""
        self.broker.publish(self.queue, items)
        return datetime.now(UTC)

    def wait_until(
        self, name: str, holds: Callable[[Manifest], bool], *, seconds: float
    ) -> Manifest:
        """Return the WorkQueueJob as soon as `holds`; fail with its status after the seconds."""
        return poll(
            lambda: self.work_queue_job(name),
            holds,
            seconds=seconds,
            show=lambda wqj: json.dumps(wqj.get("status"), indent=1),
        )

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


StateT = TypeVar("StateT")


def poll(
    look: Callable[[], StateT],
    holds: Callable[[StateT], bool],
    *,
    seconds: float,
    show: Callable[[StateT], str] = repr,
) -> StateT:
    """Look until `holds` and return that state; fail with the last state after the seconds."""
    deadline = time.monotonic() + seconds
    while True:
        state = look()
        if holds(state):
            return state
        if time.monotonic() > deadline:
            raise AssertionError(f"not so after {seconds:.0f} s: {show(state)}")
        time.sleep(0.3)


def open_workspace(cluster: Cluster, broker: Broker) -> Workspace:
    """Return a workspace in a new namespace."""
    name = f"wqj-test-{uuid.uuid4().hex[:8]}"
    connect(cluster).create_namespace(a_namespace(name))
    return Workspace(cluster, broker, name)


@contextmanager
def measured_workspace(cluster: Cluster, broker: Broker) -> Iterator[Workspace]:
    """Open a workspace for a measurement, and wait at the end until its namespace is gone.

    A deletion that goes on would slow the next measurement.
    """
    workspace = open_workspace(cluster, broker)
    try:
        yield workspace
    finally:
        workspace.close()
        namespace = f"namespace/{workspace.namespace}"
        cluster.kubectl("wait", "--for=delete", namespace, "--timeout=900s")


def a_manifest(
    workspace: Workspace,
    name: str,
    *,
    command: str = PRINT,
    rabbitmq: Mapping[str, Any] | None = None,
    management: bool = True,
    pod: Mapping[str, Any] | None = None,
    container: Mapping[str, Any] | None = None,
    **spec: Any,
) -> Manifest:
    """Return a WorkQueueJob on the workspace's queue, whose pods run the documents' program."""
    queue: Manifest = {"host": BROKER_HOST, "queue": workspace.queue}
    if management:
        queue["management"] = {"url": f"http://{BROKER_HOST}:15672"}
    return build_manifest(
        name,
        {"queue": {"rabbitmq": {**queue, **(rabbitmq or {})}}, **spec},
        command=command,
        pod=pod,
        container=container,
    )


def build_manifest(
    name: str,
    spec: Mapping[str, Any],
    *,
    command: str,
    pod: Mapping[str, Any] | None,
    container: Mapping[str, Any] | None,
) -> Manifest:
    """Return a WorkQueueJob whose pods run a shell command in the documents' worker image."""
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
            "drainedAfterSeconds": 2,
            # Tests read Jobs, and their pods' logs, after the run has ended.
            "successfulJobsHistoryLimit": 100,
            "failedJobsHistoryLimit": 100,
            **spec,
            "template": {"spec": {"containers": [worker], **(pod or {})}},
        },
    }


def condition_of(wqj: Mapping[str, Any], condition_type: str) -> Mapping[str, str]:
    """Return a condition, or an empty mapping if there is none of that type."""
    conditions = (wqj.get("status") or {}).get("conditions") or ()
    return next((entry for entry in conditions if entry["type"] == condition_type), {})


def reason_of(wqj: Mapping[str, Any], condition_type: str) -> str | None:
    """Return the reason of a condition, or None if there is none of that type."""
    return condition_of(wqj, condition_type).get("reason")


def message_of(wqj: Mapping[str, Any], condition_type: str) -> str:
    """Return the message of a condition, or an empty text."""
    return condition_of(wqj, condition_type).get("message", "")


def is_going(pod: Mapping[str, Any]) -> bool:
    """Return whether a pod has not ended."""
    return pod["status"]["phase"] in {"Pending", "Running"}


def succeeded_pods(wqj: Mapping[str, Any]) -> int:
    """Return how many pods status says have succeeded."""
    pods = (wqj.get("status") or {}).get("pods") or {}
    return int(pods.get("succeeded") or 0)
