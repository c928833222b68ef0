#!/usr/bin/env python3
"""Measure what the worker's injection costs a pod, as a ratio to the same pod without it.

Pods of one image with a static busybox do nothing, one right after the other. The time is from
their creation until they have succeeded. One kind of them has an init container that does nothing,
because the kubelet looks only once a second whether an init container has ended. Then the parts of
the injection are timed inside of a pod. It takes a minute, as
`.venv/bin/python -m bench.injection --rounds 5`.
"""

import argparse
import json
import statistics
import time
import uuid
from typing import Any

from dev import environment
from dev.environment import BUSYBOX, INJECTED, Cluster
from workqueuejob.planning.pods.injection import LAUNCHER, MOUNT_PATH, inject_worker

Manifest = dict[str, Any]

PYTHON = LAUNCHER[:-2]
PARTS = {
    "busybox true": ["/bin/busybox", "true"],
    "Python": [*PYTHON, "-c", "pass"],
    "Python with pika": [*PYTHON, "-c", "import pika"],
    "Python with redis": [*PYTHON, "-c", "import redis"],
    "Python with the worker": [*PYTHON, "-c", "import workqueuejob.worker.main"],
}
TIME_PARTS = f"""
import json, statistics, subprocess, time
def take(command):
    started = time.perf_counter()
    subprocess.run(command, check=True)
    return 1000 * (time.perf_counter() - started)
print(json.dumps({{name: statistics.median(take(command) for _ in range(15))
                  for name, command in json.loads({json.dumps(json.dumps(PARTS))}).items()}}))
"""
TIME_COPY = f"""
import json, os, subprocess, time
started = time.perf_counter()
subprocess.run(["wqj-worker-install", "{MOUNT_PATH}"], check=True)
taken = 1000 * (time.perf_counter() - started)
files = [os.path.join(at, name) for at, _, names in os.walk("{MOUNT_PATH}") for name in names]
print(json.dumps([taken, len(files), sum(map(os.path.getsize, files)) / 2**20]))
"""


def main() -> None:
    """Print a line a round, the medians, and the parts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds: int = parser.parse_args().rounds
    cluster = environment.connect()
    for image in (INJECTED, BUSYBOX):
        cluster.build(image)
    namespace = f"wqj-bench-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", namespace)
    cluster.kubectl(
        "wait", "serviceaccount/default", "-n", namespace, "--for=create", "--timeout=30s"
    )
    try:
        _compare_pods(cluster, namespace, rounds)
        _show_parts(cluster, namespace)
    finally:
        cluster.kubectl("delete", "namespace", namespace, "--wait=false")


def _compare_pods(cluster: Cluster, namespace: str, rounds: int) -> None:
    plain = _a_pod(["true"])
    waiting = {**plain, "initContainers": [{**plain["containers"][0], "name": "nothing"}]}
    kinds = {
        "plain": plain,
        "with-any-init-container": waiting,
        "injected": _inject(plain, [*PYTHON, "-c", "pass"]),
    }
    taken: dict[str, list[float]] = {kind: [] for kind in kinds}
    for number in range(rounds):
        for kind, spec in kinds.items():
            taken[kind].append(_time_pod(cluster, namespace, f"{kind}-{number}", spec))
        print(", ".join(f"{kind} {seconds[-1]:.2f} s" for kind, seconds in taken.items()))
    for kind, seconds in taken.items():
        ratios = [time / plain for time, plain in zip(seconds, taken["plain"], strict=True)]
        median, ratio = statistics.median(seconds), statistics.median(ratios)
        print(f"median of {rounds}: {kind} {median:.2f} s, ratio {ratio:.2f}")


def _show_parts(cluster: Cluster, namespace: str) -> None:
    copying = _a_pod(["python3", "-c", TIME_COPY])
    copying["containers"][0] |= {
        "image": INJECTED.local_reference,
        "volumeMounts": [{"name": "target", "mountPath": MOUNT_PATH}],
    }
    copying["volumes"] = [{"name": "target", "emptyDir": {}}]
    milliseconds, files, mebibytes = _read_pod(cluster, namespace, "copy", copying)
    print(f"copy: {mebibytes:.1f} MiB in {files} files, {milliseconds:.0f} ms")
    timing = _inject(_a_pod(["true"]), [*PYTHON, "-c", TIME_PARTS])
    for name, taken in _read_pod(cluster, namespace, "parts", timing).items():
        print(f"start and end of {name}: {taken:.1f} ms")


def _a_pod(command: list[str]) -> Manifest:
    container = {
        "name": "main",
        "image": BUSYBOX.local_reference,
        "imagePullPolicy": "IfNotPresent",
        "command": command,
    }
    return {"restartPolicy": "Never", "containers": [container]}


def _inject(pod: Manifest, command: list[str]) -> Manifest:
    """Return the pod with the runtime in it, and with this command instead of the worker's."""
    spec = inject_worker(
        pod, image=INJECTED.local_reference, pull_policy="IfNotPresent", container="main"
    )
    spec["containers"][0]["command"] = command
    return spec


def _time_pod(cluster: Cluster, namespace: str, name: str, spec: Manifest) -> float:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    started = time.monotonic()
    cluster.apply(json.dumps(pod), namespace=namespace)
    succeeded = "--for=jsonpath={.status.phase}=Succeeded"
    cluster.kubectl("wait", succeeded, f"pod/{name}", "-n", namespace, "--timeout=60s")
    return time.monotonic() - started


def _read_pod(cluster: Cluster, namespace: str, name: str, spec: Manifest) -> Any:
    _time_pod(cluster, namespace, name, spec)
    return json.loads(cluster.kubectl("logs", name, "-n", namespace, "-c", "main").stdout)


if __name__ == "__main__":
    main()
