"""Completions whose items somebody else took are ended, and the run with them."""

import pytest

from dev.workspaces.worker_jobs import a_rabbitmq_queue, a_worker_job
from dev.workspaces.workspace import (
    Workspace,
    a_manifest,
    is_going,
    message_of,
    print_after,
    reason_of,
)

pytestmark = [pytest.mark.cluster, pytest.mark.starts_early, pytest.mark.timeout(300)]

ITEMS = tuple(f"item-{number}" for number in range(8))


def test_surplus_of_stolen_items_is_ended_and_no_other_item_is_lost(workspace: Workspace) -> None:
    workspace.publish(ITEMS)
    workspace.apply(a_manifest(workspace, "robbed", command=print_after(3), parallelism=2))
    workspace.wait_for_depth(6)

    stolen = workspace.broker.steal(workspace.queue, 3)

    ended = workspace.wait_for_end("robbed", seconds=120)
    _assert_all_but_stolen_were_processed(workspace, "robbed", stolen)
    assert reason_of(ended, "Complete") == "Drained"
    assert ended["status"]["progress"] == "5/5"
    workspace.wait_for_event("robbed", "SurplusEnded")


def test_workers_get_no_successors_once_their_items_are_gone(workspace: Workspace) -> None:
    # In flight is unknown, so only when a worker has begun tells whether it holds an item.
    queue = a_rabbitmq_queue(workspace)
    del queue["rabbitmq"]["management"]
    workspace.publish([f"item-{number}" for number in range(20)])
    workspace.apply(
        a_worker_job(
            workspace,
            "robbed",
            queue=queue,
            mode="Coarse",
            parallelism=2,
            retry={"onExhausted": "Discard"},
        )
    )
    workspace.wait_for_depth(16)

    workspace.broker.purge(workspace.queue)

    ended = workspace.wait_for_end("robbed", seconds=120)
    assert reason_of(ended, "Complete") == "Drained"
    workspace.wait_for_event("robbed", "SurplusEnded")
    # Two may have started in vain, and two more while the broker was asked.
    assert len(workspace.pods("robbed")) <= ended["status"]["items"]["succeeded"] + 4


@pytest.mark.nightly
def test_without_management_surplus_is_told_and_the_users_timeout_ends_it(
    workspace: Workspace,
) -> None:
    workspace.publish(ITEMS)
    workspace.apply(
        a_manifest(workspace, "robbed", command=print_after(3), parallelism=2, management=False)
    )
    workspace.wait_for_depth(6)
    stolen = workspace.broker.steal(workspace.queue, 3)

    waiting = workspace.wait_for_reason("robbed", "Progressing", "SurplusPodsWaiting", seconds=120)
    message = message_of(waiting, "Progressing")
    assert "spec.queue.rabbitmq.management" in message
    assert "spec.queue.rabbitmq.surplusPodTimeoutSeconds" in message
    workspace.patch("robbed", {"queue": {"rabbitmq": {"surplusPodTimeoutSeconds": 5}}})

    ended = workspace.wait_for_end("robbed", seconds=60)
    _assert_all_but_stolen_were_processed(workspace, "robbed", stolen)
    assert reason_of(ended, "Complete") == "Drained"


def _assert_all_but_stolen_were_processed(
    workspace: Workspace, name: str, stolen: list[str]
) -> None:
    assert workspace.broker.depth(workspace.queue) == 0
    assert [pod["metadata"]["name"] for pod in workspace.pods(name) if is_going(pod)] == []
    assert sorted(workspace.logs(name)) == sorted(set(ITEMS) - set(stolen))
    for job in workspace.jobs():
        complete = [one for one in job["status"]["conditions"] if one["type"] == "Complete"]
        assert complete, job["status"]
    assert sum(job["status"]["succeeded"] for job in workspace.jobs()) == 5
