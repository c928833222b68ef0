"""What a person may do to a run while it goes on, and what it may be made of."""

import pytest

from dev.workspaces.workspace import (
    CONSUME,
    PRINT,
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

ITEMS = ("apple", "banana", "cherry", "date", "fig", "grape")


def test_suspended_run_gives_its_items_back_and_resumes_where_it_was(workspace: Workspace) -> None:
    workspace.publish(ITEMS)
    workspace.apply(
        a_manifest(workspace, "paused", command=print_after(10), parallelism=2, pod=SHORT_GRACE)
    )
    workspace.wait_for_depth(2)

    workspace.patch("paused", {"suspend": True})

    workspace.wait_for_depth(4)
    _wait_for_no_pod_going(workspace, "paused")
    paused = workspace.wait_for_reason("paused", "Progressing", "Suspended", seconds=10)
    assert paused["status"]["desiredParallelism"] == 0
    assert [job["spec"]["suspend"] for job in workspace.jobs()] == [True]

    workspace.patch("paused", {"suspend": False})

    ended = workspace.wait_for_end("paused", seconds=90)
    assert ended["status"]["progress"] == "6/6"
    assert sorted(workspace.logs("paused")) == list(ITEMS)
    assert len(workspace.jobs()) == 1


@pytest.mark.nightly
def test_kubectl_scale_raises_the_parallelism_of_the_running_wave(workspace: Workspace) -> None:
    workspace.publish(ITEMS)
    workspace.apply(a_manifest(workspace, "scaled", command=print_after(4), parallelism=1))
    workspace.wait_for_depth(5)

    workspace.kubectl("scale", "wqj/scaled", "--replicas=3")

    poll(
        workspace.jobs,
        lambda jobs: [job["spec"]["parallelism"] for job in jobs] == [3],
        seconds=10,
    )
    workspace.wait_until("scaled", lambda wqj: wqj["status"]["pods"]["active"] == 3, seconds=20)
    ended = workspace.wait_for_end("scaled", seconds=90)
    assert ended["status"]["waves"] == 1
    assert sorted(workspace.logs("scaled")) == list(ITEMS)


def test_parallelism_0_starts_nothing_until_it_is_scaled_up(workspace: Workspace) -> None:
    workspace.publish(ITEMS[:2])
    workspace.apply(a_manifest(workspace, "idle", parallelism=0))
    workspace.wait_for_reason("idle", "QueueReachable", "Measured", seconds=20)

    assert workspace.watch("jobs", "-o", "name", seconds=5) == []
    found = workspace.work_queue_job("idle")
    assert found["status"]["queue"]["ready"] == 2
    assert reason_of(found, "Complete") is None

    workspace.kubectl("scale", "wqj/idle", "--replicas=2")
    ended = workspace.wait_for_end("idle", seconds=60)
    assert ended["status"]["progress"] == "2/2"


def test_deletion_takes_jobs_and_pods_with_it_and_gives_the_items_back(
    workspace: Workspace,
) -> None:
    workspace.publish(ITEMS)
    workspace.apply(
        a_manifest(workspace, "gone", command=print_after(60), parallelism=2, pod=SHORT_GRACE)
    )
    workspace.wait_for_depth(4)

    workspace.kubectl("delete", "wqj", "gone", "--timeout=10s")

    poll(workspace.jobs, lambda jobs: jobs == [], seconds=30)
    poll(lambda: workspace.pods("gone"), lambda pods: pods == [], seconds=30)
    workspace.wait_for_depth(len(ITEMS), seconds=10)


def test_items_of_a_job_that_a_user_deleted_are_processed_by_another_wave(
    workspace: Workspace,
) -> None:
    workspace.publish(ITEMS[:4])
    workspace.apply(
        a_manifest(workspace, "robust", command=print_after(5), parallelism=2, pod=SHORT_GRACE)
    )
    workspace.wait_for_depth(2)
    (first,) = workspace.jobs()

    workspace.kubectl("delete", "job", first["metadata"]["name"])

    ended = workspace.wait_for_end("robust", seconds=120)
    assert reason_of(ended, "Complete") == "Drained", ended["status"]
    assert first["metadata"]["uid"] not in {job["metadata"]["uid"] for job in workspace.jobs()}
    assert ended["status"]["waves"] >= 2
    assert ended["status"]["progress"] == "4/4"
    assert sorted(workspace.logs("robust")) == list(ITEMS[:4])


def test_changed_template_is_for_the_next_wave_and_leaves_running_pods_alone(
    workspace: Workspace,
) -> None:
    def marked(mark: str) -> Manifest:
        return a_manifest(
            workspace, "marked", parallelism=3,
            command=f"{print_after(5)} | sed s/^/{mark}-/",
        )  # fmt: skip

    workspace.publish(ITEMS[:3])
    workspace.apply(marked("old"))
    workspace.wait_for_depth(0)

    workspace.apply(marked("new"))
    workspace.publish(ITEMS[3:5])

    ended = workspace.wait_for_end("marked", seconds=90)
    first, *later = sorted(workspace.jobs(), key=lambda job: job["metadata"]["creationTimestamp"])
    assert first["status"]["succeeded"] == 3
    assert sum(job["status"]["succeeded"] for job in later) == 2
    assert sorted(workspace.logs("marked")) == [
        "new-date", "new-fig", "old-apple", "old-banana", "old-cherry",
    ]  # fmt: skip
    assert ended["status"]["pods"] == {"active": 0, "succeeded": 5, "failed": 0}


def test_restart_policy_on_failure_of_the_documents_is_accepted(workspace: Workspace) -> None:
    workspace.publish(ITEMS[:2])
    # Fails at first, is started again in the same pod, and then finds what it left there.
    command = f"test -e /memory/once || {{ touch /memory/once; exit 1; }}; {PRINT}"
    workspace.apply(
        a_manifest(
            workspace, "restarted", command=command, parallelism=2,
            pod={"restartPolicy": "OnFailure", "volumes": [{"name": "memory", "emptyDir": {}}]},
            container={"volumeMounts": [{"name": "memory", "mountPath": "/memory"}]},
        )
    )  # fmt: skip

    ended = workspace.wait_for_end("restarted", seconds=90)

    assert reason_of(ended, "Complete") == "Drained", ended["status"]
    (job,) = workspace.jobs()
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "OnFailure"
    assert sorted(workspace.logs("restarted")) == list(ITEMS[:2])
    restarts = [
        pod["status"]["containerStatuses"][0]["restartCount"] for pod in workspace.pods("restarted")
    ]
    assert restarts == [1, 1]


@pytest.mark.nightly
def test_last_pod_of_several_items_each_need_not_be_full(workspace: Workspace) -> None:
    items = [f"item-{number}" for number in range(7)]
    done = f"{workspace.queue}-done"
    workspace.broker.declare(done)
    workspace.publish(items)

    # Not printed: the pod that is ended has processed an item, and takes its log with it.
    publish = 'amqp-publish --url="$BROKER_URL" -r "$QUEUE-done"'
    command = f"{CONSUME.replace('-c 1', '-c 3')} -- sh -c 'sleep 1; {publish}'"
    workspace.apply(a_manifest(workspace, "packed", command=command, parallelism=2, itemsPerPod=3))

    ended = workspace.wait_for_end("packed", seconds=120)
    assert reason_of(ended, "Complete") == "Drained", ended["status"]
    assert sorted(workspace.broker.steal(done, len(items))) == items
    workspace.broker.remove(done)
    assert workspace.broker.depth(workspace.queue) == 0
    assert sum(job["spec"]["completions"] for job in workspace.jobs()) == 3
    _wait_for_no_pod_going(workspace, "packed")


def _wait_for_no_pod_going(workspace: Workspace, name: str) -> None:
    poll(
        lambda: [pod["metadata"]["name"] for pod in workspace.pods(name) if is_going(pod)],
        lambda going: going == [],
        seconds=20,
    )
