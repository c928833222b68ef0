"""What a user deletes by hand in the middle of a run costs a repetition at most, and no item."""

import pytest

from dev.workspaces.workspace import (
    CONSUME,
    SHORT_GRACE,
    Manifest,
    Workspace,
    a_manifest,
    is_going,
    poll,
    print_after,
    reason_of,
)

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

ITEMS = ("apple", "banana", "cherry", "date")


def test_foreground_deletion_waits_for_the_pods_and_gives_the_items_back(
    workspace: Workspace,
) -> None:
    workspace.publish(ITEMS)
    workspace.apply(_a_run(workspace, "gone", seconds=60))
    workspace.wait_for_depth(2)

    workspace.kubectl("delete", "wqj", "gone", "--cascade=foreground", "--timeout=30s")

    assert workspace.jobs() == []
    assert [pod for pod in workspace.pods("gone") if is_going(pod)] == []
    workspace.wait_for_depth(len(ITEMS), seconds=10)


def test_orphans_of_a_deletion_finish_their_wave(workspace: Workspace) -> None:
    workspace.publish(ITEMS)
    workspace.apply(_a_run(workspace, "left", seconds=3))
    workspace.wait_for_depth(2)

    workspace.kubectl("delete", "wqj", "left", "--cascade=orphan", "--timeout=30s")

    (job,) = poll(workspace.jobs, lambda jobs: jobs[0]["status"].get("succeeded") == 4, seconds=60)
    assert "ownerReferences" not in job["metadata"]
    assert sorted(workspace.logs("left")) == sorted(ITEMS)
    assert workspace.broker.depth(workspace.queue) == 0


@pytest.mark.nightly
def test_namesake_of_a_deleted_run_starts_anew_beside_its_orphans(workspace: Workspace) -> None:
    workspace.publish(ITEMS)
    workspace.apply(_a_run(workspace, "again", seconds=3))
    workspace.wait_for_depth(2)
    workspace.kubectl("delete", "wqj", "again", "--cascade=orphan", "--timeout=30s")

    workspace.apply(_a_run(workspace, "again", seconds=3))

    ended = workspace.wait_for_end("again", seconds=90)
    assert reason_of(ended, "Complete") == "Drained", ended["status"]
    assert sorted(workspace.logs("again")) == sorted(ITEMS)
    assert workspace.broker.depth(workspace.queue) == 0


def test_items_of_pods_that_a_user_deleted_are_processed_by_others(workspace: Workspace) -> None:
    done = f"{workspace.queue}-done"
    workspace.broker.declare(done)
    workspace.publish(ITEMS)
    # Not printed: a pod that is deleted may have processed its item, and takes its log with it.
    publish = 'amqp-publish --url="$BROKER_URL" -r "$QUEUE-done"'
    command = f"{CONSUME} -- sh -c 'sleep 3; {publish}'"
    workspace.apply(
        a_manifest(workspace, "robbed", command=command, parallelism=2, pod=SHORT_GRACE)
    )
    workspace.wait_for_depth(2)

    workspace.kubectl("delete", "pod", "-l", "wqj.dev/name=robbed", "--wait=false")

    ended = workspace.wait_for_end("robbed", seconds=120)
    assert reason_of(ended, "Complete") == "Drained", ended["status"]
    assert ended["status"]["progress"] == "4/4"
    processed = workspace.broker.steal(done, workspace.broker.depth(done))
    assert set(processed) == set(ITEMS)
    assert len(processed) <= len(ITEMS) + 2
    workspace.broker.remove(done)


@pytest.mark.nightly
def test_pods_whose_job_a_user_took_away_finish_what_they_hold(workspace: Workspace) -> None:
    workspace.publish(ITEMS)
    workspace.apply(_a_run(workspace, "torn", seconds=5))
    workspace.wait_for_depth(2)
    (job,) = workspace.jobs()

    workspace.kubectl("delete", "job", job["metadata"]["name"], "--cascade=orphan")

    ended = workspace.wait_for_end("torn", seconds=120)
    assert reason_of(ended, "Complete") == "Drained", ended["status"]
    assert sorted(workspace.logs("torn")) == sorted(ITEMS)
    assert workspace.broker.depth(workspace.queue) == 0


def _a_run(workspace: Workspace, name: str, *, seconds: int) -> Manifest:
    return a_manifest(workspace, name, command=print_after(seconds), parallelism=2, pod=SHORT_GRACE)
