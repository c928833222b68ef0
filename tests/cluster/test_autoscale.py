"""Runs that choose how many of the allowed pods they use."""

from datetime import datetime

import pytest

from dev.workspaces.redis import Redis
from dev.workspaces.worker_jobs import a_worker_job, count_processed, ended_as, print_stdin_after
from dev.workspaces.workspace import Manifest, Workspace, poll

pytestmark = [pytest.mark.cluster, pytest.mark.starts_early, pytest.mark.timeout(300)]

ITEMS = 200
LIMIT_SECONDS = 100
PROOF_SECONDS = 5
"""An empty queue is looked at for so long before the run is complete."""


@pytest.mark.nightly
def test_run_finishes_in_time_with_hardly_more_pods_than_it_needs(
    workspace: Workspace, redis: Redis
) -> None:
    items = [f"item-{number:03}" for number in range(ITEMS)]
    redis.rpush(workspace.queue, *items)
    workspace.apply(
        a_worker_job(
            workspace, "timely", command=print_stdin_after(1), parallelism=8,
            autoscale={"finishWithinSeconds": LIMIT_SECONDS},
        )
    )  # fmt: skip
    running: list[int] = []
    paces: list[float] = []
    sentences: set[str] = set()

    def look() -> Manifest:
        wqj = workspace.work_queue_job("timely")
        status = wqj.get("status") or {}
        if (status.get("items") or {}).get("remaining"):
            pods = workspace.pods("timely")
            running.append(sum(pod["status"]["phase"] == "Running" for pod in pods))
            scaling = status.get("scaling") or {}
            sentences.add(scaling.get("message", ""))
            paces.append(float(scaling.get("secondsPerItem") or 0))
        return wqj

    ended = poll(look, lambda wqj: ended_as(wqj) is not None, seconds=200)

    status = ended["status"]
    assert ended_as(ended) == ("Complete", "Drained")
    assert count_processed(workspace, "timely", items).total() == ITEMS
    taken = datetime.fromisoformat(status["completionTime"]) - datetime.fromisoformat(
        status["startTime"]
    )
    assert taken.total_seconds() <= LIMIT_SECONDS + PROOF_SECONDS
    # While other tests keep the node busy an item takes longer, and pods that came stay.
    needed = ITEMS * max(paces) / LIMIT_SECONDS
    assert sum(running) / len(running) <= needed + 1, running
    assert any("s to go need 3 of 8 pods" in sentence for sentence in sentences), sentences
