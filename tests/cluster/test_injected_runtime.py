"""A plain pod of an image that holds a static busybox and nothing else runs the worker's Python.

No operator is needed: what it would do to the pod's spec is done here.
"""

import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from dev import environment
from dev.environment import BUSYBOX, INJECTED, Cluster
from dev.workspaces.api import connect
from dev.workspaces.objects import a_namespace
from dev.workspaces.workspace import Manifest, poll
from workqueuejob.planning.pods.injection import INIT_CONTAINER, LAUNCHER, inject_worker

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
REPORT = """
import json, os, socket, ssl, subprocess, sys
context = ssl.create_default_context()
roots = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
roots.load_verify_locations(sys.prefix + "/etc/ca-certificates.crt")
account = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
context.load_verify_locations(account)
with socket.create_connection(("kubernetes.default", 443), timeout=10) as connection:
    with context.wrap_socket(connection, server_hostname="kubernetes.default") as tls:
        protocol = tls.version()
try:
    open(sys.prefix + "/written", "w")
except OSError as error:
    written = error.strerror
print(json.dumps({
    "version": sys.version_info[:2], "prefix": sys.prefix, "user": os.getuid(),
    "tls": protocol, "roots": len(roots.get_ca_certs()), "written": written,
    "child": subprocess.run(["/bin/busybox", "echo", "hello"], stdout=-1, text=True).stdout,
}))
"""
ALLOWED = {"workqueuejob", "async-timeout"}
WHAT_IS_INSTALLED = """
import importlib.metadata as metadata, json, shutil, sysconfig
import pika, redis, workqueuejob.worker
own = sysconfig.get_path("purelib")
requirements = [each for each in metadata.requires("workqueuejob") if "worker" in each]
print(json.dumps({
    "program": shutil.which("wqj-worker"),
    "packages": [each.name for each in metadata.distributions(path=[own])],
    "needed": requirements,
}))
"""


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    """A cluster that has the two images; these tests need nothing else of what is prepared."""
    connected = environment.connect()
    for image in (INJECTED, BUSYBOX):
        connected.build(image)
    return connected


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace that refuses whatever is not restricted, and pods without resources."""
    name = f"wqj-test-{uuid.uuid4().hex[:8]}"
    restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
    quota = {"requests.cpu": "1", "limits.cpu": "1", "requests.memory": "1Gi"}
    limits: Manifest = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "quota"},
        "spec": {"hard": {**quota, "limits.memory": "1Gi"}},
    }
    connect(cluster).create_namespace(a_namespace(name, labels=restricted))
    cluster.kubectl("create", "-n", name, "-f", "-", stdin=json.dumps(limits))
    cluster.kubectl("wait", "serviceaccount/default", "-n", name, "--for=create", "--timeout=30s")
    yield name
    connect(cluster).delete_namespace(name)


def a_pod(name: str, *, user: int = 4321) -> Manifest:
    worker = {
        "name": "main",
        "image": BUSYBOX.local_reference,
        "command": ["true"],
        "securityContext": RESTRICTED,
        # Guaranteed, which every container of a pod has to be.
        "resources": {
            "requests": {"cpu": "100m", "memory": "64Mi"},
            "limits": {"cpu": "100m", "memory": "64Mi"},
        },
    }
    pod = {
        "restartPolicy": "Never",
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": user,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [worker],
    }
    spec = inject_worker(
        pod, image=INJECTED.local_reference, pull_policy="IfNotPresent", container="main"
    )
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def run(cluster: Cluster, namespace: str, pod: Manifest, command: list[str]) -> Manifest:
    """Run a pod's container with another command; return the pod when it has succeeded."""
    name: str = pod["metadata"]["name"]
    pod["spec"]["containers"][0]["command"] = command
    cluster.apply(json.dumps(pod), namespace=namespace)
    ended = poll(
        lambda: cluster.get("pod", name, "-n", namespace),
        lambda seen: seen["status"].get("phase") in {"Succeeded", "Failed"},
        seconds=120,
        show=lambda seen: json.dumps(seen["status"], indent=1),
    )
    assert ended["status"]["phase"] == "Succeeded", logs(cluster, namespace, name)
    return ended


def logs(cluster: Cluster, namespace: str, name: str) -> str:
    done = cluster.kubectl("logs", name, "-n", namespace, "--all-containers", check=False)
    return done.stdout


@pytest.mark.nightly
def test_python_runs_where_there_is_none(cluster: Cluster, namespace: str) -> None:
    python = [*LAUNCHER[:-2], "-c", REPORT]

    pod = run(cluster, namespace, a_pod("any-user"), python)

    report: dict[str, Any] = json.loads(logs(cluster, namespace, "any-user"))
    assert report["version"] >= [3, 11]
    assert report["prefix"] == "/wqj"
    assert report["user"] == 4321
    assert report["tls"] == "TLSv1.3"
    assert report["roots"] > 100
    assert report["written"] == "Read-only file system"
    assert report["child"] == "hello\n"
    assert pod["status"]["qosClass"] == "Guaranteed"
    (install,) = pod["status"]["initContainerStatuses"]
    assert install["name"] == INIT_CONTAINER
    assert install["restartCount"] == 0


def test_image_to_build_on_has_python_and_the_worker(cluster: Cluster, namespace: str) -> None:
    pod = a_pod("base")
    (container,) = pod["spec"]["containers"]
    container["image"] = INJECTED.local_reference

    run(cluster, namespace, pod, ["python3", "-c", WHAT_IS_INSTALLED])

    installed = json.loads(logs(cluster, namespace, "base"))
    assert installed["program"] == "/opt/workqueuejob/bin/wqj-worker"
    clients = {"confluent-kafka", "pika", "redis"}
    assert clients <= set(installed["packages"]) <= clients | ALLOWED
    # The extra and no other: what the wheel itself says.
    assert sorted(re.split("[<>=]", needed)[0] for needed in installed["needed"]) == [
        "pika",
        "redis",
    ]
