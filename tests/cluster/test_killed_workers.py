"""Workers that are killed at any moment: every item is processed, and the run still ends."""

import pytest

from dev.environment import Cluster
from dev.workspaces.redis import Redis
from dev.workspaces.worker_jobs import (
    a_rabbitmq_queue,
    a_worker_job,
    assert_ledger_adds_up,
    count_processed,
    ended_as,
    print_stdin_after,
)
from dev.workspaces.workspace import Workspace, poll

from .worker_process import kill_at_random

pytestmark = [pytest.mark.cluster, pytest.mark.starts_early, pytest.mark.timeout(420)]


@pytest.mark.nightly
@pytest.mark.parametrize(("concurrency", "seconds"), [(1, 0.3), (4, 1.2)])
def test_fine_workers_killed_twelve_times_lose_nothing(
    cluster: Cluster, workspace: Workspace, redis: Redis, concurrency: int, seconds: float
) -> None:
    items = [f"item-{number:03}" for number in range(500)]
    redis.rpush(workspace.queue, *items)
    workspace.apply(
        a_worker_job(
            workspace,
            "killed",
            command=print_stdin_after(seconds),
            parallelism=4,
            worker={"concurrency": concurrency},
            # A kill costs each item in hand an attempt, and a new pod begins with what was lost.
            retry={"maxLostAttempts": 20},
            # One that is killed before it has an item is a failed pod.
            backoffLimit=12,
        )
    )

    kills = kill_at_random(cluster, workspace, "killed", kills=12, seed=4, pause=1.5)

    ended = workspace.wait_for_end("killed", seconds=240)
    assert ended_as(ended) == ("Complete", "Drained")
    processed = count_processed(workspace, "killed", items)
    assert processed.total() - len(items) <= len(kills) * concurrency
    assert_ledger_adds_up(ended)
    counted = ended["status"]["items"]
    assert (counted["total"], counted["succeeded"], counted["remaining"]) == (500, 500, 0)
    assert counted["accounting"] == "Counted"
    _assert_only_killed_pods_failed(workspace, "killed", kills)


@pytest.mark.nightly
def test_coarse_workers_killed_at_random_lose_nothing(
    cluster: Cluster, workspace: Workspace
) -> None:
    items = [f"item-{number:02}" for number in range(60)]
    workspace.publish(items)
    workspace.broker.declare(f"{workspace.queue}.dead")
    workspace.apply(
        a_worker_job(
            workspace,
            "killed",
            queue=a_rabbitmq_queue(workspace),
            mode="Coarse",
            itemsPerPod=3,
            command=print_stdin_after(0.5),
            parallelism=4,
            backoffLimit=6,
            retry={"maxLostAttempts": 10, "deadLetter": {"name": f"{workspace.queue}.dead"}},
        )
    )

    kills = kill_at_random(cluster, workspace, "killed", kills=6, seed=5, pause=1.5)

    ended = workspace.wait_for_end("killed", seconds=240)
    assert ended_as(ended) == ("Complete", "Drained")
    processed = count_processed(workspace, "killed", items)
    assert processed.total() - len(items) <= len(kills)
    assert_ledger_adds_up(ended)
    assert ended["status"]["items"]["total"] == 60
    assert workspace.broker.depth(f"{workspace.queue}.dead") == 0
    _assert_only_killed_pods_failed(workspace, "killed", kills)


@pytest.mark.nightly
def test_item_of_a_killed_worker_is_processed_after_its_peers_have_finished(
    cluster: Cluster, workspace: Workspace, redis: Redis
) -> None:
    redis.rpush(workspace.queue, "slow", "quick")
    command = 'read item; [ "$item$ITEM_ATTEMPT" = slow1 ] && sleep 60; echo "$item"'
    workspace.apply(a_worker_job(workspace, "left", command=command, parallelism=2))
    # The quick one's worker has found nothing more and gone, when the slow one's is killed.
    poll(lambda: workspace.work_queue_job("left"), _has_one_pod_left, seconds=60)

    kill_at_random(cluster, workspace, "left", kills=1, seed=1, pause=0)

    ended = workspace.wait_for_end("left", seconds=120)
    assert ended_as(ended) == ("Complete", "Drained")
    assert count_processed(workspace, "left", ["slow", "quick"]) == {"slow": 1, "quick": 1}
    assert ended["status"]["items"]["succeeded"] == 2


def _has_one_pod_left(wqj: dict[str, object]) -> bool:
    status = wqj.get("status") or {}
    pods = status.get("pods") or {} if isinstance(status, dict) else {}
    return pods.get("succeeded") == 1 and pods.get("active") == 1


def _assert_only_killed_pods_failed(workspace: Workspace, name: str, kills: list[str]) -> None:
    failed = {
        pod["metadata"]["name"]
        for pod in workspace.pods(name)
        if pod["status"]["phase"] == "Failed"
    }
    assert failed <= set(kills)
