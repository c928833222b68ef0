#!/usr/bin/env python3
"""Drain eight fruits from RabbitMQ, on a cluster that is started if there is none.

`KUBE_CONTEXT` and `IMAGE_REGISTRY` name another cluster. You can run it again at once.
"""

import sys
from pathlib import Path

from dev import environment
from dev.environment import Cluster
from dev.local.console import step
from dev.shown_run import NAMESPACE, run_demo, show, watch_run

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "coarse-rabbitmq"
NAME = "fruits"
LIMIT_SECONDS = 180


def main() -> bool:
    """Return whether the run is complete."""
    cluster = environment.connect()
    _install(cluster)
    _fill_queue(cluster)
    manifest = EXAMPLE / "workqueuejob.yaml"
    complete = watch_run(cluster, manifest, NAME, limit_seconds=LIMIT_SECONDS)
    selector = ("-l", f"wqj.dev/name={NAME}")
    show(cluster, "get", "wqj", NAME)
    show(cluster, "get", "jobs", *selector)
    show(cluster, "logs", *selector, "--prefix", "--max-log-requests=8")
    return complete


def _install(cluster: Cluster) -> None:
    for image in (*environment.INSTALLED, environment.WORKER, environment.RABBITMQ):
        cluster.build(image)
    with step("install the operator with Helm"):
        cluster.install_operator()
    with step("start RabbitMQ"):
        cluster.apply((EXAMPLE / "rabbitmq.yaml").read_text(), namespace=NAMESPACE)
        cluster.kubectl(
            "rollout", "status", "statefulset/rabbitmq", "-n", NAMESPACE, "--timeout=180s"
        )


def _fill_queue(cluster: Cluster) -> None:
    with step("put eight fruits into the queue job1"):
        cluster.kubectl(
            "delete", "job/fill-job1", f"wqj/{NAME}", "-n", NAMESPACE, "--ignore-not-found"
        )
        cluster.apply((EXAMPLE / "fill.yaml").read_text(), namespace=NAMESPACE)
        cluster.kubectl(
            "wait", "--for=condition=Complete", "job/fill-job1", "-n", NAMESPACE, "--timeout=120s"
        )


if __name__ == "__main__":
    sys.exit(run_demo(main))
