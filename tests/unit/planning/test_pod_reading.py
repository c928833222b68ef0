"""Why pods don't start."""

from typing import Any

import pytest

from tests.builders import NOON, a_job, after
from workqueuejob.contract.report import ItemCounts, write_report
from workqueuejob.planning.observing.observed import ObservedJob, PodProblem
from workqueuejob.planning.observing.waiting_pods import (
    find_back_off,
    find_pod_problem,
    find_unclaimed_pods,
    is_any_pod_deleted,
    is_pod_missing,
    missing_pods,
)


def a_pod(phase: str = "Pending", *, deleted: bool = False, **status: Any) -> dict[str, Any]:
    metadata = {"name": "fruits-1-0"}
    if deleted:
        metadata["deletionTimestamp"] = "2026-01-01T12:00:00Z"
    return {"metadata": metadata, "status": {"phase": phase, **status}}


def a_waiting_pod(
    reason: str, message: str | None = None, *, kind: str = "containerStatuses"
) -> dict[str, Any]:
    waiting = {"reason": reason} | ({"message": message} if message else {})
    status: dict[str, Any] = {kind: [{"name": "worker", "state": {"waiting": waiting}}]}
    return a_pod(**status)


def an_unscheduled_pod(message: str = "0/3 nodes are available") -> dict[str, Any]:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    return a_pod(conditions=[condition | {"message": message}])


@pytest.mark.parametrize(
    ("pod", "problem"),
    [
        pytest.param(
            an_unscheduled_pod(),
            PodProblem("Unschedulable", "0/3 nodes are available", 1),
            id="no node fits",
        ),
        pytest.param(
            a_waiting_pod("ImagePullBackOff", "no such image"),
            PodProblem("ImagePullBackOff", "no such image", 1),
            id="no image",
        ),
        pytest.param(
            a_waiting_pod("ErrImagePull", kind="initContainerStatuses"),
            PodProblem("ErrImagePull", "container worker is waiting", 1),
            id="no image for an init container",
        ),
        pytest.param(a_waiting_pod("ContainerCreating"), None, id="it is just starting"),
        pytest.param(a_waiting_pod("PodInitializing"), None, id="it is initializing"),
        pytest.param(a_pod(), None, id="nobody has looked at it yet"),
        pytest.param({"metadata": {}}, None, id="it has no status"),
        pytest.param(a_pod("Failed", conditions=[]), None, id="it has ended"),
    ],
)
def test_problem_is_told_in_the_words_of_who_knows(
    pod: dict[str, Any], problem: PodProblem | None
) -> None:
    assert find_pod_problem([pod]) == problem


def a_silent_pod(phase: str = "Pending", **spec: Any) -> dict[str, Any]:
    pod = a_pod(phase) | {"spec": {"schedulerName": "default-scheduler"} | spec}
    pod["metadata"]["creationTimestamp"] = NOON.strftime("%Y-%m-%dT%H:%M:%SZ")
    return pod


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"schedulerName": "nobody"}, "'nobody' has not looked at them; correct spec.template."),
        ({"nodeName": "nowhere"}, "node 'nowhere' has not looked at them; correct spec.template."),
    ],
)
def test_pods_that_nobody_has_looked_at_for_a_while_are_a_problem(
    spec: dict[str, str], words: str
) -> None:
    pods = [a_silent_pod(**spec), a_silent_pod(**spec)]
    problem = find_unclaimed_pods(pods, now=after(21))
    assert problem is not None
    assert (problem.reason, problem.pods) == ("Unclaimed", 2)
    assert words in problem.message
    assert find_unclaimed_pods(pods, now=after(20)) is None


@pytest.mark.parametrize(
    "status",
    [
        {"phase": "Running"},
        {"phase": "Succeeded"},
        {"phase": "Pending", "containerStatuses": [{"name": "worker"}]},
        {"phase": "Pending", "conditions": [{"type": "Initialized", "status": "True"}]},
        {},
    ],
    ids=str,
)
def test_pod_that_somebody_has_looked_at_is_claimed(status: dict[str, Any]) -> None:
    pod = a_silent_pod() | {"status": status}
    assert find_unclaimed_pods([pod], now=after(60)) is None


def test_pod_that_ended_has_no_problem_with_starting() -> None:
    ended = an_unscheduled_pod()
    ended["status"]["phase"] = "Failed"
    assert find_pod_problem([ended]) is None


def test_pod_that_is_being_deleted_is_not_one_that_does_not_start() -> None:
    pod = an_unscheduled_pod()
    pod["metadata"]["deletionTimestamp"] = "2026-01-01T12:00:00Z"
    assert find_pod_problem([pod]) is None


