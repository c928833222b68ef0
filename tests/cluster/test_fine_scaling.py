"""Fine runs grow and shrink while they run, and no pod that holds an item is ended for it."""

import pytest

from dev.workspaces.redis import Redis
from dev.workspaces.worker_jobs import (
    a_worker_job,
    assert_ledger_adds_up,
    count_processed,
    ended_as,
    print_stdin_after,
)
from dev.workspaces.workspace import Workspace, poll

from .worker_process import running_pods

pytestmark = [pytest.mark.cluster, pytest.mark.starts_early, pytest.mark.timeout(300)]


def test_scaling_up_gives_the_running_job_more_pods(workspace: Workspace, redis: Redis) -> None:
    items = [f"item-{number}" for number in range(40)]
    redis.rpush(workspace.queue, *items)
    workspace.apply(a_worker_job(workspace, "grown", command=print_stdin_after(1), parallelism=1))
    poll(lambda: running_pods(workspace, "grown"), bool, seconds=60)

    workspace.kubectl("scale", "wqj/grown", "--replicas=4")

    poll(lambda: running_pods(workspace, "grown"), lambda found: len(found) == 4, seconds=30)
    ended = workspace.wait_for_end("grown", seconds=120)
    assert ended_as(ended) == ("Complete", "Drained")
    assert ended["status"]["waves"] == 1
    assert count_processed(workspace, "grown", items).total() == 40
    workspace.wait_for_event("grown", "WaveGrown")
    assert ended["status"]["items"]["attemptsFailed"] == 0


@pytest.mark.nightly
def test_scaling_down_ends_no_pod_that_works(workspace: Workspace, redis: Redis) -> None:
    items = [f"item-{number}" for number in range(24)]
    redis.rpush(workspace.queue, *items)
    workspace.apply(a_worker_job(workspace, "shrunk", command=print_stdin_after(1), parallelism=4))
    before = poll(
        lambda: running_pods(workspace, "shrunk"), lambda found: len(found) == 4, seconds=60
    )

    workspace.kubectl("scale", "wqj/shrunk", "--replicas=1")

    ended = workspace.wait_for_end("shrunk", seconds=120)
    assert ended_as(ended) == ("Complete", "Drained")
    assert count_processed(workspace, "shrunk", items).total() == 24
    names = {pod["metadata"]["name"] for pod in workspace.pods("shrunk")}
    assert names == {pod["metadata"]["name"] for pod in before}
    assert {pod["status"]["phase"] for pod in workspace.pods("shrunk")} == {"Succeeded"}
    assert_ledger_adds_up(ended)


@pytest.mark.nightly
def test_items_that_arrive_while_draining_are_drained_too(
    workspace: Workspace, redis: Redis
) -> None:
    first = [f"first-{number}" for number in range(10)]
    second = [f"second-{number}" for number in range(10)]
    redis.rpush(workspace.queue, *first)
    workspace.apply(a_worker_job(workspace, "late", command=print_stdin_after(0.5), parallelism=2))
    workspace.wait_until(
        "late",
        lambda wqj: wqj.get("status", {}).get("items", {}).get("succeeded", 0) >= 5,
        seconds=60,
    )

    redis.rpush(workspace.queue, *second)

    ended = workspace.wait_for_end("late", seconds=120)
    count_processed(workspace, "late", [*first, *second])
    items = ended["status"]["items"]
    assert (items["total"], items["succeeded"], items["accounting"]) == (20, 20, "Counted")
