"""How a run is suspended and resumed, and with how many pods when it was scaled meanwhile."""

from dataclasses import replace
from typing import Any

import pytest

from tests.builders import (
    a_depth,
    a_job,
    a_work_queue_job,
    after,
    an_observation,
    an_unmeasured_observation,
)
from tests.reckoning import gather_evidence, plan
from workqueuejob.errors import ConnectionFailed
from workqueuejob.names import KUEUE_LABEL
from workqueuejob.planning.actions import SetSuspend
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.evidence.evidence import Evidence
from workqueuejob.planning.evidence.resumes import Resumes, note_resumes
from workqueuejob.planning.observing.observed import JobState, ObservedJob
from workqueuejob.planning.verdict import Progress


def a_wave(wave: int = 1, *, pods: int = 6, **fields: Any) -> ObservedJob:
    fields = {"completions": pods, "parallelism": pods, "suspended": True} | fields
    return a_job(wave, **fields)


def decide(
    *jobs: ObservedJob,
    ready: int = 9,
    evidence: Evidence | None = None,
    at: float = 60,
    **spec: Any,
) -> Plan:
    resource = a_work_queue_job(**({"parallelism": 2} | spec))
    observed = an_observation(*jobs, depth=a_depth(ready), resource=resource)
    return plan(observed, evidence or Evidence(), now=after(at))


def resumed(decided: Plan) -> list[int | None]:
    """Return the parallelism with which each Job is resumed; None is what it had."""
    changes = [a for a in decided.actions if isinstance(a, SetSuspend)]
    assert len(changes) == len(decided.actions)
    assert not any(change.suspend for change in changes)
    return [change.parallelism for change in changes]


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        pytest.param((a_wave(),), [2], id="it fits what may run now"),
        pytest.param((a_wave(pods=2),), [None], id="it fits as it is"),
        pytest.param((a_wave(succeeded=4),), [None], id="no more completions are left"),
        pytest.param((a_wave(1, pods=1), a_wave(2)), [None, 1], id="the oldest comes first"),
        pytest.param((a_wave(1), a_wave(2)), [2, 0], id="the next waits until there is room"),
        pytest.param(
            (a_wave(1, pods=1, suspended=False, active=1), a_wave(2)), [1], id="one runs already"
        ),
        pytest.param(
            (a_wave(active=3),), [3], id="a pod that was not ended yet is not ended any more"
        ),
        pytest.param((a_wave(terminating=6),), [2], id="pods that are about to go take no place"),
        pytest.param(
            (a_wave(state=JobState.ENDING),), [None], id="one whose end is decided has no pod"
        ),
    ],
)
def test_jobs_are_resumed_with_no_more_pods_than_may_run(
    jobs: tuple[ObservedJob, ...], expected: list[int | None]
) -> None:
    assert resumed(decide(*jobs)) == expected


def test_completions_stay_for_some_have_succeeded() -> None:
    (change,) = decide(a_wave(succeeded=1), mode="Fine").actions
    job = a_wave()
    assert change == SetSuspend(job.name, False, job.resource_version, parallelism=2)


def test_job_of_kueue_keeps_its_size() -> None:
    spec: dict[str, Any] = {"job_metadata": {"labels": {KUEUE_LABEL: "team-a"}}}
    assert decide(replace(a_wave(), is_queued=True), **spec).actions == ()


def test_autoscale_that_wants_fewer_pods_is_followed() -> None:
    autoscale = {"items_per_worker": 10}
    assert resumed(decide(a_wave(), ready=30, parallelism=6, autoscale=autoscale)) == [3]
    assert resumed(decide(a_wave(), ready=90, parallelism=6, autoscale=autoscale)) == [None]


def test_continuous_run_is_resumed_alike() -> None:
    assert resumed(decide(a_wave(), run_policy="Continuous")) == [2]


def test_run_that_was_scaled_to_zero_starts_no_pod() -> None:
    assert resumed(decide(a_wave(), parallelism=0)) == [0]


def test_run_that_was_scaled_down_says_how_many_pods_are_wanted() -> None:
    running = a_wave(suspended=False, active=6)
    assert decide(running).verdict.message == "6 pods at work, 2 wanted"
    assert decide(running, parallelism=6).verdict.message == "6 pods at work"


def resumed_before(*times: float) -> Evidence:
    """Return the evidence after a wave's Job was resumed at these times."""
    resumes: Resumes = ()
    for at in times:
        action = SetSuspend(a_wave().name, False, "1")
        resumes = note_resumes(resumes, (action,), now=after(at))
    return Evidence(resumes=resumes)


def test_job_that_others_suspend_again_is_resumed_later_each_time() -> None:
    assert resumed(decide(a_wave(pods=2))) == [None]
    for times, pause in (((0,), 10), ((0, 10), 20), ((0, 10, 30), 40), ((0,) * 20, 300)):
        evidence = resumed_before(*times)
        early = decide(a_wave(pods=2), evidence=evidence, at=times[-1] + pause - 1)
        assert early.actions == ()
        assert resumed(decide(a_wave(pods=2), evidence=evidence, at=times[-1] + pause)) == [None]


def test_condition_says_who_suspends_and_what_to_do() -> None:
    verdict = decide(a_wave(pods=2), ready=2, evidence=resumed_before(0, 50), at=60).verdict
    assert (verdict.progress, verdict.is_progressing) == (Progress.SUSPENDED_BY_OTHERS, False)
    assert verdict.message == (
        f"Job {a_wave().name} was suspended although spec.suspend is false, by a person or by"
        " another controller: resumed it 2 times, the next time in 10 s. To pause the run, set"
        " spec.suspend; to let Kueue admit its Jobs, set kueue.x-k8s.io/queue-name in"
        " spec.jobMetadata.labels"
    )


@pytest.mark.parametrize(
    ("job", "spec", "at", "is_kept"),
    [
        pytest.param(a_wave(), {}, 5000, True, id="it is suspended again"),
        pytest.param(a_wave(suspended=False), {}, 599, True, id="it has run for minutes"),
        pytest.param(a_wave(suspended=False), {}, 600, False, id="it has run for long"),
        pytest.param(a_wave(), {"suspend": True}, 5, False, id="the user suspends the run"),
        pytest.param(a_wave(state=JobState.COMPLETE), {}, 5, False, id="it is over"),
        pytest.param(a_wave(2), {}, 5, False, id="it is gone"),
    ],
)
def test_resumes_are_remembered_while_others_may_suspend_again(
    job: ObservedJob, spec: dict[str, Any], at: float, *, is_kept: bool
) -> None:
    observed = an_observation(job, resource=a_work_queue_job(**spec))
    evidence = gather_evidence(resumed_before(0), observed, now=after(at))
    assert bool(evidence.resumes) is is_kept


@pytest.mark.parametrize("broken", [True, False])
def test_resumes_are_remembered_while_the_queue_is_unknown(*, broken: bool) -> None:
    observed = an_unmeasured_observation(a_wave())
    if broken:
        observed = an_observation(a_wave(), depth=ConnectionFailed("mq:5672: refused"))
    assert gather_evidence(resumed_before(0), observed, now=after(5)).resumes
