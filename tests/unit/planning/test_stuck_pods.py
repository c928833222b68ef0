"""Pods that should have ended long ago, as on a lost node: who they are, and how a run goes on."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.builders import (
    NOON,
    a_depth,
    a_finished_job,
    a_job,
    a_pod_metadata,
    a_work_queue_job,
    a_worker_spec,
    after,
    an_observation,
)
from tests.reckoning import gather_evidence, plan
from workqueuejob.planning.actions import CreateWave, EndJob, RaiseParallelism
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.evidence.evidence import Evidence
from workqueuejob.planning.observing.observed import JobState, ObservedJob, StuckPod
from workqueuejob.planning.observing.pod_reports import attach_reports
from workqueuejob.planning.observing.stuck_pods import (
    MARGIN,
    describe_stuck,
    find_stuck_pods,
    mark_stuck,
)
from workqueuejob.planning.sizing.sizing import count_free_pods, size
from workqueuejob.planning.verdict import PODS_STUCK, Progress

SECOND = timedelta(seconds=1)
STUCK = StuckPod("p1", a_job().uid, "node-1")


def a_pod(*, phase: str = "Running", deleted: bool = True) -> dict[str, Any]:
    """Return a pod of the first wave whose grace period ends at noon."""
    metadata = a_pod_metadata("p1", a_job(), name="p1")
    if deleted:
        metadata["deletionTimestamp"] = "2026-01-01T12:00:00Z"
    return {"metadata": metadata, "spec": {"nodeName": "node-1"}, "status": {"phase": phase}}


def decide(*jobs: ObservedJob, evidence: Evidence | None = None, **fields: Any) -> Plan:
    """Return the plan for Jobs of which one has a stuck pod; ten items are ready."""
    resource = fields.pop("resource", a_work_queue_job(parallelism=2))
    observed = an_observation(*jobs, depth=fields.pop("depth", a_depth(10)), resource=resource)
    observed = replace(observed, stuck_pods=(STUCK,))
    return plan(observed, evidence or Evidence(), now=after(600))


@pytest.mark.parametrize(
    ("pod", "waited", "is_stuck"),
    [
        pytest.param(a_pod(), MARGIN + SECOND, True, id="long after its grace period"),
        pytest.param(a_pod(), MARGIN, False, id="soon after its grace period"),
        pytest.param(a_pod(phase="Pending"), MARGIN + SECOND, True, id="it never started"),
        pytest.param(a_pod(phase="Failed"), MARGIN + SECOND, False, id="it has ended"),
        pytest.param(a_pod(deleted=False), MARGIN + SECOND, False, id="nobody deletes it"),
    ],
)
def test_pod_is_stuck_that_is_there_long_after_its_grace_period(
    pod: dict[str, Any], waited: timedelta, *, is_stuck: bool
) -> None:
    assert find_stuck_pods([pod], now=NOON + waited) == ((STUCK,) if is_stuck else ())


def test_no_more_pods_of_a_job_are_stuck_than_terminate() -> None:
    jobs = (a_job(1, terminating=1), a_job(2, terminating=1))
    assert [job.stuck for job in mark_stuck(jobs, (STUCK, STUCK))] == [1, 0]


def test_message_names_the_nodes_and_what_to_do() -> None:
    assert describe_stuck((STUCK,)) == (
        "1 pod on node node-1 has not ended although its grace period is over, and the run goes on"
        " without it: bring the node back or, if it is gone, kubectl delete node node-1"
    )
    nodes = tuple(replace(STUCK, node=f"n{number}") for number in range(5))
    assert "5 pods on node n0, n1, n2 and others have not ended" in describe_stuck(nodes)
    assert "kubectl delete pod p1" in describe_stuck((replace(STUCK, node=""),))


@pytest.mark.parametrize(
    ("job", "free_pods"),
    [
        pytest.param(a_job(terminating=1, stuck=1, active=1), 0, id="its Job may replace it"),
        pytest.param(
            a_job(completions=1, terminating=1, stuck=1), 1, id="it is counted once, in the share"
        ),
        pytest.param(
            a_job(state=JobState.ENDING, terminating=2, stuck=2), 2, id="none once its Job ended"
        ),
        pytest.param(
            a_job(state=JobState.ENDING, terminating=2, stuck=1), 1, id="but what is not stuck does"
        ),
    ],
)
def test_stuck_pod_takes_room_only_while_its_job_may_replace_it(
    job: ObservedJob, free_pods: int
) -> None:
    assert count_free_pods(2, (job,)) == free_pods


def test_completions_behind_a_stuck_pod_take_no_item() -> None:
    job = a_job(active=1, terminating=1, stuck=1)
    assert size(a_work_queue_job(parallelism=2).spec, (job,), a_depth(5, 1)).wanted == 5


@pytest.mark.parametrize("mode", ["Coarse", "Fine"])
def test_wave_that_can_have_no_other_pod_is_ended(mode: str) -> None:
    job = a_job(completions=2, terminating=2, stuck=2)
    decided = decide(job, resource=a_work_queue_job(parallelism=2, mode=mode))
    (end,) = decided.actions
    assert isinstance(end, EndJob)
    assert (end.reason, end.succeeded, end.with_grace) == (PODS_STUCK, True, True)


def test_wave_whose_parallelism_was_lowered_below_its_stuck_pod_is_ended() -> None:
    # As when a suspended run is scaled to zero and resumed: nothing else would raise it again.
    job = a_job(completions=1, parallelism=0, terminating=1, stuck=1)
    (end,) = decide(job).actions
    assert isinstance(end, EndJob)
    assert end.reason == PODS_STUCK


@pytest.mark.parametrize(
    "job",
    [
        pytest.param(a_job(active=1, terminating=1, stuck=1), id="another pod is at work"),
        pytest.param(a_job(terminating=1, stuck=1), id="another pod is about to be made"),
        pytest.param(a_job(completions=2, terminating=2, stuck=1), id="one may still end"),
    ],
)
def test_wave_with_other_pods_is_left_alone(job: ObservedJob) -> None:
    kinds = {type(action) for action in decide(job).actions}
    assert EndJob not in kinds
    assert RaiseParallelism not in kinds


def test_new_wave_takes_the_place_of_one_that_was_ended() -> None:
    ended = a_job(state=JobState.ENDING, terminating=2, stuck=2, ended_by_us=True)
    decided = decide(ended)
    (wave,) = decided.actions
    assert isinstance(wave, CreateWave)
    assert wave.parallelism == 2
    assert "node-1" in decided.verdict.message


def test_run_that_is_drained_ends_although_a_pod_never_goes_away() -> None:
    jobs = (
        a_finished_job(1),
        a_job(2, state=JobState.ENDING, terminating=1, stuck=1, ended_by_us=True),
    )
    evidence = Evidence()
    for second in range(6):
        observed = an_observation(*jobs, at=float(second))
        evidence = gather_evidence(evidence, observed, now=after(second))
    decided = plan(replace(observed, stuck_pods=(STUCK,)), evidence, now=after(60))
    assert decided.verdict.progress == Progress.COMPLETE
    assert "node-1" in decided.verdict.message


def test_pod_that_is_about_to_end_is_waited_for() -> None:
    job = a_job(state=JobState.ENDING, terminating=2, stuck=1)
    evidence = gather_evidence(Evidence(), an_observation(job), now=NOON)
    assert (evidence.drained, evidence.quiet) == (None, None)


def test_unknown_depth_ends_no_wave() -> None:
    job = a_job(completions=2, terminating=2, stuck=2)
    observed = replace(an_observation(job), measurement=None)
    assert plan(observed, Evidence(), now=after(600)).actions == ()


def test_worker_of_a_stuck_pod_may_have_settled_something() -> None:
    ended = a_job(state=JobState.ENDING, terminating=1, stuck=1)
    (items,) = [attach_reports(ended, [], is_listed=False).items]
    assert items is not None
    assert items.uncertain == 1
    resource = a_work_queue_job(**a_worker_spec(mode="Fine"))
    assert decide(ended, resource=resource).actions
