"""What happens to the item in hand when a worker is told to stop, or can't go on for a while."""

import signal

import pytest

from dev.environment import Cluster
from dev.workspaces.redis import Redis
from dev.workspaces.worker_jobs import (
    a_rabbitmq_queue,
    a_redis_list,
    a_worker_job,
    assert_ledger_adds_up,
    count_processed,
    ended_as,
    has_failed_pods,
    print_stdin_after,
)
from dev.workspaces.workspace import Workspace, poll

from .worker_process import running_pods, signal_worker

pytestmark = [pytest.mark.cluster, pytest.mark.starts_early, pytest.mark.timeout(300)]


def test_deleted_pod_finishes_its_item_within_the_grace(workspace: Workspace, redis: Redis) -> None:
    redis.rpush(workspace.queue, "first", "second")
    workspace.apply(a_worker_job(workspace, "deleted", command=print_stdin_after(8)))
    (pod,) = poll(lambda: _working(workspace, "deleted", redis), bool, seconds=60)

    workspace.kubectl("delete", "pod", pod, "--grace-period=30", "--wait=false")

    ended = workspace.wait_for_end("deleted", seconds=120)
    assert ended_as(ended) == ("Complete", "Drained")
    assert not has_failed_pods(ended)
    items = ended["status"]["items"]
    assert (items["total"], items["succeeded"], items.get("attemptsFailed", 0)) == (2, 2, 0)


@pytest.mark.nightly
def test_item_that_takes_longer_than_the_grace_is_given_back(
    workspace: Workspace, redis: Redis
) -> None:
    redis.rpush(workspace.queue, "long")
    # The first attempt would never end; the one after it finds the mark of the first.
    command = 'read item; [ "$ITEM_REDELIVERED" = true ] || sleep 600; echo "$item"'
    workspace.apply(
        a_worker_job(
            workspace, "released", command=command, pod={"terminationGracePeriodSeconds": 12}
        )
    )
    (pod,) = poll(lambda: _working(workspace, "released", redis), bool, seconds=60)

    workspace.kubectl("delete", "pod", pod, "--wait=false")

    ended = workspace.wait_for_end("released", seconds=120)
    assert ended_as(ended) == ("Complete", "Drained")
    assert not has_failed_pods(ended)
    items = ended["status"]["items"]
    assert (items["total"], items["succeeded"], items.get("attemptsFailed", 0)) == (1, 1, 0)


@pytest.mark.nightly
def test_frozen_worker_does_not_acknowledge_what_another_took_over(
    cluster: Cluster, workspace: Workspace, redis: Redis
) -> None:
    redis.rpush(workspace.queue, *(f"item-{number}" for number in range(6)))
    workspace.apply(a_worker_job(workspace, "frozen", command=print_stdin_after(6), parallelism=2))
    pods = poll(lambda: running_pods(workspace, "frozen"), lambda found: len(found) == 2,
                seconds=60)  # fmt: skip
    poll(lambda: _leases(redis, workspace), lambda held: held == 2, seconds=30)

    signal_worker(cluster, pods[0], signal.SIGSTOP)
    name = pods[0]["metadata"]["name"]
    # Its command finishes while it is frozen, and its lease of five seconds runs out.
    poll(lambda: redis.hget(_run_key(workspace), "attempts_lost"), bool, seconds=60)
    signal_worker(cluster, pods[0], signal.SIGCONT)

    ended = workspace.wait_for_end("frozen", seconds=180)
    assert ended_as(ended) == ("Complete", "Drained")
    assert_ledger_adds_up(ended)
    assert ended["status"]["items"]["succeeded"] == 6
    assert redis.hget(_run_key(workspace), "leases_lost") == "1"
    assert "lost" in workspace.kubectl("logs", name)


@pytest.mark.nightly
@pytest.mark.parametrize("kind", ["redis", "rabbitmq"])
def test_item_longer_than_every_lease_is_processed_once(
    workspace: Workspace, redis: Redis, kind: str
) -> None:
    if kind == "redis":
        redis.rpush(workspace.queue, "long")
        queue, retry = a_redis_list(workspace), {}
    else:
        # Longer than the heartbeat, and than the timeout that the worker is told of.
        workspace.publish(["long"])
        queue = a_rabbitmq_queue(workspace, consumerTimeoutSeconds=10)
        retry = {"onExhausted": "Discard"}
    workspace.apply(
        a_worker_job(workspace, "long", queue=queue, command=print_stdin_after(20), retry=retry)
    )

    ended = workspace.wait_for_end("long", seconds=120)

    assert ended_as(ended) == ("Complete", "Drained")
    assert count_processed(workspace, "long", ["long"]) == {"long": 1}
    items = ended["status"]["items"]
    assert (items["total"], items["succeeded"], items.get("attemptsFailed", 0)) == (1, 1, 0)


def _working(workspace: Workspace, name: str, redis: Redis) -> list[str]:
    """Return the names of running pods once an item is held."""
    if not _leases(redis, workspace):
        return []
    return [pod["metadata"]["name"] for pod in running_pods(workspace, name)]


def _leases(redis: Redis, workspace: Workspace) -> int:
    return int(redis.zcard(f"{{{workspace.queue}}}:wqj:leases"))


def _run_key(workspace: Workspace) -> str:
    uid = workspace.work_queue_job("frozen")["metadata"]["uid"]
    return f"{{{workspace.queue}}}:wqj:run:{uid}"
