"""Elastic waves: in mode Fine a Job grows with the work, and never shrinks."""

from dataclasses import replace
from typing import Any

import pytest

from tests.builders import (
    NOON,
    a_depth,
    a_finished_job,
    a_job,
    a_streak,
    a_work_queue_job,
    a_worker_spec,
    after,
    an_observation,
)
from tests.reckoning import build_status, plan
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.errors import TemplateInvalid
from workqueuejob.planning.actions import Action, CreateWave, GrowWave, RaiseParallelism, SetSuspend
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.evidence.evidence import Evidence
from workqueuejob.planning.evidence.movement import Movement
from workqueuejob.planning.observing.observed import JobState, ObservedJob
from workqueuejob.planning.pods.job_manifest import hash_template
from workqueuejob.planning.sizing.sizing import MAX_COMPLETIONS
from workqueuejob.planning.status.events import build_events

WORKER = a_worker_spec(mode="Fine")
REDIS: dict[str, Any] = {"redis": {}, "mode": "Fine", "worker": {"source": "Image"}}
FOREIGN: dict[str, Any] = {"mode": "Fine"}


def a_fine_job(wave: int = 1, *, pods: int = 2, spec: Any = None, **fields: Any) -> ObservedJob:
    """Return a Fine wave of the current template; its pods are active unless said otherwise."""
    current = hash_template(a_work_queue_job(**(WORKER if spec is None else spec)))
    known = {"completions": pods, "parallelism": pods, "active": pods, "template_hash": current}
    return a_job(wave, **(known | fields))


def decide(
    *jobs: ObservedJob,
    depth: QueueDepth,
    parallelism: int = 4,
    spec: dict[str, Any] | None = None,
    evidence: Evidence | None = None,
) -> Plan:
    fields: dict[str, Any] = {"parallelism": parallelism, **(WORKER if spec is None else spec)}
    observed = an_observation(*jobs, depth=depth, resource=a_work_queue_job(**fields))
    return plan(observed, evidence or Evidence(), now=after(60))


def growth(job: ObservedJob, completions: int) -> tuple[Action, ...]:
    return (GrowWave(job.name, completions, job.resource_version),)


@pytest.mark.parametrize(
    ("ready", "parallelism", "pods"),
    [
        pytest.param(9, 4, 4, id="as many as there may be"),
        pytest.param(3, 4, 3, id="no more than there are items"),
    ],
)
def test_wave_has_all_its_pods_at_once(ready: int, parallelism: int, pods: int) -> None:
    decided = decide(depth=a_depth(ready), parallelism=parallelism)
    assert decided.actions == (CreateWave(wave=1, completions=pods, parallelism=pods),)


@pytest.mark.parametrize(
    ("job", "depth", "completions"),
    [
        pytest.param(a_fine_job(), a_depth(9, 2), 4, id="room is used when items wait"),
        pytest.param(a_fine_job(), a_depth(1, 2), 3, id="but by no more pods than items"),
        pytest.param(a_fine_job(), a_depth(1, 1), None, id="a pod without an item will take it"),
        pytest.param(a_fine_job(), a_depth(0, 2), None, id="nothing waits"),
        pytest.param(a_fine_job(), a_depth(0, 2, delayed=3), None, id="what rests is not ready"),
        pytest.param(a_fine_job(pods=4), a_depth(9, 4), None, id="there is no room"),
        pytest.param(
            a_fine_job(pods=4, succeeded=3, active=1),
            a_depth(9, 1),
            7,
            id="indexes of workers that left are used up",
        ),
        pytest.param(
            a_fine_job(pods=4, failed_indexes=2, active=2),
            a_depth(9, 2),
            6,
            id="so are those that were given up",
        ),
        pytest.param(
            a_fine_job(pods=4, active=1),
            a_depth(9, 1),
            None,
            id="a killed pod's index keeps its place while it waits for its back-off",
        ),
        pytest.param(
            a_fine_job(terminating=1), a_depth(9, 2), 3, id="a pod that ends keeps it as well"
        ),
    ],
)
def test_wave_grows_with_the_work_and_within_parallelism(
    job: ObservedJob, depth: QueueDepth, completions: int | None
) -> None:
    decided = decide(job, depth=depth)
    assert decided.actions == (growth(job, completions) if completions else ())


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"template_hash": "former"}, id="it has a former template"),
        pytest.param({"state": JobState.COMPLETE, "active": 0}, id="it is complete"),
        pytest.param({"succeeded": 2, "active": 0}, id="it is about to be complete"),
        pytest.param({"completions": 3}, id="somebody made it inelastic"),
        pytest.param(
            {"completions": MAX_COMPLETIONS, "parallelism": MAX_COMPLETIONS}
            | {"succeeded": MAX_COMPLETIONS - 2},
            id="it is as large as may be",
        ),
    ],
)
def test_new_wave_is_made_beside_one_that_cannot_grow(fields: dict[str, Any]) -> None:
    job = a_fine_job(**fields)
    decided = decide(job, depth=a_depth(9, job.active), parallelism=5)
    assert [type(a) for a in decided.actions if not isinstance(a, RaiseParallelism)] == [CreateWave]


