"""Pods that are kept although nothing is ready: started, replaced, left alone, and ended."""

from dataclasses import replace
from typing import Any

import pytest

from tests.builders import (
    a_depth,
    a_finished_job,
    a_job,
    a_job_manifest,
    a_streak,
    a_template,
    a_work_queue_job,
    a_worker_spec,
    after,
    an_observation,
    an_unmeasured_observation,
)
from tests.reckoning import build_status, gather_evidence, plan
from workqueuejob.api import (
    BusyPeriod,
    CountsBefore,
    ItemsStatus,
    JobStatus,
    PodsStatus,
    WorkQueueJob,
    WorkQueueJobStatus,
)
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.errors import JobRejected
from workqueuejob.names import KUEUE_LABEL, WARM_LABEL
from workqueuejob.planning.actions import CreateWave, EndJob, GrowWave, SetSuspend
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.evidence.evidence import Evidence
from workqueuejob.planning.evidence.movement import Movement
from workqueuejob.planning.observing.jobs import read_job
from workqueuejob.planning.observing.observed import JobState, Observed, ObservedJob, PodProblem
from workqueuejob.planning.pods.job_manifest import WorkerImage, build_job, hash_template
from workqueuejob.planning.status.status import differs
from workqueuejob.planning.verdict import RUN_SUSPENDED, WARM_PODS_NOT_NEEDED, Progress

NOW = 60.0
EMPTY = Evidence(drained=a_streak(10, until=NOW), unheld=a_streak(10, until=NOW))
PERIOD = BusyPeriod(start_time=after(0), before=CountsBefore())


def a_run(kept: int = 2, *, status: dict[str, Any] | None = None, **spec: Any) -> WorkQueueJob:
    fields = {
        "mode": "Fine",
        "run_policy": "Continuous",
        "parallelism": 5,
        "autoscale": {"min_parallelism": kept},
        **a_worker_spec(),
        **spec,
    }
    return a_work_queue_job(status=WorkQueueJobStatus.model_validate(status or {}), **fields)


RUN = a_run(status={"waves": 9})


def a_warm_job(wave: int = 1, pods: int = 2, **fields: Any) -> ObservedJob:
    """Return a wave of which all pods wait."""
    waiting: dict[str, Any] = {
        "completions": pods,
        "parallelism": pods,
        "active": pods,
        "ready": pods,
        "template_hash": hash_template(RUN),
    }
    return a_job(wave, is_warm=True, **waiting | fields)


def a_finished_warm_job(wave: int = 1, *, at: float, **fields: Any) -> ObservedJob:
    over: dict[str, Any] = {"state": JobState.COMPLETE, "active": 0, "ready": 0, "succeeded": 2}
    return a_warm_job(wave, **over | {"ending_since": after(at)} | fields)


def decide(
    *jobs: ObservedJob,
    run: WorkQueueJob = RUN,
    depth: QueueDepth | None = None,
    evidence: Evidence = EMPTY,
    **seen: Any,
) -> Plan:
    observed = an_observation(*jobs, resource=run, depth=depth, at=NOW, **seen)
    return plan(observed, evidence, now=after(NOW))


def ended_by(decided: Plan) -> dict[str, bool]:
    """Return the Jobs that are ended, and whether with their grace."""
    return {
        action.job: action.with_grace for action in decided.actions if isinstance(action, EndJob)
    }


# Starting


def test_pods_are_started_although_the_queue_is_empty() -> None:
    decided = decide()

    assert decided.actions == (CreateWave(10, 2, 2, is_warm=True),)
    assert decided.decision is not None
    assert decided.decision.endswith("2 completions, parallelism 2, so that 2 are kept warm")
    assert decided.verdict.progress == Progress.WAITING_FOR_ITEMS


def test_only_what_is_missing_is_started() -> None:
    (wave,) = decide(a_warm_job(9, pods=1)).actions

    assert wave == CreateWave(10, 1, 1, is_warm=True)
    assert decide(a_warm_job(9)).actions == ()
    assert decide(a_job(9, completions=2, active=2)).actions == ()


