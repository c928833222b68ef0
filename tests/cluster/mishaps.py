"""What can be wrong with a WorkQueueJob's surroundings, what it must say then, and what mends it.

Each mishap has a namespace of its own, and all of them stand broken at the same time: most of
what a test of one would do is to wait.
"""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.environment import Cluster
from dev.workspaces.broker import Broker
from dev.workspaces.objects import a_login, a_secret
from dev.workspaces.prepared import BROKER_HOST, BROKER_NAMESPACE
from dev.workspaces.workspace import Manifest, Workspace, a_manifest, open_workspace
from workqueuejob.names import job_name

ITEMS = ("apple", "pear")
NAME = "run"
PASSWORD = "s3cret-and-safe"
UNSAFE_PASSWORD = "s3cret/p@ss:word"
SECRET_MARK = "s3cret"
"""In each password, and so in nothing that a person can see."""

_CREDENTIALS = {"credentialsSecretRef": {"name": "rabbitmq"}}


def _fill(workspace: Workspace) -> None:
    workspace.publish(ITEMS)


def _nothing(_workspace: Workspace) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Mishap:
    """One row of the table.

    words: what the condition's message must contain, the remedy among it.
    build: the manifests, made when the namespace is empty.
    mend: what a person does about it, except for a mishap that keeps no run from going on.
    arrange: what is done at the broker before; unless told, the queue is filled.
    spoil: what is done after the manifests were applied.
    """

    name: str
    condition: str
    reason: str
    words: tuple[str, ...]
    build: Callable[[Workspace], Sequence[Manifest]]
    mend: Callable[[Workspace], None] = _nothing
    arrange: Callable[[Workspace], None] = _fill
    spoil: Callable[[Workspace], None] = _nothing
    status: str = "False"

    def __str__(self) -> str:
        return self.name


def break_all(cluster: Cluster, broker: Broker, names: Sequence[str]) -> dict[str, str]:
    """Let mishaps happen, all at once; return the namespace of each."""

    def break_one(mishap: Mishap) -> tuple[str, str]:
        workspace = open_workspace(cluster, broker)
        mishap.arrange(workspace)
        workspace.apply(*mishap.build(workspace))
        mishap.spoil(workspace)
        return mishap.name, workspace.namespace

    with ThreadPoolExecutor(4) as executor:
        return dict(executor.map(break_one, (one for one in MISHAPS if one.name in names)))


def break_all_once(
    cluster: Cluster, broker: Broker, names: Sequence[str], *, record: Path
) -> dict[str, str]:
    """Let mishaps happen unless it is on record that they have; the caller holds the lock."""
    if not record.exists():
        record.write_text(json.dumps(break_all(cluster, broker, names)))
    namespaces: dict[str, str] = json.loads(record.read_text())
    return namespaces


def healthy(workspace: Workspace, **changes: Any) -> Manifest:
    """Return the WorkQueueJob without any mishap, but for the changes."""
    return a_manifest(workspace, NAME, **{"emptyStart": "Wait", "parallelism": 2, **changes})


def _with(**changes: Any) -> Callable[[Workspace], Sequence[Manifest]]:
    return lambda workspace: (healthy(workspace, **changes),)


def _make_healthy(workspace: Workspace) -> None:
    workspace.apply(healthy(workspace))


def _login(workspace: Workspace, password: str) -> Manifest:
    return a_login("rabbitmq", workspace.queue, password)


def _add_user(workspace: Workspace, password: str = PASSWORD, *, permissions: bool = True) -> None:
    """Make a user that bears the queue's name, and fill the queue."""
    workspace.broker.add_user(workspace.queue, password, permissions=permissions)
    _fill(workspace)


def _uri_in_a_secret(workspace: Workspace) -> None:
    uri = f"amqp://{workspace.queue}:s3cret%2Fp%40ss%3Aword@{BROKER_HOST}:5672/%2F"
    mended = healthy(workspace)
    source = mended["spec"]["queue"]["rabbitmq"]
    del source["host"]
    source["uriSecretRef"] = {"name": "rabbitmq"}
    workspace.apply(a_secret("rabbitmq", {"uri": uri}), mended)


