"""How a run is suspended and resumed, and with how many pods when it was scaled meanwhile."""

from dataclasses import replace
from typing import Any

import pytest

from tests.builders import a_depth, a_job, a_work_queue_job, after, an_observation
from tests.reckoning import plan
from workqueuejob.names import KUEUE_LABEL
from workqueuejob.planning.actions import SetSuspend
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.evidence.evidence import Evidence
from workqueuejob.planning.observing.observed import JobState, ObservedJob


def a_wave(wave: int = 1, *, pods: int = 6, **fields: Any) -> ObservedJob:
    fields = {"completions": pods, "parallelism": pods, "suspended": True} | fields
    return a_job(wave, **fields)


def decide(*jobs: ObservedJob, ready: int = 9, **spec: Any) -> Plan:
    resource = a_work_queue_job(**({"parallelism": 2} | spec))
    observed = an_observation(*jobs, depth=a_depth(ready), resource=resource)
    return plan(observed, Evidence(), now=after(60))


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
