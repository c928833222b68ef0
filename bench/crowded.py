#!/usr/bin/env python3
"""Measure a starting operator beside thousands of foreign Jobs and finished pods, and alone.

Each round starts the operator with the chart's default limit. Then a plain Job and a run drain
eight items each, because a crowd slows Kubernetes itself. There are rounds on an empty cluster,
beside the crowd, and on the empty cluster again. Run it on the cluster that the tests use, as
`.venv/bin/python -m bench.crowded`; it takes about twenty minutes.
"""

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dev.environment import NAMESPACE, RELEASE, Cluster
from dev.workspaces.api import connect
from dev.workspaces.broker import Broker, forwarded_broker
from dev.workspaces.prepared import prepare
from dev.workspaces.workspace import Manifest, Workspace, measured_workspace, poll
from tests.cluster.operator_process import await_leader
from tests.crowd import create_finished_pods, create_foreign_jobs

from .draining import drain_with_plain_job, drain_with_run

ITEMS = 8
PARALLELISM = 2


@dataclass(frozen=True, slots=True)
class Round:
    """One start of the operator and the run after it."""

    ready_seconds: float
    """From the deletion of its pod until the next pod is ready and leads."""
    plain_seconds: float
    """From `kubectl apply` until a plain Job of eight items is Complete."""
    run_seconds: float
    """The same of a run."""
    peak_megabytes: float
    """The most resident memory that the process has had."""
    restarts: int


def main() -> None:
    """Print one line a round, and the ratios of the medians."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=3000)
    parser.add_argument("--pods", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=4, help="before, with and after, each")
    options = parser.parse_args()
    cluster = prepare()
    limit = _read_limit(cluster)
    with forwarded_broker(cluster) as broker:

        def measure(title: str) -> list[Round]:
            return [_measure(cluster, broker, title, limit) for _ in range(options.rounds)]

        before = measure("empty")
        with _crowd(cluster, broker, jobs=options.jobs, pods=options.pods):
            beside = measure("crowded")
        after = measure("empty")
    print(f"{options.jobs} foreign Jobs and {options.pods} finished pods, limit {limit}:")
    _compare([*before, *after], beside)


def _measure(cluster: Cluster, broker: Broker, title: str, limit: str) -> Round:
    name: str = await_leader(cluster)["metadata"]["name"]
    started = time.monotonic()
    cluster.kubectl("delete", "pod", "-n", NAMESPACE, name, "--wait=false")
    pod: Manifest = poll(
        lambda: await_leader(cluster, other_than=name, seconds=180), _is_ready, seconds=180
    )
    ready_seconds = time.monotonic() - started
    plain_seconds, run_seconds = _time_both(cluster, broker)
    restarts = _read(cluster, "pod", pod["metadata"]["name"])["status"]["containerStatuses"][0]
    measured = Round(
        ready_seconds=ready_seconds,
        plain_seconds=plain_seconds,
        run_seconds=run_seconds,
        peak_megabytes=_read_peak_megabytes(cluster, pod["metadata"]["name"]),
        restarts=restarts["restartCount"],
    )
    print(
        f"{title:<8} ready after {ready_seconds:.1f} s,"
        f" plain Job {plain_seconds:.1f} s, run {run_seconds:.1f} s,"
        f" peak {measured.peak_megabytes:.0f} MB of {limit}, restarts {measured.restarts}",
        flush=True,
    )
    return measured


def _time_both(cluster: Cluster, broker: Broker) -> tuple[float, float]:
    with measured_workspace(cluster, broker) as workspace:
        plain, run = (
            drain(workspace, ITEMS, PARALLELISM) for drain in (drain_with_plain_job, drain_with_run)
        )
        return plain.complete_seconds, run.complete_seconds


def _compare(without: Sequence[Round], beside: Sequence[Round]) -> None:
    for title, name in (
        ("ready", "ready_seconds"),
        ("plain", "plain_seconds"),
        ("run", "run_seconds"),
    ):
        alone, crowded = (
            statistics.median(getattr(measured, name) for measured in rounds)
            for rounds in (without, beside)
        )
        print(
            f"{title:<6} medians of {len(without)} without {alone:.1f} s,"
            f" of {len(beside)} with {crowded:.1f} s, ratio {crowded / alone:.2f}"
        )
    peaks = [max(measured.peak_megabytes for measured in rounds) for rounds in (without, beside)]
    print(f"memory highest without {peaks[0]:.0f} MB, with {peaks[1]:.0f} MB")
    print(f"restarts with the crowd: {sum(measured.restarts for measured in beside)}")


@contextmanager
def _crowd(cluster: Cluster, broker: Broker, *, jobs: int, pods: int) -> Iterator[None]:
    """Have foreign Jobs and finished pods in a namespace.

    Kubernetes' Job controller works on them for a minute or two first, and until then every Job
    of the cluster is slow.
    """
    with measured_workspace(cluster, broker) as workspace:
        api = connect(cluster).client
        create_foreign_jobs(api, jobs, namespace=workspace.namespace)
        create_finished_pods(api, pods, namespace=workspace.namespace)
        poll(lambda: _count_unseen(workspace), lambda unseen: unseen == 0, seconds=900)
        poll(lambda: _time_one_pod(cluster, broker), lambda seconds: seconds < 6, seconds=900)
        yield


def _count_unseen(workspace: Workspace) -> int:
    """Return how many Jobs the Job controller has not yet called suspended."""
    return sum(not (job.get("status") or {}).get("conditions") for job in workspace.jobs())


def _time_one_pod(cluster: Cluster, broker: Broker) -> float:
    """Return the seconds that a plain Job of one item takes; alone it is about three."""
    with measured_workspace(cluster, broker) as workspace:
        return drain_with_plain_job(workspace, items=1, parallelism=1).last_pod_seconds


def _is_ready(pod: Manifest) -> bool:
    conditions = pod["status"].get("conditions") or ()
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)


def _read_peak_megabytes(cluster: Cluster, pod: str) -> float:
    """Return the most memory that the container's first process has had resident."""
    read = "print(next(line for line in open('/proc/1/status') if line.startswith('VmHWM:')))"
    words = cluster.kubectl("exec", "-n", NAMESPACE, pod, "--", "python3", "-c", read).stdout
    return int(words.split()[1]) / 1024


def _read_limit(cluster: Cluster) -> str:
    template = _read(cluster, "deployment", RELEASE)["spec"]["template"]["spec"]
    limit: str = template["containers"][0]["resources"]["limits"]["memory"]
    return limit


def _read(cluster: Cluster, kind: str, name: str) -> dict[str, Any]:
    return cluster.get(kind, "-n", NAMESPACE, name)


if __name__ == "__main__":
    main()
