"""Pods that hang half-way: they don't start, don't take an item, or don't end."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.builders import (
    NAMESPACE,
    a_depth,
    a_job,
    a_pod_metadata,
    a_streak,
    a_work_queue_job,
    a_worker_spec,
    after,
    an_observation,
)
from tests.reckoning import gather_evidence, plan
from workqueuejob.contract.report import ItemCounts, write_report
from workqueuejob.planning.actions import CreateWave, EndJob
from workqueuejob.planning.evidence.evidence import Evidence
from workqueuejob.planning.ledger.report_book import ReportBook
from workqueuejob.planning.observing.lingering_pods import (
    CONTAINERS_LEFT,
    find_left_containers,
    find_slow_start,
)
from workqueuejob.planning.observing.observed import JobState, ObservedJob, PodProblem
from workqueuejob.planning.observing.pod_reports import attach_reports, read_pod_report
from workqueuejob.planning.pods.job_manifest import hash_template
from workqueuejob.planning.verdict import WORKERS_ENDED, Progress

NOW = after(60)
RUN = a_work_queue_job(**a_worker_spec(parallelism=2))
RUNNING = {"running": {"startedAt": after(10).isoformat()}}
CREATING = {"waiting": {"reason": "ContainerCreating"}}


def a_pod(
    *containers: tuple[str, Mapping[str, Any]],
    phase: str = "Pending",
    scheduled: float = 0.0,
    inits: Mapping[str, Mapping[str, Any]] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """Return a pod that was scheduled so many seconds after noon; it is looked at after 60."""
    condition = {"type": "PodScheduled", "status": "True"}
    settings = [{"name": "WQJ_SETTINGS"}]
    return {
        "metadata": a_pod_metadata("u1", a_job()),
        "spec": {"restartPolicy": "Never", "containers": [{"name": "worker", "env": settings}]}
        | spec,
        "status": {
            "phase": phase,
            "conditions": [condition | {"lastTransitionTime": after(scheduled).isoformat()}],
            "containerStatuses": [{"name": name, "state": state} for name, state in containers],
            "initContainerStatuses": [
                {"name": name, "state": state} for name, state in (inits or {}).items()
            ],
        },
    }


WAITS_FOR_VOLUME = a_pod(("worker", CREATING))
WAITS_FOR_INIT = a_pod(
    ("worker", {"waiting": {"reason": "PodInitializing"}}), inits={"fetch": RUNNING}
)
SIDECAR_SPEC: dict[str, Any] = {"initContainers": [{"name": "mesh", "restartPolicy": "Always"}]}


@pytest.mark.parametrize(
    ("pod", "words"),
    [
        pytest.param(
            WAITS_FOR_VOLUME,
            "container worker (ContainerCreating) has been waiting for more than 30 s, as for a"
            " large image, or for a volume whose ConfigMap or Secret is missing; kubectl describe",
            id="a volume is missing",
        ),
        pytest.param(WAITS_FOR_INIT, "init container fetch has not ended", id="it initializes"),
        pytest.param(
            a_pod(("worker", CREATING), inits={"mesh": RUNNING}, **SIDECAR_SPEC),
            "container worker (ContainerCreating)",
            id="beside a sidecar",
        ),
    ],
)
def test_pod_that_has_been_starting_for_half_a_minute_is_a_problem(
    pod: dict[str, Any], words: str
) -> None:
    problem = find_slow_start([pod, pod], now=NOW)
    assert problem is not None
    assert (problem.reason, problem.pods) == ("NotStarted", 2)
    assert problem.message.startswith(words)


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param(a_pod(("worker", CREATING), scheduled=30), id="it has just been scheduled"),
        pytest.param(a_pod(("worker", RUNNING), phase="Running"), id="it runs"),
        pytest.param(a_pod(), id="its kubelet has not looked at it"),
        pytest.param({"metadata": {}, "status": {"phase": "Pending"}}, id="it waits for a node"),
    ],
)
def test_pod_that_starts_as_others_do_is_no_problem(pod: dict[str, Any]) -> None:
    assert find_slow_start([pod], now=NOW) is None


def test_pods_that_do_not_start_are_said_not_to() -> None:
    problem = find_slow_start([WAITS_FOR_VOLUME], now=NOW)
    job = a_job(active=1, ready=0, template_hash=hash_template(RUN))
    seen = an_observation(job, resource=RUN, depth=a_depth(2), pod_problem=problem)
    verdict = plan(seen, Evidence(), now=NOW).verdict
    assert verdict.progress == Progress.PODS_NOT_STARTING
    assert verdict.message.startswith("1 pod not starting: container worker (ContainerCreating)")


def watch_untaken(seconds: int, *, in_flight: int = 0, consumers: int = 0) -> str:
    """Return what is said after pods have run for so long, and the numbers stayed the same."""
    evidence = Evidence()
    for at in range(seconds + 1):
        depth = a_depth(5, in_flight, consumers=consumers)
        job = a_job(active=2, ready=2)
        seen = an_observation(job, resource=RUN, depth=depth, at=float(at))
        evidence = gather_evidence(evidence, seen, now=after(at))
    return plan(seen, evidence, now=after(seconds)).verdict.message


def test_pods_that_take_nothing_for_half_a_minute_are_told() -> None:
    assert watch_untaken(30) == (
        "none of 2 pods has taken an item for half a minute (5 ready, 0 in flight): the program is"
        " still starting, the pods can't reach the broker, as with a wrong dnsPolicy beside"
        " hostNetwork, or they are short of memory or CPU; kubectl logs -l wqj.dev/name=fruits"
        " tells more"
    )
    assert watch_untaken(29) == "0 of 2 pods at work"


@pytest.mark.parametrize(
    ("numbers", "words"),
    [({"in_flight": 1}, "1 of 2 pods at work"), ({"consumers": 1}, "0 of 2 pods at work")],
)
def test_pods_of_which_one_has_taken_an_item_or_waits_for_it_are_not(
    numbers: dict[str, int], words: str
) -> None:
    assert watch_untaken(60, **numbers) == words


def test_pods_are_at_work_only_once_a_worker_has_taken_an_item() -> None:
    decided = plan(an_observation(resource=RUN, depth=a_depth(2)), Evidence(), now=NOW)
    assert isinstance(decided.actions[0], CreateWave)
    assert decided.verdict.message == "0 of 2 pods at work"
    foreign = plan(an_observation(depth=a_depth(2)), Evidence(), now=NOW)
    assert foreign.verdict.message == "1 pod at work"


def ended(code: int = 0, *, at: float = 20) -> dict[str, Any]:
    message = write_report(ItemCounts(succeeded=3))
    finished = after(at).isoformat()
    return {"terminated": {"exitCode": code, "message": message, "finishedAt": finished}}


def a_left_pod(state: Mapping[str, Any], *, policy: str = "Never") -> dict[str, Any]:
    pod = a_pod(("worker", state), ("mesh", RUNNING), phase="Running")
    pod["spec"]["restartPolicy"] = policy
    return pod


def test_container_that_goes_on_after_the_worker_is_named_with_the_remedy() -> None:
    problem = find_left_containers([a_left_pod(ended())], now=NOW)
    assert problem is not None
    assert problem.message == (
        "container worker has ended, and mesh goes on, so the pod does not end: if it only serves"
        " the other one, declare it in spec.template as a sidecar, which is an init container with"
        " restartPolicy Always"
    )
    job = a_job(active=1, template_hash=hash_template(RUN))
    seen = an_observation(job, resource=RUN, pod_problem=problem)
    verdict = plan(seen, Evidence(), now=NOW).verdict
    assert verdict.progress == Progress.SURPLUS_PODS_WAITING
    assert verdict.message == f"1 pod not ending: {problem.message}"


def test_program_of_the_users_own_is_told_of_it_too() -> None:
    pod = a_left_pod(ended())
    pod["spec"]["containers"] = [{"name": "worker"}, {"name": "mesh"}]
    problem = find_left_containers([pod], now=NOW)
    assert problem is not None
    job = a_job(active=1, template_hash=hash_template(a_work_queue_job()))
    seen = an_observation(job, depth=a_depth(0, None, consumers=1), pod_problem=problem)
    for seconds, progress in ((29, "Working"), (30, "SurplusPodsWaiting")):
        evidence = Evidence(idle=a_streak(seconds, until=60))
        verdict = plan(seen, evidence, now=NOW).verdict
        assert verdict.progress == progress
        assert (problem.message in verdict.message) is (seconds == 30)


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param(a_left_pod(ended(at=30)), id="it may end soon"),
        pytest.param(a_left_pod(RUNNING), id="the worker runs"),
        pytest.param(
            a_pod(("mesh", ended()), ("worker", RUNNING), phase="Running"), id="other way"
        ),
        pytest.param(a_pod(("worker", ended()), ("mesh", ended()), phase="Running"), id="both"),
    ],
)
def test_pods_that_end_or_work_have_no_container_left_over(pod: dict[str, Any]) -> None:
    assert find_left_containers([pod], now=NOW) is None


@pytest.mark.parametrize(
    ("pod", "items", "is_left"),
    [
        pytest.param(a_left_pod(ended()), 3, True, id="exited 0"),
        pytest.param(a_left_pod(ended(1)), 3, False, id="failed"),
        pytest.param(a_left_pod(ended(), policy="OnFailure"), 3, True, id="is not started again"),
    ],
)
def test_report_is_read_when_the_worker_has_ended(
    pod: dict[str, Any], items: int, *, is_left: bool
) -> None:
    report = read_pod_report(pod)
    assert report is not None
    assert (report.items.succeeded, report.items.uncertain) == (items, 0)
    assert report.is_left is is_left


@pytest.mark.parametrize(
    "pod", [a_left_pod(RUNNING), a_left_pod(ended(1), policy="OnFailure")], ids=["runs", "again"]
)
def test_worker_that_goes_on_reports_nothing_yet(pod: dict[str, Any]) -> None:
    assert read_pod_report(pod) is None


def test_report_counts_once_although_its_pod_ends_later() -> None:
    book = ReportBook(NAMESPACE)
    pod = a_left_pod(ended())
    assert book.put(pod)
    (job,) = book.attach(RUN, (a_job(active=1),))
    assert (job.left, job.items and job.items.succeeded) == (1, 3)
    pod["status"]["phase"] = "Failed"
    assert book.put(pod)
    (job,) = book.attach(RUN, (a_job(active=0),))
    assert (job.left, job.items and job.items.succeeded) == (0, 3)


def test_pods_of_a_job_that_the_operator_ended_have_succeeded_if_their_workers_have() -> None:
    report = read_pod_report(a_left_pod(ended()))
    assert report is not None
    over = a_job(state=JobState.COMPLETE, ended_by_us=True)
    assert attach_reports(over, [report], is_listed=False).succeeded == 1
    assert attach_reports(a_job(), [report], is_listed=False).succeeded == 0


@pytest.mark.parametrize(
    ("job", "seconds", "is_ended"),
    [
        pytest.param(a_job(active=2, left=2), 30, True, id="no worker is left"),
        pytest.param(a_job(active=2, left=2), 29, False, id="the others may end soon"),
        pytest.param(a_job(active=2, left=1), 30, False, id="a worker is left"),
        pytest.param(a_job(active=2, left=2, suspended=True), 30, False, id="it is suspended"),
        pytest.param(a_job(), 30, False, id="it has no pod"),
    ],
)
def test_job_without_a_worker_is_ended_so_that_the_run_goes_on(
    job: ObservedJob, seconds: float, *, is_ended: bool
) -> None:
    evidence = Evidence(left=a_streak(seconds, until=60))
    seen = an_observation(job, resource=RUN, depth=a_depth(5), at=60.0)
    ends = [a for a in plan(seen, evidence, now=NOW).actions if isinstance(a, EndJob)]
    assert [(end.reason, end.succeeded, end.with_grace) for end in ends] == (
        [(WORKERS_ENDED, True, True)] if is_ended else []
    )


def test_evidence_says_since_when_a_job_has_no_worker() -> None:
    evidence = Evidence()
    for at in range(3):
        seen = an_observation(a_job(active=1, left=1), resource=RUN, at=float(at))
        evidence = gather_evidence(evidence, seen, now=after(at))
    assert evidence.left == a_streak(2, reads=3, until=2)


def test_problem_of_containers_left_is_no_reason_to_end_pods_that_hold_items() -> None:
    problem = PodProblem(CONTAINERS_LEFT, "x", pods=1)
    job = a_job(active=2, ready=1, left=1, template_hash="former")
    seen = an_observation(job, resource=RUN, depth=a_depth(5, 1), pod_problem=problem)
    assert not any(isinstance(a, EndJob) for a in plan(seen, Evidence(), now=NOW).actions)
