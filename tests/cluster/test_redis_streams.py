"""A Redis stream is drained like a list: by its consumer group, counted exactly."""

from typing import Any, cast

import pytest

from dev.workspaces.prepared import REDIS_HOST
from dev.workspaces.redis import Redis
from dev.workspaces.worker_jobs import (
    a_worker_job,
    assert_ledger_adds_up,
    count_processed,
    ended_as,
)
from dev.workspaces.workspace import Workspace

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


def test_stream_is_drained_by_its_group_with_poison_put_aside(
    workspace: Workspace, redis: Redis
) -> None:
    items = [f"item-{number}" for number in range(30)]
    for item in (*items, "poison"):
        redis.xadd(workspace.queue, {"item": item})
    stream = {"key": workspace.queue, "consumerGroup": "billing"}
    command = 'read item; [ "$item" != poison ] && echo "$item"'
    workspace.apply(
        a_worker_job(
            workspace,
            "streamed",
            queue={"redis": {"host": REDIS_HOST, "stream": stream, "leaseSeconds": 5}},
            command=command,
            parallelism=3,
            retry={"maxAttempts": 2, "maxDelaySeconds": 1},
        )
    )

    ended = workspace.wait_for_end("streamed", seconds=120)

    assert ended_as(ended) == ("Complete", "CompletedWithDeadLetters")
    assert count_processed(workspace, "streamed", items).total() == 30
    assert_ledger_adds_up(ended)
    counted = ended["status"]["items"]
    assert (counted["succeeded"], counted["deadLettered"], counted["attemptsFailed"]) == (30, 1, 2)
    assert counted["accounting"] == "Counted"
    ((_id, letter),) = cast("Any", redis.xrange(f"{{{workspace.queue}}}:dead"))
    assert (letter["item"], letter["wqj-attempts"]) == ("poison", "2")
    # The entries stay in the stream; nothing of it is pending.
    assert redis.xlen(workspace.queue) == 31
    assert cast("Any", redis.xpending(workspace.queue, "billing"))["pending"] == 0
