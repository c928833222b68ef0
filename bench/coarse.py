#!/usr/bin/env python3
"""Measure how long a WorkQueueJob takes, as a ratio to a plain Job with the right completions.

Both drain the same number of items from the same RabbitMQ with the same image, one right after
the other, on the cluster that the tests use. The time is from `kubectl apply` until the last pod
has ended, so that neither the Job's condition nor the proof of the drain is in it. Run it as
`.venv/bin/python -m bench.coarse --items 40 --parallelism 16 4 --pairs 5`.
"""

import argparse
import statistics

from dev.environment import Cluster
from dev.workspaces.broker import Broker, forwarded_broker
from dev.workspaces.prepared import prepare
from dev.workspaces.workspace import measured_workspace

from .draining import drain_with_plain_job, drain_with_run


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
            plain.append(drain_with_plain_job(workspace, items, parallelism).last_pod_seconds)
            scaled.append(drain_with_run(workspace, items, parallelism).last_pod_seconds)
        print(f"plain Job {plain[-1]:.1f} s, WorkQueueJob {scaled[-1]:.1f} s", flush=True)
    ratios = [run / job for run, job in zip(scaled, plain, strict=True)]
    print(
        f"{items} items, parallelism {parallelism}, medians of {pairs}:"
        f" plain Job {statistics.median(plain):.1f} s,"
        f" WorkQueueJob {statistics.median(scaled):.1f} s,"
        f" ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    )


if __name__ == "__main__":
    main()
