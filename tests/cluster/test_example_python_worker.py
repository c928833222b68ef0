"""examples/python-worker: a program that uses the library, and a message that it can't process."""

import json
from typing import Any

import pytest

from dev.workspaces.workspace import Workspace, reason_of

from .examples import drain, run_to_end, start_broker

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

FACTORED = {
    "360360 = 2 * 2 * 2 * 3 * 3 * 5 * 7 * 11 * 13",
    "360361 = 89 * 4049",
    "360362 = 2 * 180181",
    "360363 = 3 * 120121",
    "360364 = 2 * 2 * 23 * 3917",
    "360365 = 5 * 72073",
    "360366 = 2 * 3 * 17 * 3533",
    "360367 = 7 * 51481",
    "360368 = 2 * 2 * 2 * 2 * 101 * 223",
    "360369 = 3 * 3 * 3 * 3 * 3 * 1483",
    "360370 = 2 * 5 * 36037",
    "360371 = 11 * 181 * 181",
}
REASON = "ValueError: invalid literal for int() with base 10: 'seven'"


def test_numbers_are_factored_and_the_word_is_put_aside_with_its_reason(
    workspace: Workspace,
) -> None:
    start_broker(workspace, "coarse-rabbitmq/rabbitmq.yaml", workload="statefulset/rabbitmq")
    run_to_end(workspace, "python-worker/fill.yaml", job="fill-numbers")

    ended = drain(workspace, "python-worker/workqueuejob.yaml", "factors")

    assert reason_of(ended, "Complete") == "CompletedWithDeadLetters"
    assert ended["status"]["items"] == {
        "total": 13, "succeeded": 12, "deadLettered": 1, "discarded": 0, "remaining": 0,
        "attemptsFailed": 3, "accounting": "Counted",
    }  # fmt: skip
    assert ended["status"]["queue"]["deadLettered"] == 1
    assert ended["status"]["pods"]["failed"] == 0
    logged = workspace.logs("factors")
    assert {line for line in logged if " = " in line and line[0].isdigit()} == FACTORED
    assert sum(line == REASON for line in logged) == 3
    (letter,) = look_at_dead_letters(workspace)
    assert letter["payload"] == "seven"
    headers = letter["properties"]["headers"]
    assert headers["x-wqj-dead-letter-reason"] == REASON
    assert headers["x-wqj-dead-letter-attempts"] == 3
    assert headers["x-wqj-dead-letter-queue"] == "numbers"
    assert headers["x-wqj-dead-letter-pod"].startswith("factors-")


def look_at_dead_letters(workspace: Workspace) -> list[dict[str, Any]]:
    """Ask as the README does; the messages stay in their queue."""
    letters: list[dict[str, Any]] = json.loads(
        workspace.kubectl(
            "exec", "rabbitmq-0", "--", "rabbitmqadmin", "--format=pretty_json",
            "get", "queue=numbers.failed", "ackmode=ack_requeue_true", "count=10",
        )
    )  # fmt: skip
    return letters
