"""Pods that their own template ends: by a probe that an item makes fail, or by their deadline."""

import json
from typing import Any

import pytest

from dev.workspaces.redis import Redis
from dev.workspaces.worker_jobs import (
    a_worker_job,
    assert_ledger_adds_up,
    count_processed,
    ended_as,
)
from dev.workspaces.workspace import Workspace, message_of, poll

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

GOOD = tuple(f"good-{number}" for number in range(5))
PROBE = {
    "exec": {"command": ["sh", "-c", "test ! -e /tmp/hangs"]},
    "periodSeconds": 1,
    # Of a busy node; only the file is to make it fail.
    "timeoutSeconds": 5,
    "failureThreshold": 1,
}
SHORT_GRACE = {"terminationGracePeriodSeconds": 16}
"""The item may be finished within 11 s of it."""
HANG = 'read item; if [ "$item" = hang ]; then touch /tmp/hangs; sleep 600; fi; echo "$item"'
SLOW = 'read item; [ "$item" = slow ] && sleep 600; echo "$item"'


@pytest.mark.nightly
def test_item_that_makes_the_liveness_probe_fail_is_put_aside(
    workspace: Workspace, redis: Redis
) -> None:
    redis.rpush(workspace.queue, "hang", *GOOD)
    workspace.apply(
        a_worker_job(
            workspace,
            "probed",
            command=HANG,
            container={"livenessProbe": PROBE},
            pod=SHORT_GRACE,
            parallelism=1,
            backoffLimit=0,
            retry={"maxAttempts": 2},
        )
    )

    poll(
        lambda: message_of(workspace.work_queue_job("probed"), "Progressing"),
        lambda message: "livenessProbe of container worker" in message,
        seconds=120,
    )

    ended = workspace.wait_for_end("probed", seconds=180)
    assert ended_as(ended) == ("Complete", "CompletedWithDeadLetters"), ended["status"]
    count_processed(workspace, "probed", GOOD)
    assert_ledger_adds_up(ended)
    (letter,) = letters_of(workspace, redis)
    assert (letter["item"], letter["attempts"]) == ("hang", 2)
    assert "livenessProbe" in letter["reason"]


@pytest.mark.nightly
def test_item_that_outlasts_its_pods_deadline_is_put_aside(
    workspace: Workspace, redis: Redis
) -> None:
    redis.rpush(workspace.queue, "slow", *GOOD)
    workspace.apply(
        a_worker_job(
            workspace,
            "late",
            command=SLOW,
            pod={"activeDeadlineSeconds": 20, "terminationGracePeriodSeconds": 4},
            parallelism=1,
            backoffLimit=0,
            retry={"maxAttempts": 1},
        )
    )

    ended = workspace.wait_for_end("late", seconds=180)
    assert ended_as(ended) == ("Complete", "CompletedWithDeadLetters")
    count_processed(workspace, "late", GOOD)
    (letter,) = letters_of(workspace, redis)
    assert letter["item"] == "slow"
    assert "activeDeadlineSeconds of 20 s" in letter["reason"]


def letters_of(workspace: Workspace, redis: Redis) -> list[dict[str, Any]]:
    return [json.loads(one) for one in redis.lrange(f"{{{workspace.queue}}}:dead", 0, -1)]
