"""A program that settles nothing does not run for ever, whether it admits its failure or not."""

import pytest

from dev.workspaces.workspace import CONSUME, Workspace, a_manifest, message_of, reason_of

pytestmark = [pytest.mark.cluster, pytest.mark.starts_early, pytest.mark.timeout(300)]

ITEMS = ("apple", "banana", "cherry", "date")


@pytest.mark.nightly
def test_failing_command_that_exits_0_ends_in_no_progress_with_the_numbers(
    workspace: Workspace,
) -> None:
    workspace.publish(ITEMS)

    # amqp-consume does not acknowledge when its command fails, and exits 0 all the same, provided
    # that the command has read its item.
    command = f"{CONSUME} -- sh -c 'cat; false'"
    workspace.apply(a_manifest(workspace, "futile", command=command, parallelism=2))

    ended = workspace.wait_for_end("futile", seconds=180)
    assert reason_of(ended, "Failed") == "NoProgress"
    pods, waves = len(workspace.pods("futile")), len(workspace.jobs())
    message = message_of(ended, "Failed")
    assert f"{pods} pods in {waves} consecutive waves exited 0" in message
    assert "4 ready, 0 in flight" in message
    assert "The program must acknowledge its item" in message
    assert ended["status"]["items"]["succeeded"] == 0
    assert ended["status"]["items"]["remaining"] == 4
    # A full wave, and then two attempts of parallelism.
    assert (waves, pods) == (3, 4 + 2 + 2)
    assert workspace.broker.depth(workspace.queue) == len(ITEMS)


@pytest.mark.nightly
def test_program_that_exits_1_ends_in_backoff_limit_exceeded(workspace: Workspace) -> None:
    workspace.publish(ITEMS)

    workspace.apply(
        a_manifest(workspace, "failing", command="false", parallelism=2, backoffLimit=1)
    )

    ended = workspace.wait_for_end("failing", seconds=90)
    assert reason_of(ended, "Failed") == "BackoffLimitExceeded"
    message = message_of(ended, "Failed")
    assert "spec.backoffLimit 1 allows" in message
    assert "4 ready, 0 in flight" in message
    assert ended["status"]["pods"]["active"] == 0
    assert 2 <= len(workspace.pods("failing")) <= len(ITEMS)
    assert workspace.broker.depth(workspace.queue) == len(ITEMS)
