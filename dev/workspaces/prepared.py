"""Puts onto the cluster what the tests need: the images, the operator from its chart, the brokers.

`python -m dev.workspaces.prepared down` removes them again, and leaves the cluster up.
"""

import sys
from pathlib import Path

from dev import environment
from dev.environment import Cluster, EnvironmentProblem

from .objects import LEFT_OVERS

BROKER_NAMESPACE = "wqj-test-broker"
BROKER_HOST = f"rabbitmq-service.{BROKER_NAMESPACE}"
REDIS_HOST = f"redis.{BROKER_NAMESPACE}"
KAFKA_HOST = f"kafka.{BROKER_NAMESPACE}"
_FOR_PODS = (
    environment.RABBITMQ,
    environment.REDIS,
    environment.KAFKA,
    environment.WORKER,
    environment.FINE_WORKER,
    environment.FACTORS,
    environment.DIGITS,
    environment.BUSYBOX,
)
IS_PREPARED = "WQJ_TEST_CLUSTER_IS_PREPARED"
"""A variable that `dev/check.py` sets when it has prepared the cluster for several test runs."""

_OPERATOR_LABEL = "wqj-test-operator"
"""On the brokers' namespace: whether the tests have installed the operator, or have found it."""
_INSTALLED_BY_TESTS, _INSTALLED_BEFORE = "ours", "found"
_EXAMPLES = environment.ROOT / "examples"
BROKER_MANIFESTS = (
    _EXAMPLES / "coarse-rabbitmq" / "rabbitmq.yaml",
    _EXAMPLES / "fine-redis" / "redis.yaml",
    _EXAMPLES / "kafka-inference" / "kafka.yaml",
    Path(__file__).with_name("kafka_client.yaml"),
)
_WORKLOADS = (
    "statefulset/rabbitmq",
    "deployment/redis",
    "statefulset/kafka",
    "deployment/kafka-client",
)


def prepare() -> Cluster:
    """Return the cluster with everything on it; the first time takes minutes.

    Raises EnvironmentProblem if a cluster other than the local one has an operator already.
    """
    cluster = environment.connect()
    _claim(cluster)
    for image in (*environment.INSTALLED, *_FOR_PODS):
        cluster.build(image)
    cluster.install_operator()
    for manifest in BROKER_MANIFESTS:
        cluster.apply(manifest.read_text(), namespace=BROKER_NAMESPACE)
    for workload in _WORKLOADS:
        cluster.kubectl("rollout", "status", workload, "-n", BROKER_NAMESPACE, "--timeout=180s")
    return cluster


def take_down() -> None:
    """Remove what tests left behind, the brokers, and the operator unless it was there before."""
    cluster = environment.connect()
    if cluster.kubectl("get", "namespace", BROKER_NAMESPACE, check=False).returncode:
        return
    installed = cluster.get("namespace", BROKER_NAMESPACE)["metadata"]["labels"][_OPERATOR_LABEL]
    for namespace in cluster.get("namespaces", "-l", LEFT_OVERS)["items"]:
        name = namespace["metadata"]["name"]
        cluster.kubectl("delete", "workqueuejobs", "--all", "-n", name)
        cluster.kubectl("delete", "namespace", name, "--ignore-not-found")
    cluster.kubectl("delete", "namespace", BROKER_NAMESPACE)
    if installed == _INSTALLED_BY_TESTS:
        cluster.uninstall_operator()


def _claim(cluster: Cluster) -> None:
    """Make the brokers' namespace, and label it with whether the operator was there before."""
    if cluster.kubectl("get", "namespace", BROKER_NAMESPACE, check=False).returncode == 0:
        return
    was_installed = cluster.is_operator_installed()
    if was_installed and not cluster.is_local:
        raise EnvironmentProblem(
            f"this cluster has an operator of its own (Helm release {environment.RELEASE} in"
            f" {environment.NAMESPACE}), which the tests would replace and kill; use another one"
        )
    cluster.kubectl("create", "namespace", BROKER_NAMESPACE)
    origin = _INSTALLED_BEFORE if was_installed else _INSTALLED_BY_TESTS
    label = f"{_OPERATOR_LABEL}={origin}"
    cluster.kubectl("label", "namespace", BROKER_NAMESPACE, label)


if __name__ == "__main__":
    {"up": prepare, "down": take_down}[sys.argv[1]]()
