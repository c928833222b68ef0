#!/usr/bin/env python3
"""Measure how long a WorkQueueJob takes, as a ratio to a plain Job with the right completions.

Both drain the same number of items from the same RabbitMQ with the same image, one right after
the other, on the cluster that the tests use. The time is from `kubectl apply` until the last pod
has ended, so that neither the Job's condition nor the proof of the drain is in it. Run it as
`.venv/bin/python -m bench.coarse --items 40 --parallelism 16 4 --pairs 5`.
"""

import argparse
import json
import statistics
import time

from dev.environment import WORKER, Cluster
from dev.workspaces.api import connect
from dev.workspaces.broker import Broker, forwarded_broker
from dev.workspaces.prepared import BROKER_HOST, prepare
from dev.workspaces.workspace import CONSUME, Workspace, a_manifest, measured_workspace
from workqueuejob.names import JOB_LABEL, NAME_LABEL

COMMAND = f"{CONSUME} cat"
ENDED_SECONDS = 600.0
LOOK_SECONDS = 0.2
"""Between two lists of pods, for both in the same way."""


def main() -> None:
    """Print one line a pair, and the medians, for each parallelism."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--items", type=int, default=40)
    parser.add_argument("--parallelism", type=int, nargs="+", default=[16, 4])
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    cluster = prepare()
    with forwarded_broker(cluster) as broker:
        for parallelism in options.parallelism:
            _compare(cluster, broker, options.items, parallelism, pairs=options.pairs)


def _compare(cluster: Cluster, broker: Broker, items: int, parallelism: int, *, pairs: int) -> None:
    plain: list[float] = []
    scaled: list[float] = []
    for _ in range(pairs):
        with measured_workspace(cluster, broker) as workspace:
            plain.append(_time_plain_job(workspace, items, parallelism))
            scaled.append(_time_work_queue_job(workspace, items, parallelism))
        print(f"plain Job {plain[-1]:.1f} s, WorkQueueJob {scaled[-1]:.1f} s", flush=True)
    ratios = [run / job for run, job in zip(scaled, plain, strict=True)]
    print(
        f"{items} items, parallelism {parallelism}, medians of {pairs}:"
        f" plain Job {statistics.median(plain):.1f} s,"
        f" WorkQueueJob {statistics.median(scaled):.1f} s,"
        f" ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    )


def _time_plain_job(workspace: Workspace, items: int, parallelism: int) -> float:
    workspace.publish([str(number) for number in range(items)])
    worker = {
        "name": "worker",
        "image": WORKER.local_reference,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", COMMAND],
        "env": [
            {"name": "BROKER_URL", "value": f"amqp://guest:guest@{BROKER_HOST}:5672"},
            {"name": "QUEUE", "value": workspace.queue},
        ],
    }
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "plain"},
        "spec": {
            "completions": items,
            "parallelism": parallelism,
            "template": {"spec": {"restartPolicy": "Never", "containers": [worker]}},
        },
    }
    started = time.monotonic()
    workspace.cluster.apply(json.dumps(job), namespace=workspace.namespace)
    elapsed = _await_last_pod(workspace, f"{JOB_LABEL}=plain", items) - started
    workspace.kubectl("wait", "--for=condition=Complete", "job/plain", "--timeout=60s")
    return elapsed


def _time_work_queue_job(workspace: Workspace, items: int, parallelism: int) -> float:
    """Return the seconds until the last pod has ended."""
    workspace.publish([str(number) for number in range(items)])
    started = time.monotonic()
    workspace.apply(a_manifest(workspace, "scaled", command=COMMAND, parallelism=parallelism))
    elapsed = _await_last_pod(workspace, f"{NAME_LABEL}=scaled", items) - started
    workspace.kubectl("wait", "--for=condition=Complete", "wqj/scaled", "--timeout=60s")
    return elapsed


def _await_last_pod(workspace: Workspace, selector: str, items: int) -> float:
    """Wait until a pod for each item has succeeded, and return when that was."""
    api = connect(workspace.cluster)
    ended: set[str] = set()
    deadline = time.monotonic() + ENDED_SECONDS
    while len(ended) < items:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(ended)} of {items} pods with {selector} have succeeded")
        time.sleep(LOOK_SECONDS)
        pods = api.pods(workspace.namespace, label_selector=selector)
        succeeded = (pod for pod in pods if pod["status"]["phase"] == "Succeeded")
        # A Job that is over may be deleted with its pods, so they are remembered.
        ended |= {pod["metadata"]["name"] for pod in succeeded}
    return time.monotonic()


if __name__ == "__main__":
    main()
