"""How a pod failed, in the words of its own status."""

from dataclasses import replace
from typing import Any

import pytest

from tests.builders import (
    a_depth,
    a_finished_job,
    a_pod_metadata,
    a_work_queue_job,
    after,
    an_observation,
)
from tests.reckoning import plan
from workqueuejob.planning.evidence.evidence import Evidence
from workqueuejob.planning.observing.failed_pods import PodFailure, count_alike, describe_failure
from workqueuejob.planning.observing.observed import JobState
from workqueuejob.planning.observing.pod_reports import attach_reports, read_pod_report
from workqueuejob.planning.observing.waiting_pods import find_back_off, find_pod_problem

JOB = a_finished_job(state=JobState.FAILED, succeeded=0, failed=9)


def ended(code: int, reason: str = "Error", **fields: Any) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason, **fields}}


def a_failed_pod(
    *containers: tuple[str, dict[str, Any]],
    inits: tuple[tuple[str, dict[str, Any]], ...] = (),
    **status: Any,
) -> dict[str, Any]:
    return {
        "metadata": a_pod_metadata("u1", JOB),
        "status": {
            "phase": "Failed",
            "containerStatuses": [{"name": name, "state": state} for name, state in containers],
            "initContainerStatuses": [{"name": name, "state": state} for name, state in inits],
            **status,
        },
    }


OUT_OF_MEMORY = a_failed_pod(("worker", ended(137, "OOMKilled")))
EVICTED = a_failed_pod(reason="Evicted", message="The node was low on resource: memory.")
SYSCTL = a_failed_pod(reason="SysctlForbidden", message='forbidden sysctl: "kernel.sem"')
INIT = a_failed_pod(("worker", {"waiting": {}}), inits=(("fetch", ended(2)),))


@pytest.mark.parametrize(
    ("pod", "words", "has_log"),
    [
        pytest.param(
            OUT_OF_MEMORY,
            "container worker used more memory than its limit (OOMKilled)",
            False,
            id="out of memory",
        ),
        pytest.param(EVICTED, "Evicted: The node was low on resource: memory", False, id="evicted"),
        pytest.param(SYSCTL, 'SysctlForbidden: forbidden sysctl: "kernel.sem"', False, id="sysctl"),
        pytest.param(INIT, "init container fetch exited 2", True, id="an init container failed"),
        pytest.param(
            a_failed_pod(("worker", ended(128, "StartError", message="no such file: run"))),
            "container worker: StartError: no such file: run",
            False,
            id="it could not be started",
        ),
        pytest.param(
            a_failed_pod(("proxy", ended(0, "Completed")), ("worker", ended(1, message="secret"))),
            "container worker exited 1",
            True,
            id="a program failed, whose words may be anything",
        ),
        pytest.param(
            a_failed_pod(("worker", ended(137, signal=9))),
            "container worker exited 137 (signal 9)",
            True,
            id="a program was killed",
        ),
    ],
)
def test_failure_is_told_in_the_words_of_the_pods_status(
    pod: dict[str, Any], words: str, *, has_log: bool
) -> None:
    assert describe_failure(pod) == PodFailure(words, has_log)


def test_pod_whose_status_says_nothing_is_not_explained() -> None:
    assert describe_failure(a_failed_pod()) is None


def test_words_fit_on_a_line() -> None:
    failure = describe_failure(a_failed_pod(reason="Evicted", message="a\nb" + "x" * 999))
    assert failure is not None
    assert failure.words.startswith("Evicted: a bxx")
    assert len(failure.words) == 300


def test_most_frequent_failure_is_told() -> None:
    failures = [PodFailure("a"), PodFailure("b"), PodFailure("b")]
    assert count_alike(failures) == (PodFailure("b"), 2)
    assert count_alike([]) is None


@pytest.mark.parametrize(
    ("pod", "remedy"),
    [
        (EVICTED, "kubectl describe pod"),
        (OUT_OF_MEMORY, "kubectl describe pod"),
        (a_failed_pod(("worker", ended(1))), "kubectl logs"),
        (INIT, "kubectl logs"),
    ],
)
def test_back_off_quotes_the_status_and_points_to_a_log_only_where_there_is_one(
    pod: dict[str, Any], remedy: str
) -> None:
    problem, failure = find_back_off([pod]), describe_failure(pod)
    assert problem is not None
    assert failure is not None
    name = pod["metadata"]["name"]
    assert problem.message == (
        f"failed ({failure.words}); their Job tries again after a back-off. {remedy} {name} tells"
        " more"
    )


def test_container_that_runs_again_and_again_tells_how_it_ended() -> None:
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting"}}
    pod = a_failed_pod(phase="Running")
    state = {"name": "worker", "state": waiting, "lastState": ended(137, "OOMKilled")}
    pod["status"]["containerStatuses"] = [state]
    problem = find_pod_problem([pod])
    assert problem is not None
    assert problem.message == (
        "back-off 10s restarting (container worker used more memory than its limit (OOMKilled))"
    )


LOGS = "look at the failed pods' logs, "


@pytest.mark.parametrize(
    ("failure", "cause", "look"),
    [
        (PodFailure("Evicted: low"), "; the last pod that failed: Evicted: low", ""),
        (PodFailure("x exited 1", has_log=True), "; the last pod that failed: x exited 1", LOGS),
        (None, "", LOGS),
    ],
)
@pytest.mark.parametrize("reason", ["BackoffLimitExceeded", "PodFailurePolicy"])
def test_failed_run_quotes_how_its_last_pod_failed(
    failure: PodFailure | None, cause: str, look: str, reason: str
) -> None:
    job = replace(JOB, failure=failure, failure_reason=reason)
    seen = an_observation(job, resource=a_work_queue_job(backoff_limit=1), depth=a_depth(3))
    message = plan(seen, Evidence(), now=after(60)).verdict.message
    if reason == "BackoffLimitExceeded":
        end = f"Items that are left stay in the queue: {look}mend the cause and create"
        assert f"allows{cause}; 3 ready, 0 in flight. {end}" in message
    else:
        assert f"FailJob{cause}; 3 ready" in message
        assert ("and the failed pod's logs" in message) is bool(look)


def test_worker_that_is_out_of_memory_is_quoted_by_its_pods_report() -> None:
    report = read_pod_report(OUT_OF_MEMORY)
    assert report is not None
    attached = attach_reports(JOB, [report], is_listed=False)
    assert attached.failure == describe_failure(OUT_OF_MEMORY)
