#!/usr/bin/env python3
"""Measure how much broken WorkQueueJobs delay forty healthy ones, as a ratio to forty alone.

Four of the broken ones have a hostile broker. All of them say what is wrong before the healthy ones
are applied, so that `kubectl apply` takes the same time. Each healthy one has its own queue with
one item. The time is from `kubectl apply` until all healthy ones are Complete. Run it on the
cluster that the tests use, as `.venv/bin/python -m bench.neighbours --pairs 3`; a pair takes about
two minutes.
"""

import argparse
import statistics
import time

from dev.environment import Cluster
from dev.workspaces.broker import Broker, forwarded_broker
from dev.workspaces.neighbours import BROKEN, arrange, build_broken, build_healthy, clear
from dev.workspaces.prepared import prepare
from dev.workspaces.workspace import open_workspace


def main() -> None:
    """Print one line a pair, and the median of the ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--healthy", type=int, default=40)
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    cluster = prepare()
    names = [f"healthy-{number}" for number in range(options.healthy)]
    ratios = []
    with forwarded_broker(cluster) as broker:
        for pair in range(options.pairs):
            # In turns, because the first of two is slower on a machine that has just started.
            order = (True, False) if pair % 2 else (False, True)
            times = {broken: _time(cluster, broker, names, broken=broken) for broken in order}
            ratios.append(times[True] / times[False])
            print(
                f"{len(names)} alone {times[False]:.1f} s, beside {len(BROKEN)} broken ones"
                f" {times[True]:.1f} s, ratio {ratios[-1]:.2f}",
                flush=True,
            )
    print(f"median ratio of {options.pairs}: {statistics.median(ratios):.2f}")


def _time(cluster: Cluster, broker: Broker, names: list[str], *, broken: bool) -> float:
    """Return the seconds until all healthy ones are Complete."""
    workspace = open_workspace(cluster, broker)
    try:
        arrange(workspace)
        healthy = build_healthy(workspace, names)
        if broken:
            workspace.apply(*build_broken(workspace))
            for neighbour in BROKEN:
                workspace.wait_until(neighbour.name, neighbour.says_so, seconds=90)
        started = time.monotonic()
        workspace.apply(*healthy)
        waited = [f"wqj/{name}" for name in names]
        workspace.kubectl("wait", "--for=condition=Complete", *waited, "--timeout=600s")
        elapsed = time.monotonic() - started
        clear(workspace, names)
    finally:
        workspace.close()
        # A deletion that goes on would slow the next run.
        cluster.kubectl("wait", "--for=delete", f"namespace/{workspace.namespace}")
    return elapsed


if __name__ == "__main__":
    main()
