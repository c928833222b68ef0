"""Items that can't be processed: tried again, put aside, counted, and no burden to the others."""

import json
import signal

import pika
import pytest

from dev.environment import Cluster
from dev.workspaces.redis import Redis
from dev.workspaces.worker_jobs import (
    a_rabbitmq_queue,
    a_worker_job,
    assert_ledger_adds_up,
    count_processed,
    ended_as,
)
from dev.workspaces.workspace import Workspace, message_of, poll

from .worker_process import running_pods, signal_worker

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

GOOD = tuple(f"good-{number}" for number in range(20))
POISON = ("poison-1", "poison-2")
QUICK = {"maxAttempts": 3, "initialDelaySeconds": 1, "maxDelaySeconds": 2}
FAIL_ON_POISON = (
    'read item; case "$item" in poison*) echo "can not: $item" >&2; exit 3;; esac; echo "$item"'
)


def test_poison_in_a_redis_list_is_put_aside_with_its_reason(
    workspace: Workspace, redis: Redis
) -> None:
    redis.rpush(workspace.queue, POISON[0], *GOOD, POISON[1])
    workspace.apply(
        a_worker_job(workspace, "poison", command=FAIL_ON_POISON, parallelism=2, retry=QUICK)
    )

    ended = workspace.wait_for_end("poison", seconds=120)

    assert ended_as(ended) == ("Complete", "CompletedWithDeadLetters")
    count_processed(workspace, "poison", GOOD)
    assert_ledger_adds_up(ended)
    status = ended["status"]
    assert status["items"] == {
        "total": 22, "succeeded": 20, "deadLettered": 2, "discarded": 0, "remaining": 0,
        "attemptsFailed": 6, "accounting": "Counted",
    }  # fmt: skip
    assert status["queue"]["deadLettered"] == 2
    assert status["progress"] == "22/22"
    letters = [json.loads(letter) for letter in redis.lrange(f"{{{workspace.queue}}}:dead", 0, -1)]
    assert {letter["item"] for letter in letters} == set(POISON)
    assert {letter["attempts"] for letter in letters} == {3}
    assert all("exit code 3" in letter["reason"] for letter in letters)
    assert all(letter["pod"].startswith("poison-") for letter in letters)


@pytest.mark.parametrize(
    "queue_type", [pytest.param("classic", marks=pytest.mark.nightly), "quorum"]
)
def test_poison_in_a_rabbitmq_queue_is_put_aside_with_its_reason(
    workspace: Workspace, queue_type: str
) -> None:
    dead = f"{workspace.queue}.dead"
    with workspace.broker.channel() as channel:
        channel.queue_declare(workspace.queue, durable=True, arguments={"x-queue-type": queue_type})
        channel.queue_declare(dead, durable=True)
        for item in (POISON[0], *GOOD, POISON[1]):
            channel.basic_publish(
                "", workspace.queue, item.encode(), pika.BasicProperties(delivery_mode=2)
            )
    workspace.apply(
        a_worker_job(
            workspace,
            "poison",
            queue=a_rabbitmq_queue(workspace),
            command=FAIL_ON_POISON,
            parallelism=2,
            retry={**QUICK, "deadLetter": {"name": dead}},
        )
    )

    ended = workspace.wait_for_end("poison", seconds=120)

    assert ended_as(ended) == ("Complete", "CompletedWithDeadLetters")
    count_processed(workspace, "poison", GOOD)
    assert_ledger_adds_up(ended)
    items = ended["status"]["items"]
    assert (items["total"], items["succeeded"], items["deadLettered"]) == (22, 20, 2)
    assert (items["attemptsFailed"], items["accounting"]) == (6, "Counted")
    with workspace.broker.channel() as channel:
        _method, properties, body = channel.basic_get(dead, auto_ack=True)
    assert body.decode() in POISON
    assert properties.headers["x-wqj-dead-letter-attempts"] == 3
    assert "exit code 3" in properties.headers["x-wqj-dead-letter-reason"]


