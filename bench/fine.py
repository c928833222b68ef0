#!/usr/bin/env python3
"""Time the documents' two examples in mode Fine, as a ratio to mode Coarse.

There are eight items in RabbitMQ and nine in Redis. With parallelism 2 an injected worker runs an
unmodified command. The time is from `kubectl apply` until the last item is settled, and until the
run is Complete. Run it on the cluster that the tests use, as `.venv/bin/python -m bench.fine`; it
takes about three minutes.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from dev.environment import Cluster
from dev.workspaces.broker import Broker, forwarded_broker
from dev.workspaces.prepared import prepare
from dev.workspaces.redis import forwarded_redis
from dev.workspaces.worker_jobs import a_rabbitmq_queue, a_redis_list, a_worker_job
from dev.workspaces.workspace import Manifest, Workspace, measured_workspace, poll

EIGHT = ("apple", "banana", "cherry", "date", "fig", "grape", "lemon", "melon")
NINE = (*EIGHT, "orange")
DISCARD = {"onExhausted": "Discard"}


def main() -> None:
    """Print one line an example: medians in seconds, and the ratio of Fine to Coarse."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=3)
    pairs: int = parser.parse_args().pairs
    cluster = prepare()
    with forwarded_broker(cluster) as broker, forwarded_redis(cluster) as redis:

        def fill_rabbitmq(workspace: Workspace) -> Manifest:
            workspace.publish(EIGHT)
            return a_rabbitmq_queue(workspace)

        def fill_redis(workspace: Workspace) -> Manifest:
            redis.rpush(workspace.queue, *NINE)
            return a_redis_list(workspace)

        for example in (
            Example("eight items, RabbitMQ", len(EIGHT), fill_rabbitmq),
            Example("nine items, Redis", len(NINE), fill_redis),
        ):
            _compare(example, pairs, cluster, broker)


@dataclass(frozen=True, slots=True)
class Example:
    """A queue to drain."""

    title: str
    items: int
    fill: Callable[[Workspace], Manifest]
    """Puts the items into the queue, and returns `spec.queue`."""


def _compare(example: Example, pairs: int, cluster: Cluster, broker: Broker) -> None:
    times: dict[str, list[tuple[float, float]]] = {"Coarse": [], "Fine": []}
    for _ in range(pairs):
        for mode, measured in times.items():
            with measured_workspace(cluster, broker) as workspace:
                measured.append(_time_run(workspace, mode, example))
    coarse, fine = (
        [statistics.median(column) for column in zip(*times[mode], strict=True)]
        for mode in ("Coarse", "Fine")
    )
    print(
        f"{example.title:<22} settled: Coarse {coarse[0]:5.1f} s  Fine {fine[0]:5.1f} s"
        f"  ratio {fine[0] / coarse[0]:.2f}"
        f"   Complete: Coarse {coarse[1]:5.1f} s  Fine {fine[1]:5.1f} s",
        flush=True,
    )


def _time_run(workspace: Workspace, mode: str, example: Example) -> tuple[float, float]:
    """Return the seconds until every item was settled, and until the run was complete."""
    queue = example.fill(workspace)
    retry = DISCARD if "rabbitmq" in queue else None
    spec: Manifest = {} if retry is None else {"retry": retry}
    manifest = a_worker_job(workspace, "timed", queue=queue, mode=mode, parallelism=2, **spec)
    started = time.monotonic()
    workspace.apply(manifest)
    poll(
        lambda: workspace.work_queue_job("timed").get("status", {}).get("items", {}),
        lambda items: items.get("succeeded") == example.items,
        seconds=300,
    )
    settled = time.monotonic() - started
    workspace.kubectl("wait", "--for=condition=Complete", "wqj/timed", "--timeout=120s")
    return settled, time.monotonic() - started


if __name__ == "__main__":
    main()
