"""Secrets that are unlike anything else, and everything in which one of them could show."""

import json
import uuid

from dev.environment import NAMESPACE, Cluster

from .operator_process import OPERATOR_LABEL, list_operator_pods

# Each of these is written differently in a URL; none is escaped in JSON.
UNSAFE = "/@:%+ "

_EVERYTHING = (
    "workqueuejobs.wqj.dev",
    "jobs",
    "pods",
    "events",
    "configmaps",
    "serviceaccounts",
    "leases",
    "controllerrevisions",
    "replicasets",
)
"""Of all namespaces; Secrets are left out, for there the planted ones are at home."""


def plant(*, safe: bool = False) -> str:
    """Return a password that nothing else contains; a safe one is the same in a URL."""
    word = uuid.uuid4().hex
    return f"pw-{word}" if safe else f"pw{UNSAFE}{word}"


def collect_everything(cluster: Cluster, namespace: str) -> dict[str, str]:
    """Return by its place all that a person can read: objects, logs and metrics.

    Logs are those of the operator, and of the namespace's pods.
    """
    found = {
        kind: cluster.kubectl(
            "get", kind, "--all-namespaces", "-o", "json", "--show-managed-fields"
        ).stdout
        for kind in _EVERYTHING
    }
    found["operator's log"] = cluster.kubectl(
        "logs", "-n", NAMESPACE, "-l", OPERATOR_LABEL, "--tail=-1", "--prefix"
    ).stdout
    for pod in list_operator_pods(cluster):
        name = pod["metadata"]["name"]
        # The name of a port means something to the proxy of a Service only.
        metrics = f"/api/v1/namespaces/{NAMESPACE}/pods/{name}:8080/proxy/metrics"
        found[f"metrics of {name}"] = cluster.kubectl("get", "--raw", metrics).stdout
    for pod in json.loads(found["pods"])["items"]:
        metadata = pod["metadata"]
        if metadata["namespace"] == namespace:
            found[f"log of {metadata['name']}"] = cluster.kubectl(
                "logs", "-n", namespace, metadata["name"], "--all-containers", check=False
            ).stdout
    return found