@pytest.mark.nightly
@pytest.mark.starts_early
def test_item_that_kills_its_pod_counts_as_an_attempt_and_never_ends_the_run(
    cluster: Cluster, workspace: Workspace, redis: Redis
) -> None:
    redis.rpush(workspace.queue, POISON[0], *GOOD)
    command = 'read item; case "$item" in poison*) sleep 600;; esac; echo "$item"'
    workspace.apply(
        a_worker_job(
            workspace,
            "deadly",
            command=command,
            backoffLimit=0,
            retry={**QUICK, "maxAttempts": 1, "maxLostAttempts": 2},
        )
    )

    for attempts in (1, 2):
        _wait_for_attempt(redis, workspace, attempts)
        (pod,) = poll(lambda: running_pods(workspace, "deadly"), bool, seconds=30)
        signal_worker(cluster, pod, signal.SIGKILL)

    ended = workspace.wait_for_end("deadly", seconds=150)
    assert ended_as(ended) == ("Complete", "CompletedWithDeadLetters"), ended["status"]
    count_processed(workspace, "deadly", GOOD)
    items = ended["status"]["items"]
    assert (items["succeeded"], items["deadLettered"], items["attemptsFailed"]) == (20, 1, 2)
    (letter,) = redis.lrange(f"{{{workspace.queue}}}:dead", 0, -1)
    assert json.loads(letter)["item"] == POISON[0]


def test_too_many_dead_letters_open_the_circuit_breaker(workspace: Workspace, redis: Redis) -> None:
    items = [f"poison-{number}" for number in range(100)]
    redis.rpush(workspace.queue, *items)
    workspace.apply(
        a_worker_job(
            workspace,
            "broken",
            command=f"sleep 1; {FAIL_ON_POISON}",
            parallelism=2,
            retry={"maxAttempts": 1},
            failurePolicy={"maxDeadLettered": 3},
        )
    )

    ended = workspace.wait_for_end("broken", seconds=120)

    assert ended_as(ended) == ("Failed", "TooManyDeadLettered")
    assert "maxDeadLettered 3" in message_of(ended, "Failed")
    assert_ledger_adds_up(ended)
    counted = ended["status"]["items"]
    assert 4 <= counted["deadLettered"] < 30
    assert counted["total"] == 100
    # What was in hand when the run ended is given back once its command has ended, after a rest.
    delayed = f"{{{workspace.queue}}}:wqj:delayed"
    poll(
        lambda: redis.llen(workspace.queue) + redis.zcard(delayed),
        lambda left: left == counted["remaining"],
        seconds=30,
    )


def test_missing_dead_letter_queue_is_told_before_any_item_is_tried(workspace: Workspace) -> None:
    workspace.publish(["good"])
    dead = f"{workspace.queue}.dead"
    workspace.apply(
        a_worker_job(
            workspace,
            "early",
            queue=a_rabbitmq_queue(workspace),
            retry={"deadLetter": {"name": dead}},
        )
    )

    told = workspace.wait_for_reason("early", "Progressing", "DeadLetterTargetMissing", seconds=30)
    assert dead in message_of(told, "Progressing")
    assert workspace.jobs() == []
    workspace.broker.declare(dead)

    ended = workspace.wait_for_end("early", seconds=60)
    assert ended_as(ended) == ("Complete", "Drained")


@pytest.mark.nightly
def test_item_that_rests_for_a_former_delay_is_waited_for(workspace: Workspace) -> None:
    workspace.publish(["again"])
    command = '[ "$ITEM_ATTEMPT" = 2 ] && awk 1'
    settings = {"maxAttempts": 2, "initialDelaySeconds": 20, "onExhausted": "Discard"}
    workspace.apply(
        a_worker_job(
            workspace,
            "patched",
            queue=a_rabbitmq_queue(workspace),
            command=command,
            retry=settings,
        )
    )
    workspace.wait_until(
        "patched",
        lambda wqj: bool(wqj.get("status", {}).get("queue", {}).get("delayed")),
        seconds=60,
    )

    workspace.patch("patched", {"retry": {"initialDelaySeconds": 1}})

    ended = workspace.wait_for_end("patched", seconds=90)
    assert ended_as(ended) == ("Complete", "Drained")
    assert count_processed(workspace, "patched", ["again"]) == {"again": 1}


def _wait_for_attempt(redis: Redis, workspace: Workspace, attempt: int) -> None:
    """Wait until some item is tried for the so many-th time."""
    key = f"{{{workspace.queue}}}:wqj:attempts"
    poll(lambda: redis.hvals(key), lambda made: str(attempt) in made, seconds=90)
