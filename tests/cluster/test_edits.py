"""What is edited in the middle of a run is for the pods to come; those that run are left alone."""

import subprocess

import pytest

from dev.workspaces.objects import a_login
from dev.workspaces.prepared import BROKER_HOST
from dev.workspaces.workspace import (
    Manifest,
    Workspace,
    a_manifest,
    poll,
    print_after,
    reason_of,
)
from workqueuejob.names import OPERATOR

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

FIRST, LATER = ("apple", "banana"), ("cherry", "date")
ELSEWHERE = f"{BROKER_HOST}.svc.cluster.local"
"""The same broker under another name."""

IDENTITIES: tuple[Manifest, ...] = (
    {"queue": {"rabbitmq": {"queue": "another"}}},
    {"queue": {"rabbitmq": {"vhost": "another"}}},
    {"queue": {"rabbitmq": None, "redis": {"host": "redis", "list": {"key": "a"}}}},
    {"mode": "Fine"},
)


def test_host_and_credentials_are_changed_for_the_next_wave_and_running_pods_go_on(
    workspace: Workspace,
) -> None:
    user = workspace.queue
    workspace.broker.add_user(user, "s3cret")
    workspace.publish(FIRST)
    show = 'echo "as ${WQJ_BROKER_USERNAME:-guest} at ${BROKER_URL##*@}"'
    command = f"{print_after(6)}; {show}"
    workspace.apply(
        a_login("login", user, "s3cret"),
        a_manifest(workspace, "moved", command=command, parallelism=2),
    )
    workspace.wait_for_depth(0)
    before = _names(workspace, "moved")

    login = {"host": ELSEWHERE, "credentialsSecretRef": {"name": "login"}}
    workspace.patch("moved", {"queue": {"rabbitmq": login}})
    workspace.publish(LATER)

    ended = workspace.wait_for_end("moved", seconds=90)
    assert reason_of(ended, "Complete") == "Drained"
    assert ended["status"]["progress"] == "4/4"
    assert ended["status"]["pods"] == {"active": 0, "succeeded": 4, "failed": 0}
    assert before <= _names(workspace, "moved")
    assert sorted(workspace.logs("moved")) == sorted(
        [*FIRST, *LATER]
        + [f"as guest at {BROKER_HOST}:5672"] * 2
        + [f"as {user} at {ELSEWHERE}:5672"] * 2
    )


def test_identity_of_the_queue_can_not_be_edited(workspace: Workspace) -> None:
    workspace.broker.declare(workspace.queue)
    workspace.apply(a_manifest(workspace, "same", emptyStart="Wait"))
    waiting = workspace.wait_for_reason("same", "Progressing", "WaitingForItems", seconds=30)

    for change in IDENTITIES:
        with pytest.raises(subprocess.CalledProcessError) as refused:
            workspace.patch("same", change)
        assert "immutable; create another WorkQueueJob" in refused.value.stderr

    assert workspace.work_queue_job("same")["spec"] == waiting["spec"]


def test_secret_that_is_rotated_is_used_by_pods_to_come_and_by_the_operator(
    workspace: Workspace,
) -> None:
    user = workspace.queue
    items = [*FIRST, *LATER, "fig", "grape"]
    workspace.broker.add_user(user, "s3cret-old")
    workspace.publish(items)
    workspace.apply(
        a_login("login", user, "s3cret-old"),
        a_manifest(
            workspace, "rotated", command=print_after(3), parallelism=2,
            rabbitmq={"credentialsSecretRef": {"name": "login"}},
        ),
    )  # fmt: skip
    workspace.wait_for_depth(4)

    workspace.broker.add_user(user, "s3cret-new")
    workspace.apply(a_login("login", user, "s3cret-new"))
    # Who is logged in would not notice otherwise.
    poll(lambda: workspace.broker.cut_connections(user, client=OPERATOR), bool, seconds=20)

    ended = workspace.wait_for_end("rotated", seconds=90)
    assert reason_of(ended, "Complete") == "Drained", ended["status"]
    assert ended["status"]["progress"] == "6/6"
    assert ended["status"]["pods"]["failed"] == 0
    assert sorted(workspace.logs("rotated")) == sorted(items)


def _names(workspace: Workspace, name: str) -> set[str]:
    return {pod["metadata"]["name"] for pod in workspace.pods(name)}