@pytest.mark.parametrize(
    ("taken", "missing"), [(a_job(9, completions=1, active=1, terminating=3), 1)]
)
def test_no_more_are_started_than_there_is_room_for(taken: ObservedJob, missing: int) -> None:
    (wave,) = decide(taken, run=a_run(4, status={"waves": 9})).actions

    assert wave == CreateWave(10, missing, missing, is_warm=True)
    assert decide(replace(taken, terminating=4), run=a_run(4, status={"waves": 9})).actions == ()


def test_unknown_depth_starts_nothing() -> None:
    decided = plan(an_unmeasured_observation(resource=RUN), EMPTY, now=after(NOW))

    assert decided.actions == ()


def test_items_that_are_ready_decide_themselves_how_many_pods_there_are() -> None:
    (wave,) = decide(depth=a_depth(1), evidence=Evidence()).actions

    assert wave == CreateWave(10, 1, 1)


def test_none_is_started_to_wait_while_an_item_is_ready() -> None:
    coming = a_job(9, completions=1, parallelism=1)

    assert decide(coming, depth=a_depth(1), evidence=Evidence()).actions == ()
    (wave,) = decide(coming, evidence=Evidence()).actions
    assert wave == CreateWave(10, 1, 1, is_warm=True)


def test_pods_that_wait_are_capacity_and_others_come_beside_them() -> None:
    depth = a_depth(6, consumers=2)

    assert decide(a_warm_job(9), depth=a_depth(2), evidence=Evidence()).actions == ()
    (wave,) = decide(a_warm_job(9), depth=depth, evidence=Evidence()).actions
    assert wave == CreateWave(10, 3, 3), "room for three of the four that nobody will take"


def test_wave_of_pods_that_wait_is_never_grown() -> None:
    ordinary = a_job(8, completions=1, parallelism=1, active=1, template_hash=hash_template(RUN))

    (grow,) = decide(ordinary, a_warm_job(9), depth=a_depth(9), evidence=Evidence()).actions

    assert isinstance(grow, GrowWave)
    assert grow.job == ordinary.name


@pytest.mark.parametrize(
    "spec",
    [{"run_policy": "UntilDrained"}, {"parallelism": 0}, {"autoscale": {"items_per_worker": 1}}],
)
def test_nothing_is_kept_for(spec: dict[str, Any]) -> None:
    decided = decide(run=a_run(status={"waves": 9}, **spec), evidence=Evidence())

    assert decided.actions == ()


def test_replacement_does_not_wait_for_the_proof_that_the_period_is_over() -> None:
    run = a_run(status={"waves": 9, "current_busy_period": PERIOD})
    evidence = replace(EMPTY, drained=a_streak(1, until=NOW))

    decided = decide(a_warm_job(9, pods=1), run=run, evidence=evidence)

    assert decided.verdict.progress == Progress.VERIFYING_DRAINED
    assert decided.actions == (CreateWave(10, 1, 1, is_warm=True),)


def test_obstacle_keeps_them_from_being_started_and_is_named() -> None:
    decided = decide(a_warm_job(9, pods=1), obstacle=JobRejected("quota"))

    assert decided.actions == ()
    assert decided.verdict.progress == "JobRejected"


def test_dead_letter_target_must_be_there_first() -> None:
    decided = decide(depth=a_depth(dead_lettered=None))

    assert decided.actions == ()
    assert decided.verdict.progress == Progress.DEAD_LETTER_TARGET_MISSING


def test_other_waves_find_room_beside_many_of_one_pod_each() -> None:
    kept = a_run(40, status={"waves": 40}, parallelism=50)
    many = [a_warm_job(wave, pods=1, template_hash=hash_template(kept)) for wave in range(25)]

    assert decide(*many, run=kept).actions == ()
    assert len(decide(*many[1:], run=kept).actions) == 1


