"""Two replicas of the operator: whatever becomes of the leader, the run goes on, once."""

import signal
import time
from collections.abc import Iterator
from datetime import datetime

import pytest

from dev.environment import NAMESPACE, RELEASE, Cluster
from dev.workspaces.workspace import (
    Manifest,
    Workspace,
    a_manifest,
    poll,
    print_after,
    reason_of,
    succeeded_pods,
)

from .operator_process import (
    OPERATOR_LABEL,
    await_leader,
    kill_leader,
    list_operator_pods,
    read_lease,
    restart_operator,
    running_replicas,
    signal_operator,
)

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.disturbs_the_operator,
    # Beside other tests it waits for all of them to end.
    pytest.mark.timeout(600),
]

TAKEOVER_SECONDS = 15
FIRST, LATER = 8, 4
ITEMS = [f"item-{number:02}" for number in range(FIRST + LATER)]


@pytest.fixture(scope="module")
def two_replicas(cluster: Cluster) -> Iterator[Cluster]:
    with running_replicas(cluster, 2):
        yield cluster


def begin_run(workspace: Workspace) -> None:
    """Start a run on the first items, and wait until it is well under way."""
    workspace.publish(ITEMS[:FIRST])
    workspace.apply(
        a_manifest(
            workspace, "fruits", command=print_after(2), parallelism=4, drainedAfterSeconds=4
        )
    )
    workspace.wait_until("fruits", lambda wqj: succeeded_pods(wqj) >= 2, seconds=60)


def assert_done_once(workspace: Workspace) -> None:
    """Every item was worked on once, and no wave was made twice."""
    ended = workspace.wait_for_end("fruits", seconds=120)
    assert reason_of(ended, "Complete") == "Drained", ended["status"]
    jobs = workspace.jobs()
    waves = sorted(int(job["metadata"]["labels"]["wqj.dev/wave"]) for job in jobs)
    assert waves == list(range(1, ended["status"]["waves"] + 1))
    sizes = [(job["spec"]["completions"], job["status"].get("succeeded", 0)) for job in jobs]
    assert sum(completions for completions, _ in sizes) == len(ITEMS), sizes
    assert sum(succeeded for _, succeeded in sizes) == len(ITEMS), sizes
    assert sorted(workspace.logs("fruits")) == ITEMS


def written_by(workspace: Workspace, pod: str) -> list[Manifest]:
    """Return the Events that a replica has written about the run."""
    return [event for event in workspace.events("fruits") if reporter_of(event) == pod]


def reporter_of(event: Manifest) -> str:
    """Return the name of the pod, which follows that of the installation."""
    return str(event.get("reportingInstance", "")).rpartition("/")[2]


def seconds_between(before: str, after: str) -> float:
    return (datetime.fromisoformat(after) - datetime.fromisoformat(before)).total_seconds()


def test_killed_leader_is_succeeded_within_fifteen_seconds(
    two_replicas: Cluster, workspace: Workspace
) -> None:
    begin_run(workspace)
    before = read_lease(two_replicas)

    killed = kill_leader(two_replicas)
    killed_at = time.monotonic()
    workspace.publish(ITEMS[FIRST:])
    version = workspace.work_queue_job("fruits")["metadata"]["resourceVersion"]
    successor = await_leader(two_replicas, other_than=killed, seconds=TAKEOVER_SECONDS)
    workspace.wait_until(
        "fruits",
        lambda wqj: wqj["metadata"]["resourceVersion"] != version,
        seconds=TAKEOVER_SECONDS - (time.monotonic() - killed_at),
    )

    after = read_lease(two_replicas)
    assert after["leaseTransitions"] == before["leaseTransitions"] + 1
    assert seconds_between(before["renewTime"], after["acquireTime"]) < TAKEOVER_SECONDS
    assert_done_once(workspace)
    name = successor["metadata"]["name"]
    poll(lambda: written_by(workspace, name), bool, seconds=30)


@pytest.mark.nightly
def test_frozen_leader_that_thaws_writes_nothing_and_starts_again(
    two_replicas: Cluster, workspace: Workspace
) -> None:
    begin_run(workspace)
    frozen = await_leader(two_replicas)
    name = frozen["metadata"]["name"]

    signal_operator(two_replicas, frozen, signal.SIGSTOP)
    try:
        # What it would make a wave for when it thaws.
        workspace.publish(ITEMS[FIRST:])
        written = len(written_by(workspace, name))
        await_leader(two_replicas, other_than=name, seconds=TAKEOVER_SECONDS)
    finally:
        signal_operator(two_replicas, frozen, signal.SIGCONT)

    poll(
        lambda: read_container(two_replicas, name),
        lambda found: found["restartCount"] == 1 and found["ready"],
        seconds=60,
    )
    ended = read_container(two_replicas, name)["lastState"]["terminated"]
    assert ended["exitCode"] == 1, ended
    log = two_replicas.kubectl("logs", "-n", NAMESPACE, name, "--previous").stdout
    assert "leadership lost" in log
    assert_done_once(workspace)
    # Its new container writes under the same name, and may lead if the other replica stalls.
    # A container's end is written in whole seconds.
    in_old_container = [
        event
        for event in written_by(workspace, name)
        if seconds_between(event["eventTime"], ended["finishedAt"]) > -1
    ]
    assert len(in_old_container) == written


def test_rollout_in_the_middle_of_a_run_leaves_its_pods_alone(
    two_replicas: Cluster, workspace: Workspace
) -> None:
    begin_run(workspace)
    old = {pod["metadata"]["name"] for pod in list_operator_pods(two_replicas)}

    workspace.publish(ITEMS[FIRST:])
    restart_operator(two_replicas)

    successor = await_leader(two_replicas)
    assert successor["metadata"]["name"] not in old
    assert_done_once(workspace)
    for pod in workspace.pods("fruits"):
        assert pod["status"]["phase"] == "Succeeded", pod["status"]


def read_container(cluster: Cluster, pod: str) -> Manifest:
    """Return the status of the operator's container."""
    status: Manifest
    (status,) = cluster.get("pod", "-n", NAMESPACE, pod)["status"]["containerStatuses"]
    return status


def test_lease_that_was_deleted_is_made_again(workspace: Workspace) -> None:
    cluster = workspace.cluster
    with running_replicas(cluster, 0):
        # A leader would write its Lease back, also when it ends.
        cluster.kubectl(
            "wait", "pod", "-n", NAMESPACE, "-l", OPERATOR_LABEL, "--for=delete", "--timeout=60s"
        )
        cluster.kubectl("delete", "lease", "-n", NAMESPACE, RELEASE)

    begin_run(workspace)
    workspace.publish(ITEMS[FIRST:])
    assert_done_once(workspace)
