"""Pods that a run keeps although nothing is ready: they wait, work, are replaced, and are ended."""

import time
from collections.abc import Callable
from datetime import datetime

import pytest

from dev.workspaces.redis import Redis
from dev.workspaces.worker_jobs import (
    a_rabbitmq_queue,
    a_worker_job,
    assert_ledger_adds_up,
    count_processed,
    ended_as,
    print_stdin_after,
)
from dev.workspaces.workspace import Manifest, Workspace, is_going, poll, reason_of

pytestmark = [pytest.mark.cluster, pytest.mark.starts_early, pytest.mark.timeout(300)]

WARM_LABEL = "wqj.dev/warm"


def going(workspace: Workspace, name: str) -> list[Manifest]:
    return [pod for pod in workspace.pods(name) if is_going(pod)]


def names_of(pods: list[Manifest]) -> set[str]:
    return {pod["metadata"]["name"] for pod in pods}


def are_waiting(number: int) -> Callable[[list[Manifest]], bool]:
    """Return what says whether so many pods, and no others, run and are kept warm."""

    def holds(pods: list[Manifest]) -> bool:
        ready = [
            pod
            for pod in pods
            if pod["status"]["phase"] == "Running" and WARM_LABEL in pod["metadata"]["labels"]
        ]
        return len(ready) == len(pods) == number

    return holds


def succeeded(wqj: Manifest) -> int:
    found: int = (wqj["status"].get("items") or {}).get("succeeded") or 0
    return found


def test_kept_pods_take_items_at_once_and_end_with_the_run(
    workspace: Workspace, redis: Redis
) -> None:
    workspace.apply(
        a_worker_job(
            workspace, "shop", runPolicy="Continuous", parallelism=5,
            autoscale={"minParallelism": 2}, drainedAfterSeconds=2, command=print_stdin_after(1),
        )
    )  # fmt: skip
    waiting = poll(
        lambda: going(workspace, "shop"),
        are_waiting(2),
        seconds=60,
        show=lambda p: str(names_of(p)),
    )
    workspace.wait_for_reason("shop", "Progressing", "WaitingForItems", seconds=10)
    poll(
        lambda: workspace.work_queue_job("shop"),
        lambda wqj: "2 warm pods of 2 wait" in message_of(wqj),
        seconds=20,
        show=message_of,
    )
    idle = workspace.work_queue_job("shop")
    time.sleep(6)
    assert (
        workspace.work_queue_job("shop")["metadata"]["resourceVersion"]
        == (idle["metadata"]["resourceVersion"])
    )
    assert idle["status"]["scaling"]["message"] == "no item left; kept 2 warm (minParallelism)"

    redis.rpush(workspace.queue, "first")
    poll(lambda: workspace.work_queue_job("shop"), lambda wqj: succeeded(wqj) == 1, seconds=20)
    started = {job["metadata"]["name"] for job in workspace.jobs()}
    after = poll(
        lambda: going(workspace, "shop"),
        lambda pods: are_waiting(2)(pods) and names_of(pods) != names_of(waiting),
        seconds=60,
    )
    assert len(names_of(after) & names_of(waiting)) == 1
    assert len(started) <= 2

    burst = [f"burst-{number:02}" for number in range(30)]
    redis.rpush(workspace.queue, *burst)
    most = 0

    def look() -> Manifest:
        nonlocal most
        most = max(most, len(going(workspace, "shop")))
        return workspace.work_queue_job("shop")

    poll(look, lambda wqj: succeeded(wqj) == 31, seconds=90)
    assert 2 < most <= 5
    poll(
        lambda: going(workspace, "shop"),
        lambda pods: are_waiting(2)(pods) and names_of(pods).isdisjoint(names_of(after)),
        seconds=60,
    )

    workspace.patch("shop", {"runPolicy": "UntilDrained"})

    ended = workspace.wait_for_end("shop", seconds=60)
    assert ended_as(ended) == ("Complete", "Drained")
    assert not going(workspace, "shop")
    assert_ledger_adds_up(ended)
    assert ended["status"]["items"]["succeeded"] == 31
    assert ended["status"]["items"]["accounting"] == "Counted"
    assert ended["status"]["pods"].get("failed", 0) == 0
    assert count_processed(workspace, "shop", burst).total() == 30


@pytest.mark.nightly
def test_pods_that_wait_at_rabbitmq_give_way_to_an_edited_template(workspace: Workspace) -> None:
    for queue in (workspace.queue, f"{workspace.queue}.dead"):
        workspace.broker.declare(queue)
    workspace.apply(
        a_worker_job(
            workspace, "desk", queue=a_rabbitmq_queue(workspace), runPolicy="Continuous",
            parallelism=3, autoscale={"minParallelism": 1}, drainedAfterSeconds=1,
            retry={"deadLetter": {"name": f"{workspace.queue}.dead"}},
        )
    )  # fmt: skip
    before = poll(lambda: going(workspace, "desk"), are_waiting(1), seconds=60)

    container = workspace.work_queue_job("desk")["spec"]["template"]["spec"]["containers"][0]
    edited = {**container, "command": ["sh", "-c", "sed s/^/edited-/"]}
    workspace.patch("desk", {"template": {"spec": {"containers": [edited]}}})

    poll(
        lambda: going(workspace, "desk"),
        lambda pods: are_waiting(1)(pods) and names_of(pods) != names_of(before),
        seconds=60,
    )
    workspace.publish(["one"])
    poll(lambda: workspace.logs("desk"), lambda lines: "edited-one" in lines, seconds=30)
    workspace.patch("desk", {"runPolicy": "UntilDrained"})
    ended = workspace.wait_for_end("desk", seconds=90)
    assert ended_as(ended) == ("Complete", "Drained")
    assert (ended["status"]["items"]["total"], succeeded(ended)) == (1, 1)
    begun, over = (ended["status"][name] for name in ("startTime", "completionTime"))
    assert datetime.fromisoformat(begun) < datetime.fromisoformat(over)


@pytest.mark.nightly
def test_worker_that_can_not_start_is_not_started_over_and_over(workspace: Workspace) -> None:
    manifest = a_worker_job(
        workspace, "broken", runPolicy="Continuous", parallelism=2, backoffLimit=0,
        autoscale={"minParallelism": 1},
    )  # fmt: skip
    container = manifest["spec"]["template"]["spec"]["containers"][0]
    container["command"] = ["/no/such/program"]
    workspace.apply(manifest)

    failing = workspace.wait_for_reason("broken", "Progressing", "BackoffLimitExceeded", seconds=60)
    assert "which were to wait for items, failed" in message_of(failing)
    time.sleep(20)

    assert workspace.work_queue_job("broken")["status"]["waves"] <= 4
    assert reason_of(failing, "Failed") is None


def message_of(wqj: Manifest) -> str:
    """Return what Progressing says."""
    conditions = (wqj.get("status") or {}).get("conditions") or []
    return next((c["message"] for c in conditions if c["type"] == "Progressing"), "")
