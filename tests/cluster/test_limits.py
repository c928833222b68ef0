"""Limits of a run's time and of its objects' lives, and a run that somebody else admits."""

import json
from typing import Any

import pytest

from dev.workspaces.redis import Redis
from dev.workspaces.worker_jobs import (
    a_worker_job,
    assert_ledger_adds_up,
    count_processed,
    ended_as,
    print_stdin_after,
)
from dev.workspaces.workspace import Workspace, is_going, message_of, poll

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

QUEUE_NAME = "kueue.x-k8s.io/queue-name"


def start_run(
    workspace: Workspace, redis: Redis, name: str, *, count: int, **fields: Any
) -> list[str]:
    """Let two pods begin with so many items, and return these; fields: as of `a_worker_job`."""
    items = [f"item-{number}" for number in range(count)]
    redis.rpush(workspace.queue, *items)
    workspace.apply(a_worker_job(workspace, name, parallelism=2, **fields))
    return items


def test_run_ends_at_its_deadline_and_gives_its_items_back(
    workspace: Workspace, redis: Redis
) -> None:
    items = start_run(
        workspace, redis, "late", count=10, command=print_stdin_after(60),
        activeDeadlineSeconds=8, pod={"terminationGracePeriodSeconds": 2},
    )  # fmt: skip

    ended = workspace.wait_for_end("late", seconds=90)

    assert ended_as(ended) == ("Failed", "DeadlineExceeded")
    assert "activeDeadlineSeconds" in message_of(ended, "Failed")
    assert not [pod for pod in workspace.pods("late") if is_going(pod)]
    assert_ledger_adds_up(ended)
    assert ended["status"]["items"]["remaining"] == len(items)


def test_run_that_has_ended_goes_with_its_jobs_and_pods(workspace: Workspace, redis: Redis) -> None:
    redis.rpush(workspace.queue, "apple")
    workspace.apply(a_worker_job(workspace, "gone", ttlSecondsAfterFinished=3))
    workspace.wait_for_end("gone", seconds=90)

    poll(lambda: workspace.kubectl("get", "wqj", "-o", "name"), lambda seen: not seen, seconds=30)
    poll(workspace.jobs, lambda found: not found, seconds=30)
    poll(lambda: workspace.pods("gone"), lambda found: not found, seconds=60)


def test_jobs_with_kueues_label_wait_until_they_are_admitted(
    workspace: Workspace, redis: Redis
) -> None:
    """Kueue admits a Job by resuming it; the test does so in its place."""
    items = start_run(
        workspace, redis, "queued", count=6, command=print_stdin_after(0.5),
        jobMetadata={"labels": {QUEUE_NAME: "fruits"}},
    )  # fmt: skip
    workspace.wait_for_reason("queued", "Progressing", "WaitingForAdmission", seconds=60)
    (job,) = workspace.jobs()
    assert job["spec"]["suspend"] is True
    assert job["metadata"]["labels"][QUEUE_NAME] == "fruits"
    assert workspace.pods("queued") == []

    admitted = json.dumps({"spec": {"suspend": False}})
    workspace.kubectl("patch", "job", job["metadata"]["name"], "--type=merge", "-p", admitted)

    ended = workspace.wait_for_end("queued", seconds=90)
    assert ended_as(ended) == ("Complete", "Drained")
    assert count_processed(workspace, "queued", items).total() == len(items)
    (job,) = workspace.jobs()
    assert (job["spec"]["parallelism"], job["spec"]["completions"]) == (2, 2)