_SERVICE_WITHOUT_ENDPOINTS = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "mq"},
    "spec": {"ports": [{"name": "amqp", "port": 5672}]},
}


def _give_endpoint_to_service(workspace: Workspace) -> None:
    broker_pod = workspace.cluster.get("-n", BROKER_NAMESPACE, "pod", "rabbitmq-0")
    endpoints = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "mq-1", "labels": {"kubernetes.io/service-name": "mq"}},
        "addressType": "IPv4",
        "ports": [{"name": "amqp", "port": 5672}],
        "endpoints": [{"addresses": [broker_pod["status"]["podIP"]]}],
    }
    workspace.apply(endpoints)


def _make_vhost(workspace: Workspace) -> None:
    workspace.broker.add_vhost(workspace.queue)
    workspace.broker.publish(workspace.queue, ITEMS, vhost=workspace.queue)


def _next_job_name(workspace: Workspace) -> str:
    return job_name(NAME, workspace.work_queue_job(NAME)["metadata"]["uid"], wave=1)


def _take_job_name(workspace: Workspace) -> None:
    container = healthy(workspace)["spec"]["template"]["spec"]["containers"][0]
    foreign = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": _next_job_name(workspace)},
        "spec": {
            "suspend": True,
            "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
        },
    }
    workspace.apply(foreign)
    workspace.patch(NAME, {"suspend": False})


_NO_JOBS = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "no-jobs"},
    "spec": {"hard": {"count/jobs.batch": "0"}},
}

