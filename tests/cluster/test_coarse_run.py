"""The main job: a queue that nobody counted is drained by as many pods as there are items."""

from datetime import datetime

import pytest

from dev.workspaces.workspace import CONSUME, Workspace, a_manifest, reason_of

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

FRUITS = ("apple", "banana", "cherry", "date", "fig", "grape", "lemon", "melon")
PROCESS = f"{CONSUME} /worker.py"


def test_eight_fruits_become_one_job_of_eight_completions(workspace: Workspace) -> None:
    workspace.publish(FRUITS)

    workspace.apply(a_manifest(workspace, "fruits", command=PROCESS, parallelism=2))

    workspace.kubectl("wait", "--for=condition=Complete", "wqj/fruits", "--timeout=120s")
    status = workspace.work_queue_job("fruits")["status"]
    assert status["progress"] == "8/8"
    assert status["items"] == {
        "total": 8, "succeeded": 8, "remaining": 0, "attemptsFailed": 0, "accounting": "Inferred",
    }  # fmt: skip
    (job,) = workspace.jobs()
    assert job["spec"]["completions"] == 8
    assert job["status"]["succeeded"] == 8
    (owner,) = job["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("WorkQueueJob", "fruits")
    assert sorted(workspace.logs("fruits")) == [f"Processed {fruit}" for fruit in FRUITS]


def test_describe_tells_the_run_as_a_story(workspace: Workspace) -> None:
    workspace.publish(["apple", "banana"])

    workspace.apply(a_manifest(workspace, "story", parallelism=2))
    workspace.wait_for_end("story", seconds=90)

    reasons = [event["reason"] for event in workspace.wait_for_event("story", "Complete")]
    assert reasons == ["WaveCreated", "VerifyingDrained", "Complete"]
    described = workspace.kubectl("describe", "wqj", "story")
    assert "2 ready, 0 in flight, 0 completions open: created story-" in described


@pytest.mark.nightly
@pytest.mark.parametrize("sizes", [(10, 14, 10), (30, 40, 30)], ids=str)
def test_items_that_arrive_in_bursts_get_a_pod_each_and_none_waits(
    workspace: Workspace, sizes: tuple[int, int, int]
) -> None:
    first, second, third = (
        [f"{burst}-{n}" for n in range(size)] for burst, size in zip("abc", sizes, strict=True)
    )
    workspace.publish(first)
    workspace.apply(a_manifest(workspace, "bursts", parallelism=8))
    workspace.wait_until(
        "bursts",
        lambda wqj: wqj.get("status", {}).get("pods", {}).get("succeeded", 0) >= 5,
        seconds=60,
    )
    workspace.publish(second)
    workspace.wait_until(
        "bursts", lambda wqj: wqj["status"]["pods"]["succeeded"] >= sizes[0] + 10, seconds=90
    )
    workspace.publish(third)

    ended = workspace.wait_for_end("bursts", seconds=150)

    total = sum(sizes)
    assert reason_of(ended, "Complete") == "Drained"
    assert ended["status"]["progress"] == f"{total}/{total}"
    assert ended["status"]["pods"] == {"active": 0, "succeeded": total, "failed": 0}
    pods = workspace.pods("bursts")
    assert len(pods) == total
    assert {pod["status"]["phase"] for pod in pods} == {"Succeeded"}


def test_an_empty_queue_is_complete_without_a_pod(workspace: Workspace) -> None:
    workspace.broker.declare(workspace.queue)

    workspace.apply(a_manifest(workspace, "nothing"))

    ended = workspace.wait_for_end("nothing", seconds=30)
    assert reason_of(ended, "Complete") == "QueueEmpty"
    assert workspace.jobs() == []


def test_a_waiting_run_sees_the_first_item_soon_and_writes_nothing_until_then(
    workspace: Workspace,
) -> None:
    workspace.broker.declare(workspace.queue)
    workspace.apply(a_manifest(workspace, "patient", emptyStart="Wait"))
    waiting = workspace.wait_for_reason("patient", "Progressing", "WaitingForItems", seconds=30)

    with pytest.raises(AssertionError):
        # Ten seconds are twelve measurements; any write would change the version.
        workspace.wait_until(
            "patient",
            lambda wqj: (
                wqj["metadata"]["resourceVersion"] != waiting["metadata"]["resourceVersion"]
            ),
            seconds=10,
        )
    published = workspace.publish(["first"])
    workspace.wait_for_end("patient", seconds=60)

    events = workspace.wait_for_event("patient", "WaveCreated")
    created = next(event for event in events if event["reason"] == "WaveCreated")
    seen = datetime.fromisoformat(created["eventTime"])
    # It is measured within a second; on a busy machine the Job takes longer.
    assert (seen - published).total_seconds() < 5.0