def test_no_more_jobs_are_unfinished_than_a_status_lists() -> None:
    kept = a_run(60, status={"waves": 60}, parallelism=200)
    busy = [a_job(wave, completions=1, active=1, ready=1) for wave in range(50)]

    assert decide(*busy, run=kept).actions == ()
    assert len(decide(*busy[1:], run=kept).actions) == 1


def test_job_and_its_pods_bear_a_label_and_the_worker_is_told() -> None:
    manifest = build_job(RUN, CreateWave(1, 2, 2, is_warm=True), WorkerImage("worker"))
    plain = build_job(RUN, CreateWave(1, 2, 2), WorkerImage("worker"))

    for part in (manifest, manifest["spec"]["template"]):
        assert part["metadata"]["labels"][WARM_LABEL] == "true"
    assert WARM_LABEL not in plain["metadata"]["labels"]
    assert not read_job(a_job_manifest()).is_warm
    shown = {**a_job_manifest(), "metadata": {**a_job_manifest()["metadata"]}}
    shown["metadata"]["labels"] = {**shown["metadata"]["labels"], WARM_LABEL: "true"}
    assert read_job(shown).is_warm


# Waiting


def test_idle_run_says_how_many_wait_and_writes_nothing_more() -> None:
    waiting = an_observation(a_warm_job(9), resource=RUN, at=NOW)
    decided = plan(waiting, EMPTY, now=after(NOW))
    first = build_status(waiting, decided, now=after(NOW))
    known = RUN.model_copy(update={"status": first})
    later = an_observation(a_warm_job(9), resource=known, at=900)
    second = plan(later, EMPTY, now=after(900))

    assert decided.verdict.message.startswith("the queue is empty; 2 warm pods of 2 wait for items")
    assert decided.recheck_after_seconds is None
    assert not differs(first, build_status(later, second, now=after(900)))
    assert first.current_busy_period is None
    assert first.desired_parallelism == 2


@pytest.mark.parametrize(
    ("depth", "drained"),
    [
        (a_depth(), True),
        (a_depth(in_flight=1), False),
        (a_depth(ready=1), False),
        (a_depth(delayed=1), False),
        (a_depth(in_flight=None, consumers=2), False),
        (a_depth(in_flight=None, in_flight_lately=0, consumers=2), True),
        (a_depth(in_flight=None, in_flight_lately=1, consumers=2), False),
    ],
)
def test_queue_is_drained_beside_pods_that_are_known_to_hold_nothing(
    depth: QueueDepth, *, drained: bool
) -> None:
    observed = an_observation(a_warm_job(9), resource=RUN, depth=depth)

    evidence = gather_evidence(Evidence(), observed, now=after(0))

    assert (evidence.drained is not None) is drained


@pytest.mark.parametrize(
    ("depth", "unheld"),
    [
        (a_depth(), True),
        (a_depth(delayed=1), True),
        (a_depth(ready=1), False),
        (a_depth(in_flight=1), False),
        (a_depth(in_flight=None, consumers=0), False),
        (a_depth(in_flight=None, in_flight_lately=0), True),
    ],
)
def test_unknown_is_not_zero_held(depth: QueueDepth, *, unheld: bool) -> None:
    observed = an_observation(a_warm_job(9), resource=RUN, depth=depth)

    assert (gather_evidence(Evidence(), observed, now=after(0)).unheld is not None) is unheld


def test_run_that_ends_takes_no_number_for_the_end_of_a_pod() -> None:
    run = a_run(run_policy="UntilDrained")

    evidence = gather_evidence(
        Evidence(), an_observation(a_warm_job(9), resource=run), now=after(0)
    )

    assert evidence.drained is None
    assert evidence.quiet is None
    assert evidence.unheld is not None


def test_completions_of_pods_that_come_late_are_no_surplus() -> None:
    late = a_warm_job(9, active=0, ready=0)

    evidence = gather_evidence(Evidence(), an_observation(late, resource=RUN), now=after(0))

    assert evidence.surplus is None