# Those that a growing delay lets wait for their mending come first, while it is short.
MISHAPS = (
    Mishap(
        "quota-forbids-jobs",
        "Progressing",
        "JobRejected",
        ("exceeded quota: no-jobs", "count/jobs.batch=0"),
        lambda workspace: (_NO_JOBS, healthy(workspace)),
        lambda workspace: _delete(workspace, "resourcequota/no-jobs"),
    ),
    Mishap(
        "job-name-taken",
        "Progressing",
        "JobNameConflict",
        ("is not a Job of this WorkQueueJob", "kubectl delete job run-", "-n wqj-test-"),
        _with(suspend=True),
        lambda workspace: _delete(workspace, f"job/{_next_job_name(workspace)}"),
        spoil=_take_job_name,
    ),
    Mishap(
        "port-refused",
        "QueueReachable",
        "ConnectionFailed",
        ("mq.wqj-test-", ":5672: refused", "correct spec.queue.rabbitmq.host", "NetworkPolicy"),
        lambda workspace: (
            _SERVICE_WITHOUT_ENDPOINTS,
            healthy(workspace, rabbitmq={"host": "mq"}, management=False),
        ),
        _give_endpoint_to_service,
    ),
    Mishap(
        "user-without-access-to-vhost",
        "QueueReachable",
        "AuthorizationFailed",
        ("user 'wqj-test-", "may not use vhost '/'", "rabbitmqctl set_permissions"),
        lambda workspace: (_login(workspace, PASSWORD), healthy(workspace, rabbitmq=_CREDENTIALS)),
        lambda workspace: workspace.broker.grant(workspace.queue),
        arrange=lambda workspace: _add_user(workspace, permissions=False),
    ),
    Mishap(
        "vhost-missing",
        "QueueReachable",
        "VirtualHostNotFound",
        ("vhost 'wqj-test-", "not found on", "another spec.queue.rabbitmq.vhost"),
        lambda workspace: (healthy(workspace, rabbitmq={"vhost": workspace.queue}),),
        _make_vhost,
        arrange=_nothing,
    ),
    Mishap(
        "queue-missing",
        "QueueReachable",
        "QueueNotFound",
        ("queue 'wqj-test-", "not found on", "another spec.queue.rabbitmq.queue"),
        _with(),
        _fill,
        arrange=_nothing,
    ),
    Mishap(
        "host-unknown",
        "QueueReachable",
        "ConnectionFailed",
        ("nowhere.wqj-test-", ":5672: unknown host", "correct spec.queue.rabbitmq.host"),
        _with(rabbitmq={"host": "nowhere"}),
        _make_healthy,
    ),
    Mishap(
        "password-wrong",
        "QueueReachable",
        "AuthenticationFailed",
        ("login of user 'wqj-test-", "correct the Secret of", "credentialsSecretRef"),
        lambda workspace: (
            _login(workspace, "s3cret-no-more"),
            healthy(workspace, rabbitmq=_CREDENTIALS),
        ),
        lambda workspace: workspace.apply(_login(workspace, PASSWORD)),
        arrange=_add_user,
    ),
    Mishap(
        "secret-missing",
        "QueueReachable",
        "SecretNotFound",
        ("Secret 'rabbitmq' not found", "spec.queue.rabbitmq.credentialsSecretRef", "create it"),
        _with(rabbitmq=_CREDENTIALS),
        lambda workspace: workspace.apply(_login(workspace, PASSWORD)),
        arrange=_add_user,
    ),
    Mishap(
        "secret-key-missing",
        "QueueReachable",
        "SecretKeyMissing",
        ("key 'password' of Secret 'rabbitmq'", "add it", "the Secret's right key"),
        lambda workspace: (
            a_secret("rabbitmq", {"username": workspace.queue, "pass": PASSWORD}),
            healthy(workspace, rabbitmq=_CREDENTIALS),
        ),
        lambda workspace: workspace.apply(_login(workspace, PASSWORD)),
        arrange=_add_user,
    ),
    Mishap(
        "credentials-not-url-safe",
        "QueueReachable",
        "CredentialsNotURLSafe",
        ("Secret 'rabbitmq'", "percent-encoded", "spec.queue.rabbitmq.uriSecretRef"),
        lambda workspace: (
            _login(workspace, UNSAFE_PASSWORD),
            healthy(workspace, rabbitmq=_CREDENTIALS),
        ),
        _uri_in_a_secret,
        arrange=lambda workspace: _add_user(workspace, UNSAFE_PASSWORD),
    ),
    Mishap(
        "tls-against-a-plain-port",
        "QueueReachable",
        "TLSFailed",
        (":5672: answers without TLS", "correct the port, or remove spec.queue.rabbitmq.tls"),
        _with(rabbitmq={"tls": {}, "port": 5672}, management=False),
        _make_healthy,
    ),
    Mishap(
        "management-url-wrong",
        "QueueReachable",
        "ManagementUnavailable",
        ("in flight is unknown", "unknown host", "correct spec.queue.rabbitmq.management.url"),
        _with(rabbitmq={"management": {"url": "http://nowhere:15672"}}),
        status="True",
    ),
    Mishap(
        "container-name-invalid",
        "Progressing",
        "TemplateInvalid",
        ("refuses a Job with spec.template", "spec.template.spec.containers[0].name", "RFC 1123"),
        _with(container={"name": "Not_A_Label"}),
        _make_healthy,
    ),
    Mishap(
        "container-field-unknown",
        "Progressing",
        "TemplateInvalid",
        ("refuses a Job", 'unknown field "spec.template.spec.containers[0].comand"'),
        _with(container={"comand": ["true"]}),
        _make_healthy,
    ),
    Mishap(
        "image-not-there",
        "Progressing",
        "PodsNotStarting",
        ("2 pods not starting", "localhost/workqueuejob/no-such-image:1"),
        _with(container={"image": "localhost/workqueuejob/no-such-image:1"}),
        _make_healthy,
    ),
    Mishap(
        "no-node-fits",
        "Progressing",
        "PodsNotStarting",
        ("2 pods not starting", "didn't match Pod's node affinity/selector"),
        _with(pod={"nodeSelector": {"wqj-test": "no-node-has-this"}}),
        _make_healthy,
    ),
)


def _delete(workspace: Workspace, what: str) -> None:
    workspace.kubectl("delete", what)
