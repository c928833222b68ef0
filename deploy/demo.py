#!/usr/bin/env python3
"""Drain eight fruits from RabbitMQ, on a cluster that is started if there is none.

`KUBE_CONTEXT` and `IMAGE_REGISTRY` name another cluster. It may be run again at once.
"""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "deploy" / "local")]

from deploy import environment  # noqa: E402
from deploy.environment import Cluster, EnvironmentProblem  # noqa: E402
from wqjlocal.console import step  # noqa: E402 - the path comes first

EXAMPLE = ROOT / "examples" / "coarse-rabbitmq"
NAMESPACE = "default"
NAME = "fruits"
LIMIT_SECONDS = 180


def main() -> int:
    """Return 0 when the run is complete."""
    try:
        cluster = environment.connect()
        _install(cluster)
        _fill_queue(cluster)
        complete = _run(cluster)
        _show(cluster)
    except EnvironmentProblem as problem:
        sys.stderr.write(f"{problem}\n")
        return 2
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"{' '.join(map(str, error.cmd))}\n{error.stderr or ''}\n")
        return 1
    return 0 if complete else 1


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


def _run(cluster: Cluster) -> bool:
    """Apply the WorkQueueJob and print its line whenever it changes; return if it completed."""
    manifest = EXAMPLE / "workqueuejob.yaml"
    print(f"\n$ kubectl apply -f {manifest.relative_to(ROOT)}\n$ kubectl get wqj {NAME} --watch")
    cluster.apply(manifest.read_text(), namespace=NAMESPACE)
    started, shown = time.monotonic(), ""
    while time.monotonic() - started < LIMIT_SECONDS:
        header, line = _get(cluster, "wqj", NAME).splitlines()[:2]
        # The last column is the age, which always changes.
        if line.split()[:-1] != shown.split()[:-1]:
            print("" if shown else f"{_align(header)}\n", _align(line), sep="", flush=True)
            shown = line
        if "Complete" in line or "Failed" in line:
            return "Complete" in line
        time.sleep(0.3)
    return False


def _align(line: str) -> str:
    """Return the columns at fixed places, for each line was printed by a kubectl of its own."""
    return "".join(
        f"{column:<19}" if i == 1 else f"{column:<11}" for i, column in enumerate(line.split())
    ).rstrip()


def _show(cluster: Cluster) -> None:
    for command in (
        ("get", "wqj", NAME),
        ("get", "jobs", "-l", f"wqj.dev/name={NAME}"),
        ("logs", "-l", f"wqj.dev/name={NAME}", "--prefix", "--max-log-requests=8"),
    ):
        print(f"\n$ kubectl {' '.join(command)}")
        print(cluster.kubectl(*command, "-n", NAMESPACE).stdout, end="", flush=True)


def _get(cluster: Cluster, *what: str) -> str:
    return cluster.kubectl("get", *what, "-n", NAMESPACE).stdout


if __name__ == "__main__":
    sys.exit(main())
