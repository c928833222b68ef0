"""Puts onto the cluster what the tests need: the images, the operator from its chart, a RabbitMQ.

`python -m tests.cluster.prepared down` takes it away again, and the local cluster with it if it
was started for the tests.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from deploy import environment
from deploy.environment import Cluster

BROKER_NAMESPACE = "wqj-test-broker"
BROKER_HOST = f"rabbitmq-service.{BROKER_NAMESPACE}"
BROKER_MANIFEST = environment.ROOT / "examples" / "coarse-rabbitmq" / "rabbitmq.yaml"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A cluster with everything on it."""

    cluster: Cluster


def prepare() -> Prepared:
    """Set up, or find it set up; may take minutes the first time."""
    cluster = environment.connect()
    for image in (environment.OPERATOR, environment.WORKER, environment.RABBITMQ):
        cluster.build(image)
    cluster.install_operator()
    cluster.kubectl("create", "namespace", BROKER_NAMESPACE, check=False)
    cluster.apply(Path(BROKER_MANIFEST).read_text(), namespace=BROKER_NAMESPACE)
    cluster.kubectl(
        "rollout", "status", "statefulset/rabbitmq", "-n", BROKER_NAMESPACE, "--timeout=180s"
    )
    return Prepared(cluster)


def take_down() -> None:
    """Remove the operator, the broker and what tests left."""
    cluster = environment.connect()
    cluster.kubectl("delete", "workqueuejobs", "--all", "--all-namespaces", check=False)
    cluster.kubectl("delete", "namespace", "-l", "wqj-test=true", "--ignore-not-found")
    cluster.kubectl("delete", "namespace", BROKER_NAMESPACE, "--ignore-not-found")
    cluster.uninstall_operator()


if __name__ == "__main__":
    {"up": prepare, "down": take_down}[sys.argv[1]]()