def test_other_completions_are_surplus_beside_pods_that_wait() -> None:
    backing_off = a_job(8, completions=1, parallelism=1)
    observed = an_observation(
        backing_off, a_warm_job(9), resource=RUN, depth=a_depth(consumers=2), at=NOW
    )
    assert gather_evidence(Evidence(), observed, now=after(0)).surplus is not None

    decided = plan(observed, Evidence(surplus=a_streak(10, until=NOW)), now=after(NOW))

    assert set(ended_by(decided)) == {backing_off.name}


def test_item_in_hand_begins_a_busy_period_and_waiting_does_not() -> None:
    def period_of(depth: QueueDepth) -> BusyPeriod | None:
        observed = an_observation(a_warm_job(9), resource=RUN, depth=depth, at=NOW)
        decided = plan(observed, Evidence(), now=after(NOW))
        return build_status(observed, decided, now=after(NOW)).current_busy_period

    assert period_of(a_depth()) is None
    assert period_of(a_depth(in_flight=None, in_flight_lately=0, consumers=2)) is None
    assert period_of(a_depth(in_flight=1)) is not None


def test_item_that_came_and_went_between_two_looks_is_a_busy_period_too() -> None:
    known = {"waves": 9, "items": ItemsStatus(total=4, succeeded=4, remaining=0)}
    counted = {"items": {"succeeded": 1}}
    run = a_run(status=known | {"counted": {"succeeded": 4}})
    job = a_warm_job(10, succeeded=1, active=1, ready=1)
    observed = an_observation(
        replace(
            job, items=WorkQueueJobStatus.model_validate({"counted": counted["items"]}).counted
        ),
        resource=run,
        at=NOW,
    )

    status = build_status(observed, plan(observed, EMPTY, now=after(NOW)), now=after(NOW))

    assert status.current_busy_period is not None
    assert status.current_busy_period.succeeded == 1


@pytest.mark.parametrize(
    ("depth", "said"),
    [
        (a_depth(in_flight=1), "1 of 2 pods at work"),
        (a_depth(in_flight=2), "2 pods at work"),
        (a_depth(in_flight=0, delayed=1), "nothing is ready; 1 item rests"),
        (a_depth(in_flight=None, consumers=2), "2 pods at work"),
    ],
)
def test_pods_that_wait_are_not_said_to_work(depth: QueueDepth, said: str) -> None:
    decided = decide(a_warm_job(9), depth=depth, evidence=Evidence())

    assert decided.verdict.progress == Progress.WORKING
    assert decided.verdict.message.startswith(said)


def test_pod_that_does_not_start_is_named() -> None:
    problem = PodProblem("ImagePullBackOff", "no such image", pods=2)

    decided = decide(a_warm_job(9, ready=0), pod_problem=problem)

    assert decided.verdict.progress == Progress.PODS_NOT_STARTING
    assert decided.actions == ()


def test_wave_that_waits_for_kueue_says_so() -> None:
    waiting = a_warm_job(9, active=0, ready=0, is_queued=True, suspended=True)

    decided = decide(waiting)

    assert decided.verdict.progress == Progress.WAITING_FOR_ADMISSION
    assert decided.actions == ()


# Failing


STILL = Movement(items_left=0, newest=9, attempt_after=8, still_after=8)
MOVED = replace(STILL, still_after=9)


@pytest.mark.parametrize(
    ("job", "movement", "pause"),
    [
        (a_finished_warm_job(9, at=NOW, state=JobState.FAILED, failed=2, succeeded=0), MOVED, True),
        (a_finished_warm_job(9, at=NOW), STILL, True),
        (a_finished_warm_job(9, at=NOW), MOVED, False),
        (a_finished_warm_job(9, at=NOW, ended_by_us=True), STILL, False),
    ],
)
def test_wave_of_no_use_is_followed_after_a_pause(
    job: ObservedJob, movement: Movement, *, pause: bool
) -> None:
    evidence = replace(EMPTY, movement=movement)
    decided = decide(job, evidence=evidence)

    assert bool(decided.actions) is not pause
    if pause:
        assert decided.recheck_after_seconds == 5.0
        again = decide(replace(job, ending_since=after(NOW - 6)), evidence=evidence)
        assert again.actions == (CreateWave(10, 2, 2, is_warm=True),)
        assert again.futile_waves == 1


