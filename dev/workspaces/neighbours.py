"""Healthy WorkQueueJobs in one namespace with broken ones, four of which have a hostile broker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dev.environment import WORKER

from .hostile import PORTS, PROGRAM
from .objects import a_login
from .workspace import Manifest, Workspace, a_manifest, message_of, reason_of

SILENT = "import socket, time; s = socket.create_server(('', 5672), backlog=99); time.sleep(3600)"
"""Accepts connections and sends nothing."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A broken WorkQueueJob, and the condition that says so."""

    name: str
    condition: str
    reason: str
    words: str
    """A part of the condition's message."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of `a_manifest`."""
    has_item: bool = False

    def says_so(self, wqj: Manifest) -> bool:
        """Return whether the condition has this reason, and its message these words."""
        has_words = self.words in message_of(wqj, self.condition)
        return reason_of(wqj, self.condition) == self.reason and has_words


BROKEN = (
    Broken("refused", "QueueReachable", "ConnectionFailed", "refused",
           {"rabbitmq": {"host": "nobody"}}),
    Broken("black-hole", "QueueReachable", "ConnectionFailed", "timeout",
           {"rabbitmq": {"host": "silent"}}),
    Broken("unknown-host", "QueueReachable", "ConnectionFailed", "unknown host",
           {"rabbitmq": {"host": "nowhere"}}),
    Broken("wrong-password", "QueueReachable", "AuthenticationFailed", "correct the Secret",
           {"rabbitmq": {"credentialsSecretRef": {"name": "wrong"}}}),
    Broken("missing-secret", "QueueReachable", "SecretNotFound", "create it",
           {"rabbitmq": {"credentialsSecretRef": {"name": "nowhere"}}}),
    Broken("missing-queue", "QueueReachable", "QueueNotFound", "create it"),
    Broken("plain-port", "QueueReachable", "TLSFailed", "answers without TLS",
           {"rabbitmq": {"tls": {}, "port": 5672}}),
    Broken("missing-image", "Progressing", "PodsNotStarting", "no-such-image",
           {"container": {"image": "localhost/workqueuejob/no-such-image:1"}}, has_item=True),
    Broken("invalid-template", "Progressing", "TemplateInvalid", "containers[0].name",
           {"container": {"name": "Not_A_Label"}}, has_item=True),
    Broken("failing-command", "Failed", "BackoffLimitExceeded", "spec.backoffLimit 0 allows",
           {"command": "false", "backoffLimit": 0}, has_item=True),
    Broken("flooding", "QueueReachable", "ConnectionFailed", "more than 64 KiB",
           {"rabbitmq": {"host": "hostile"}}),
    Broken("dripping", "QueueReachable", "ConnectionFailed", "timeout",
           {"rabbitmq": {"host": "hostile", "port": 5673}}),
    Broken("dripping-redis", "QueueReachable", "ConnectionFailed", "no whole answer",
           {"queue": {"redis": {"host": "hostile", "list": {"key": "job2"}}}}),
    Broken("bombing", "QueueReachable", "ManagementUnavailable", "encoded as gzip",
           {"rabbitmq": {"management": {"url": "http://hostile:15672"}}, "suspend": True},
           has_item=True),
)  # fmt: skip


def arrange(workspace: Workspace) -> None:
    """Create the servers, Secrets and items that the broken ones need, and wait for the servers."""
    amqp = [{"port": 5672}]
    hostile = [{"name": f"port-{port}", "port": port} for port in PORTS]
    workspace.apply(
        *_a_server("silent", SILENT, amqp),
        *_a_server("hostile", PROGRAM, hostile),
        _an_object("v1", "Service", "nobody", {"spec": {"ports": amqp}}),
        a_login("wrong", "guest", "wrong"),
    )
    for name in ("silent", "hostile"):
        workspace.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")
    for broken in BROKEN:
        if broken.has_item:
            workspace.broker.publish(queue_of(workspace, broken.name), ["apple"])


def build_broken(workspace: Workspace) -> list[Manifest]:
    """Return the manifests of the broken ones."""
    return [_build(workspace, broken.name, **broken.changes) for broken in BROKEN]


def build_healthy(workspace: Workspace, names: Sequence[str]) -> list[Manifest]:
    """Return the manifests of healthy ones, after putting an item into the queue of each."""
    for name in names:
        workspace.broker.publish(queue_of(workspace, name), ["apple"])
    return [_build(workspace, name) for name in names]


def clear(workspace: Workspace, names: Sequence[str]) -> None:
    """Remove the queues of these healthy ones and of the broken ones."""
    for name in [*names, *(broken.name for broken in BROKEN)]:
        workspace.broker.remove(queue_of(workspace, name))


def queue_of(workspace: Workspace, name: str) -> str:
    """Return the name of the queue that belongs to a WorkQueueJob of this name."""
    return f"{workspace.queue}.{name}"


def _build(workspace: Workspace, name: str, **changes: Any) -> Manifest:
    rabbitmq = {"queue": queue_of(workspace, name), **changes.pop("rabbitmq", {})}
    return a_manifest(workspace, name, rabbitmq=rabbitmq, management=False, **changes)


def _a_server(name: str, program: str, ports: list[Manifest]) -> tuple[Manifest, Manifest]:
    """Return a pod that runs a Python program, and the Service by whose name it is reached."""
    selector = {"app": name}
    container = {
        "name": name,
        "image": WORKER.local_reference,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", program],
    }
    pod = {"containers": [container], "terminationGracePeriodSeconds": 0}
    return (
        _an_object("v1", "Pod", name, {"spec": pod}, labels=selector),
        _an_object("v1", "Service", name, {"spec": {"ports": ports, "selector": selector}}),
    )


def _an_object(
    version: str, kind: str, name: str, body: Manifest, *, labels: Mapping[str, str] | None = None
) -> Manifest:
    metadata = {"name": name, "labels": dict(labels or {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **body}
