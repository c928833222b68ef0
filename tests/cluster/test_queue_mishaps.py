"""A queue that is emptied or replaced in the middle of a run, which goes on with what is left."""

import pytest

from dev.workspaces.redis import Redis
from dev.workspaces.worker_jobs import (
    a_worker_job,
    assert_ledger_adds_up,
    ended_as,
    print_stdin_after,
)
from dev.workspaces.workspace import Workspace, a_manifest, poll, print_after, reason_of

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

ITEMS = ("apple", "banana", "cherry", "date", "fig", "grape")
LATER = ("lemon", "melon")


@pytest.mark.nightly
def test_purged_queue_ends_the_run_with_what_was_in_work(workspace: Workspace) -> None:
    workspace.publish(ITEMS)
    workspace.apply(a_manifest(workspace, "purged", command=print_after(3), parallelism=2))
    workspace.wait_for_depth(4)

    assert workspace.broker.purge(workspace.queue) == 4

    ended = workspace.wait_for_end("purged", seconds=90)
    assert reason_of(ended, "Complete") == "Drained", ended["status"]
    assert ended["status"]["progress"] == "2/2"
    assert sorted(workspace.logs("purged")) == list(ITEMS[:2])


def test_queue_that_is_deleted_is_told_and_its_successor_is_drained(workspace: Workspace) -> None:
    workspace.publish(ITEMS)
    workspace.apply(a_manifest(workspace, "replaced", command=print_after(3), parallelism=2))
    workspace.wait_for_depth(4)

    workspace.broker.remove(workspace.queue)
    workspace.wait_for_reason("replaced", "QueueReachable", "QueueNotFound", seconds=30)
    workspace.publish(LATER)

    ended = workspace.wait_for_end("replaced", seconds=120)
    assert reason_of(ended, "Complete") == "Drained", ended["status"]
    assert set(LATER) <= set(workspace.logs("replaced")) <= {*ITEMS[:2], *LATER}
    assert workspace.broker.depth(workspace.queue) == 0


@pytest.mark.nightly
def test_list_that_somebody_deleted_ends_the_run_with_what_was_in_work(
    workspace: Workspace, redis: Redis
) -> None:
    redis.rpush(workspace.queue, *ITEMS)
    workspace.apply(a_worker_job(workspace, "cut", command=print_stdin_after(4), parallelism=2))
    poll(lambda: redis.llen(workspace.queue), lambda left: left == 4, seconds=60)

    redis.delete(workspace.queue)

    ended = workspace.wait_for_end("cut", seconds=90)
    assert ended_as(ended) == ("Complete", "Drained")
    assert_ledger_adds_up(ended)
    assert ended["status"]["items"]["succeeded"] == 2
    assert sorted(set(workspace.logs("cut")) & set(ITEMS)) == list(ITEMS[:2])