def test_pause_grows_and_names_the_reason_for_which_a_run_would_fail() -> None:
    failed = a_finished_warm_job(9, at=NOW, state=JobState.FAILED, failed=1, succeeded=0)
    run = a_run(status={"waves": 9, "waves_without_progress": 3})

    decided = decide(failed, run=run)

    assert decided.recheck_after_seconds == 40.0
    assert decided.verdict.progress == Progress.BACKOFF_LIMIT_EXCEEDED
    assert "the next attempt is made 40 s after the last one ended" in decided.verdict.message
    leaving = decide(
        a_finished_warm_job(9, at=NOW), run=run, evidence=replace(EMPTY, movement=STILL)
    )
    assert leaving.verdict.progress == Progress.NO_PROGRESS


def test_items_that_arrive_do_not_wait_for_the_pause() -> None:
    failed = a_finished_warm_job(9, at=NOW, state=JobState.FAILED, failed=1, succeeded=0)

    (wave,) = decide(failed, depth=a_depth(1), evidence=Evidence()).actions

    assert wave == CreateWave(10, 1, 1)


def test_failure_of_a_pod_that_waits_ends_none_of_its_peers() -> None:
    half = a_warm_job(9, active=1, ready=1, failed=1, failed_indexes=1)
    listed = JobStatus(name=half.name, wave=9, failed=0)
    run = a_run(
        backoff_limit=0, status={"waves": 9, "jobs": [listed], "pods": PodsStatus(failed=0)}
    )

    decided = decide(half, run=run)

    assert decided.actions == (CreateWave(10, 1, 1, is_warm=True),)


def test_newest_wave_is_kept_however_short_the_history_for_the_pause_rests_on_it() -> None:
    run = a_run(status={"waves": 9}, failed_jobs_history_limit=0)
    failed = [
        a_finished_warm_job(wave, at=NOW, state=JobState.FAILED, succeeded=0) for wave in (8, 9)
    ]

    decided = decide(*failed, run=run, evidence=replace(EMPTY, movement=MOVED))

    assert [deletion.job for deletion in decided.deletions] == [failed[0].name]


# Ending


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"run_policy": "UntilDrained"}, id="the run winds down"),
        pytest.param({"autoscale": {"min_parallelism": 1}}, id="fewer are kept"),
        pytest.param({"autoscale": None}, id="none is kept"),
        pytest.param({"parallelism": 0}, id="none may run"),
        pytest.param({"template": a_template(priority=3)}, id="the template was changed"),
    ],
)
def test_pods_that_wait_for_nothing_are_ended_on_evidence_only(change: dict[str, Any]) -> None:
    run, job = a_run(status={"waves": 9}, **change), a_warm_job(9)

    decided = decide(job, run=run)

    assert ended_by(decided) == {job.name: True}
    (end,) = decided.actions
    assert isinstance(end, EndJob)
    assert (end.succeeded, end.reason) == (True, WARM_PODS_NOT_NEEDED)
    for shorter in (None, a_streak(0.5, until=NOW), a_streak(10, reads=2, until=NOW)):
        assert not ended_by(decide(job, run=run, evidence=replace(EMPTY, unheld=shorter)))


def test_numbers_that_lag_are_believed_later() -> None:
    run, depth = a_run(run_policy="UntilDrained"), a_depth(in_flight=None, in_flight_lately=0)

    assert not ended_by(decide(a_warm_job(9), run=run, depth=depth))
    long = replace(EMPTY, unheld=a_streak(16, until=NOW))
    assert ended_by(decide(a_warm_job(9), run=run, depth=depth, evidence=long))