def test_nothing_is_added_to_a_wave_that_is_ending() -> None:
    assert decide(a_fine_job(state=JobState.ENDING), depth=a_depth(9)).actions == ()


def test_the_newest_wave_of_the_current_template_grows() -> None:
    jobs = (a_fine_job(1, pods=1), a_fine_job(2, pods=1), a_fine_job(3, pods=1, template_hash="x"))
    assert decide(*jobs, depth=a_depth(9, 3)).actions == growth(jobs[1], 2)


def test_scaling_up_adds_pods_at_once() -> None:
    job = a_fine_job()
    assert decide(job, depth=a_depth(9, 2), parallelism=2).actions == ()
    assert decide(job, depth=a_depth(9, 2), parallelism=6).actions == growth(job, 6)


@pytest.mark.parametrize("parallelism", [0, 1])
def test_scaling_down_changes_no_wave_that_runs(parallelism: int) -> None:
    assert decide(a_fine_job(pods=4), depth=a_depth(9, 4), parallelism=parallelism).actions == ()


def test_parallelism_of_zero_makes_no_wave() -> None:
    decided = decide(depth=a_depth(9), parallelism=0)
    assert decided.actions == ()
    assert "spec.parallelism is 0" in decided.verdict.message


def test_suspended_wave_is_resumed_before_it_grows() -> None:
    job = a_fine_job(suspended=True, active=0)
    expected = (SetSuspend(job.name, False, job.resource_version),)
    assert decide(job, depth=a_depth(9)).actions == expected


def test_unheld_places_count_where_the_broker_knows_no_consumers() -> None:
    depth = QueueDepth(ready=1, in_flight=1)
    assert decide(a_fine_job(spec=REDIS), depth=depth, spec=REDIS).actions == ()


class TestPodsThatDoNotCome:
    """A completion in its back-off is no capacity: a killed worker's may last for minutes."""

    JOB = a_fine_job(active=1)
    LASTING = Evidence(stalled=a_streak(3, until=60))

    def test_their_item_gets_another_pod(self) -> None:
        assert decide(self.JOB, depth=a_depth(1, 1), evidence=self.LASTING).actions == growth(
            self.JOB, 3
        )

    def test_but_not_before_it_is_sure_that_they_do_not_come(self) -> None:
        young = Evidence(stalled=a_streak(2.9, until=60))
        assert decide(self.JOB, depth=a_depth(1, 1), evidence=young).actions == ()

    def test_they_keep_their_place_all_the_same(self) -> None:
        decided = decide(self.JOB, depth=a_depth(9, 1), parallelism=2, evidence=self.LASTING)
        assert decided.actions == ()

    def test_a_foreign_program_gets_no_pod_that_might_wait_for_ever(self) -> None:
        job = a_fine_job(active=1, spec=FOREIGN)
        decided = decide(job, depth=a_depth(1, 1), spec=FOREIGN, evidence=self.LASTING)
        assert decided.actions == ()


class TestPodsThatLeaveThoughItemsAreReady:
    JOB = a_fine_job(pods=5, succeeded=4, active=1)

    def moved_at(self, succeeded: int) -> Evidence:
        movement = Movement(
            items_left=3, newest=1, attempt_after=0, still_after=1, done=0, succeeded=succeeded
        )
        return Evidence(movement=movement)

    def test_no_more_are_made_once_as_many_have_left_as_may_run(self) -> None:
        decided = decide(self.JOB, depth=a_depth(2, 1), evidence=self.moved_at(0))
        assert decided.actions == ()
        assert "exited 0 and left the queue as deep as before" in decided.verdict.message

    def test_one_that_left_as_an_item_arrived_is_replaced(self) -> None:
        decided = decide(self.JOB, depth=a_depth(2, 1), evidence=self.moved_at(1))
        assert decided.actions == growth(self.JOB, 7)

    def test_next_wave_is_judged_by_itself(self) -> None:
        last = a_finished_job(succeeded=4)
        decided = decide(last, depth=a_depth(2), evidence=self.moved_at(0))
        assert [type(action) for action in decided.actions] == [CreateWave]


def test_growth_is_told_with_the_numbers_that_led_to_it() -> None:
    job = a_fine_job()
    resource = a_work_queue_job(parallelism=4, **WORKER)
    observed = an_observation(job, depth=a_depth(9, 2), resource=resource)
    decided = plan(observed, Evidence(), now=NOON)
    assert decided.decision == f"9 ready, 2 in flight: gave {job.name} 2 pods more"
    status = build_status(observed, decided, now=NOON)
    events = build_events(status, status, decided)
    assert [(event.reason, event.action) for event in events] == [("WaveGrown", "PatchJob")]


def test_obstacle_keeps_a_wave_as_it_is() -> None:
    resource = a_work_queue_job(parallelism=4, **WORKER)
    observed = an_observation(a_fine_job(), depth=a_depth(9, 2), resource=resource)
    stopped = replace(observed, obstacle=TemplateInvalid("no image"))
    assert plan(stopped, Evidence(), now=NOON).actions == ()