def test_pod_that_is_being_deleted_is_not_one_that_nobody_has_looked_at() -> None:
    pod = a_silent_pod(nodeName="lost")
    pod["metadata"]["deletionTimestamp"] = "2026-01-01T12:00:00Z"
    assert find_unclaimed_pods([pod], now=after(60)) is None


def test_most_frequent_problem_is_told() -> None:
    pods = [a_waiting_pod("ErrImagePull", "x"), an_unscheduled_pod("a"), an_unscheduled_pod("b")]
    assert find_pod_problem(pods) == PodProblem("Unschedulable", "a", 2)


@pytest.mark.parametrize(
    ("job", "missing"),
    [
        pytest.param(a_job(), True, id="it wants one and has none"),
        pytest.param(a_job(active=1), False, id="it has one"),
        pytest.param(a_job(terminating=1), False, id="one has yet to go"),
        pytest.param(a_job(succeeded=5), False, id="it wants none"),
        pytest.param(a_job(parallelism=0), False, id="it may have none"),
        pytest.param(a_job(suspended=True), False, id="it is suspended"),
    ],
)
def test_pod_is_missing_where_a_job_wants_one(job: ObservedJob, *, missing: bool) -> None:
    assert is_pod_missing(job) is missing


def test_missing_pods_point_at_their_job() -> None:
    problem = missing_pods([a_job(1), a_job(2)])
    assert problem is not None
    assert (problem.reason, problem.pods) == ("PodsNotCreated", 4)
    assert f"kubectl describe job {a_job(1).name}" in problem.message


def test_nothing_is_missing_without_jobs() -> None:
    assert missing_pods([]) is None


def test_failed_pods_are_tried_again_and_their_logs_tell_why() -> None:
    problem = find_back_off([a_pod("Failed"), a_pod("Succeeded"), a_pod("Failed")])
    assert problem is not None
    assert (problem.reason, problem.pods) == ("BackOff", 2)
    assert "kubectl logs fruits-1-0" in problem.message


def a_probed_pod(code: int, *, why: str = "Error", message: str = "") -> dict[str, Any]:
    ended = {"exitCode": code, "reason": why, "message": message}
    pod = a_pod("Failed", containerStatuses=[{"name": "worker", "state": {"terminated": ended}}])
    return pod | {"spec": {"containers": [{"name": "worker", **PROBE}]}}


PROBE: dict[str, Any] = {"livenessProbe": {"tcpSocket": {"port": 80}}}
TOLD_TO_STOP = write_report(ItemCounts(), stopping=True)
NOT_TOLD = write_report(ItemCounts())


@pytest.mark.parametrize(
    ("pod", "is_named"),
    [
        pytest.param(a_probed_pod(75, message=TOLD_TO_STOP), True, id="a worker was stopped"),
        pytest.param(a_probed_pod(137, message=TOLD_TO_STOP), True, id="and killed"),
        pytest.param(a_probed_pod(137, message=NOT_TOLD), False, id="a worker was killed"),
        pytest.param(a_probed_pod(143), True, id="a program was stopped"),
        pytest.param(a_probed_pod(137), True, id="a program outlasted its grace"),
        pytest.param(a_probed_pod(137, why="OOMKilled"), False, id="a program's memory was short"),
        pytest.param(a_probed_pod(1), False, id="a program failed"),
    ],
)
def test_probe_that_ends_pods_is_named(pod: dict[str, Any], *, is_named: bool) -> None:
    problem = find_back_off([pod])

    assert problem is not None
    assert ("ended by the livenessProbe of container worker" in problem.message) is is_named


def test_deadline_that_ends_pods_is_named() -> None:
    late = a_pod("Failed", reason="DeadlineExceeded") | {"spec": {"activeDeadlineSeconds": 60}}

    problem = find_back_off([late, late, a_pod("Failed")])

    assert problem is not None
    assert problem.pods == 2
    assert "activeDeadlineSeconds (60 s)" in problem.message


def test_pods_that_did_not_fail_are_not_in_back_off() -> None:
    assert find_back_off([a_pod("Running"), a_pod("Succeeded")]) is None


@pytest.mark.parametrize(
    ("pod", "stuck"),
    [
        (a_pod("Failed", deleted=True), True),
        (a_pod("Failed"), False),
        (a_pod("Running", deleted=True), True),
        (a_pod("Pending", deleted=True), True),
    ],
)
def test_pod_that_does_not_go_is_noticed(pod: dict[str, Any], *, stuck: bool) -> None:
    assert is_any_pod_deleted([pod]) is stuck