@pytest.mark.parametrize(
    ("depth", "said"),
    [
        (a_depth(in_flight=1), "are ended once nothing is held"),
        (a_depth(in_flight=None), "is not known without spec.queue.rabbitmq.management"),
    ],
)
def test_run_that_winds_down_says_what_it_waits_for(depth: QueueDepth, said: str) -> None:
    observed = an_observation(a_warm_job(9), resource=a_run(run_policy="UntilDrained"), depth=depth)
    evidence = gather_evidence(EMPTY, observed, now=after(NOW))

    decided = plan(observed, evidence, now=after(NOW))

    assert decided.actions == ()
    assert said in decided.verdict.message
    assert decided.recheck_after_seconds == 0.5


def test_waves_that_fit_are_kept_when_fewer_are_wanted() -> None:
    run = a_run(3, status={"waves": 9})
    old, new, newest = a_warm_job(7), a_warm_job(8), a_warm_job(9, pods=1)

    assert set(ended_by(decide(old, new, newest, run=run))) == {old.name}


def test_wave_with_too_many_pods_gives_way_to_a_smaller_one() -> None:
    run, four = a_run(3, status={"waves": 9}), a_warm_job(9, pods=4)

    assert set(ended_by(decide(four, run=run))) == {four.name}
    ended = replace(four, state=JobState.COMPLETE, active=0, ended_by_us=True)
    assert decide(ended, run=run).actions == (CreateWave(10, 3, 3, is_warm=True),)


def test_run_of_which_too_many_pods_failed_ends_them_before_its_pause() -> None:
    run = a_run(
        backoff_limit=0,
        status={"waves": 9, "current_busy_period": PERIOD, "pods": PodsStatus(failed=1)},
    )
    job = a_warm_job(9)

    assert set(ended_by(decide(job, run=run))) == {job.name}
    at_work = a_job(8, completions=1, parallelism=1, active=1)
    assert not ended_by(decide(at_work, job, run=run))
    assert decide(run=run).actions == (), "nor are others started"


def test_suspended_run_suspends_them_as_others() -> None:
    (change,) = decide(a_warm_job(9), run=a_run(suspend=True)).actions
    assert isinstance(change, SetSuspend)

    queued = a_warm_job(9, is_queued=True)
    labels = {"labels": {KUEUE_LABEL: "team-a"}}
    (end,) = decide(queued, run=a_run(suspend=True, job_metadata=labels)).actions
    assert isinstance(end, EndJob)
    assert end.reason == RUN_SUSPENDED


def test_broken_failure_policy_ends_them_as_others() -> None:
    run = a_run(
        failure_policy={"max_dead_lettered": 0},
        status={"waves": 9, "current_busy_period": PERIOD, "counted": {"dead_lettered": 1}},
    )

    assert ended_by(decide(a_warm_job(9), run=run, evidence=Evidence())) == {
        a_warm_job(9).name: True
    }


def test_run_is_complete_only_when_their_pods_have_ended() -> None:
    run = a_run(run_policy="UntilDrained", status={"waves": 9})
    ending = a_warm_job(9, state=JobState.ENDING, active=0, terminating=2, ended_by_us=True)
    assert decide(ending, run=run).verdict.progress == Progress.WORKING

    ended = a_finished_job(9, is_warm=True, succeeded=0, ended_by_us=True)
    decided = decide(ended, run=run)

    assert (decided.verdict.progress, decided.verdict.end_reason) == (Progress.COMPLETE, "Drained")


def test_observation_tells_warm_waves_of_a_continuous_run_from_others() -> None:
    def passing(run: WorkQueueJob) -> tuple[int, ...]:
        observed: Observed = an_observation(a_job(8), a_warm_job(9), resource=run)
        return tuple(job.wave for job in observed.passing)

    assert passing(RUN) == (8,)
    assert passing(a_run(run_policy="UntilDrained")) == (8, 9)
