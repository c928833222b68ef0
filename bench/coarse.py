#!/usr/bin/env python3
"""Measure how long a WorkQueueJob takes, as a ratio to a plain Job with the right completions.

Both drain the same number of items from the same RabbitMQ with the same image, one right after
the other, on the cluster that the tests use. Run it as
`.venv/bin/python -m bench.coarse --items 40 --parallelism 4 --pairs 3`.
"""

import argparse
import json
import statistics
import time

from dev.environment import WORKER
from dev.workspaces.broker import forwarded_broker
from dev.workspaces.prepared import BROKER_HOST, prepare
from dev.workspaces.workspace import CONSUME, Workspace, a_manifest, open_workspace

COMMAND = f"{CONSUME} cat"


def main() -> None:
    """Print one line a pair, and the medians."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--items", type=int, default=40)
    parser.add_argument("--parallelism", type=int, default=4)
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    cluster = prepare()
    plain: list[float] = []
    scaled: list[float] = []
    with forwarded_broker(cluster) as broker:
        for _ in range(options.pairs):
            workspace = open_workspace(cluster, broker)
            try:
                plain.append(_time_plain_job(workspace, options.items, options.parallelism))
                scaled.append(_time_work_queue_job(workspace, options.items, options.parallelism))
            finally:
                workspace.close()
                # A deletion that goes on would slow the next pair.
                cluster.kubectl("wait", "--for=delete", f"namespace/{workspace.namespace}")
            print(f"plain Job {plain[-1]:.1f} s, WorkQueueJob {scaled[-1]:.1f} s", flush=True)
    ratios = [run / job for run, job in zip(scaled, plain, strict=True)]
    print(
        f"medians of {options.pairs}: plain Job {statistics.median(plain):.1f} s,"
        f" WorkQueueJob {statistics.median(scaled):.1f} s, ratio {statistics.median(ratios):.2f}"
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
    workspace.kubectl("wait", "--for=condition=Complete", "job/plain", "--timeout=600s")
    return time.monotonic() - started


def _time_work_queue_job(workspace: Workspace, items: int, parallelism: int) -> float:
    """Return the seconds until the last pod has succeeded, without the proof of the drain."""
    workspace.publish([str(number) for number in range(items)])
    started = time.monotonic()
    workspace.apply(a_manifest(workspace, "scaled", command=COMMAND, parallelism=parallelism))
    workspace.kubectl(
        "wait", f"--for=jsonpath={{.status.pods.succeeded}}={items}", "wqj/scaled", "--timeout=600s"
    )
    elapsed = time.monotonic() - started
    workspace.kubectl("wait", "--for=condition=Complete", "wqj/scaled", "--timeout=60s")
    return elapsed


if __name__ == "__main__":
    main()
