"""What holds for every observation, however odd."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from tests.builders import (
    a_job,
    a_log_depth,
    a_measurement,
    a_streak,
    a_work_queue_job,
    a_worker_spec,
    after,
)
from tests.model.profiles import effort
from tests.reckoning import build_status, plan
from workqueuejob.api import (
    Condition,
    ConditionStatus,
    PodsStatus,
    RunOffsets,
    WorkQueueJob,
    WorkQueueJobStatus,
)
from workqueuejob.api.spec import RunPolicy
from workqueuejob.api.status import CountedItems, ItemsStatus, QueueStatus
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.brokers.positions import (
    PartitionPosition,
    TopicPositions,
    measure_lag,
)
from workqueuejob.contract.offsets import NextItem
from workqueuejob.contract.report import ItemCounts
from workqueuejob.errors import ConnectionFailed, JobRejected, MeasurementUnreliable, QueueNotFound
from workqueuejob.planning.actions import CreateWave, EndJob, GrowWave, RaiseParallelism, SetSuspend
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.evidence.evidence import Evidence
from workqueuejob.planning.evidence.movement import Movement
from workqueuejob.planning.ledger.items import Doubt
from workqueuejob.planning.ledger.spans import find_span, restrict
from workqueuejob.planning.observing.observed import (
    JobState,
    Observed,
    ObservedJob,
    PodProblem,
    count_open,
)
from workqueuejob.planning.pods.job_manifest import hash_template
from workqueuejob.planning.verdict import (
    TEMPLATE_CHANGED,
    TOO_MANY_DEAD_LETTERED,
    WARM_PODS_NOT_NEEDED,
    Progress,
)

small = st.integers(0, 6)
reported = st.none() | st.builds(
    CountedItems,
    succeeded=small,
    dead_lettered=st.integers(0, 2),
    discarded=st.integers(0, 2),
    uncertain=st.integers(0, 1),
)
seldom = st.sampled_from([False] * 7 + [True])
NOW = after(600)
_FAILURES = ["BackoffLimitExceeded", "FailedIndexes", "FailedIndexes"]


@st.composite
def waves(draw: st.DrawFn, wave: int) -> ObservedJob:
    """Draw a wave's Job as its controller may show it."""
    completions = draw(st.integers(1, 8))
    succeeded = draw(st.integers(0, completions))
    failed_indexes = draw(st.integers(0, completions - succeeded))
    state = draw(st.sampled_from([JobState.RUNNING] * 4 + list(JobState)))
    parallelism = draw(st.just(completions) | st.integers(1, completions))
    active = draw(st.integers(0, parallelism))
    is_over = state.is_terminal
    return a_job(
        wave,
        completions=completions,
        parallelism=parallelism,
        active=0 if is_over else active,
        ready=0 if is_over else draw(st.integers(0, active)),
        terminating=0 if is_over else draw(st.integers(0, 2)),
        succeeded=succeeded,
        failed=failed_indexes + draw(st.integers(0, 2)),
        failed_indexes=failed_indexes,
        suspended=draw(seldom),
        state=state,
        ending_since=None if state is JobState.RUNNING else after(draw(st.integers(0, 600))),
        failure_reason=draw(st.sampled_from(_FAILURES)) if state is JobState.FAILED else None,
        items=draw(reported),
    )


depths = st.builds(
    QueueDepth,
    ready=st.integers(0, 40),
    in_flight=st.none() | small,
    in_flight_lately=st.none() | small,
    consumers=st.none() | small,
    delayed=st.integers(0, 2),
    dead_lettered=st.none() | small,
    counts=st.none() | st.builds(ItemCounts, succeeded=small, dead_lettered=small),
)
errors = st.sampled_from(
    [ConnectionFailed("refused"), QueueNotFound("gone"), MeasurementUnreliable("below zero")]
)
streaks = (
    st.none()
    | st.none()
    | st.builds(
        lambda seconds, reads: a_streak(seconds, reads=reads, until=600),
        seconds=st.sampled_from([0, 1, 5, 20, 60, 300]),
        reads=st.integers(1, 5),
    )
)
evidence_of_all_kinds = st.builds(
    Evidence,
    drained=streaks,
    unheld=streaks,
    surplus=streaks,
    idle=streaks,
    quiet=streaks,
    foreign=streaks,
    stalled=streaks,
    abandoned=streaks,
    vanished=st.integers(0, 1),
    movement=st.none()
    | st.builds(
        Movement,
        items_left=small,
        newest=st.just(3),
        attempt_after=st.integers(0, 3),
        still_after=st.integers(0, 3),
        has_moved=st.booleans(),
    ),
)
statuses = st.builds(
    WorkQueueJobStatus,
    waves=st.none() | st.integers(0, 5),
    waves_without_progress=st.none() | st.integers(0, 2),
    pods=st.none() | st.builds(PodsStatus, succeeded=small, failed=small),
    counted=reported,
    items=st.none()
    | st.builds(
        lambda succeeded, dead, remaining: ItemsStatus(
            total=succeeded + dead + remaining,
            succeeded=succeeded,
            dead_lettered=dead,
            remaining=remaining,
        ),
        small,
        small,
        small,
    ),
    queue=st.none()
    | st.builds(
        QueueStatus,
        dead_lettered_at_start=st.none() | small,
        offsets=st.none()
        | st.builds(
            lambda starts, ends: RunOffsets(topic_id="id", starts=starts, ends=ends),
            starts=st.sampled_from(["", "0,0", "2,4"]),
            ends=st.none() | st.sampled_from(["5,9", "9", "0,0"]),
        ),
        removed=st.none() | small,
    ),
)
partitions = st.builds(
    lambda start, length, passed, due, is_held, is_owned: PartitionPosition(
        start=start,
        end=start + length,
        committed=None if passed is None else start + passed,
        next=NextItem(1, is_held=is_held, due_at=NOW.timestamp() + due),
        is_owned=is_owned,
    ),
    start=small,
    length=st.integers(0, 12),
    passed=st.none() | st.integers(-6, 14),
    due=st.sampled_from([-1, -1, 60]),
    is_held=st.booleans(),
    is_owned=st.booleans(),
)
logs = st.builds(
    TopicPositions, topic_id=st.just("id"), partitions=st.lists(partitions, min_size=2, max_size=4)
)
WARM: dict[str, Any] = {"autoscale": {"min_parallelism": 4}}
KINDS: dict[str, dict[str, Any]] = {
    "foreign": {},
    "foreign, Fine": {"mode": "Fine"},
    "Redis, foreign": {"redis": {}, "mode": "Fine"},
    "worker": a_worker_spec(),
    "worker, Fine": a_worker_spec(mode="Fine"),
    "worker, breaker": a_worker_spec(mode="Fine", failure_policy={"max_dead_lettered": 3}),
    "Kafka, foreign": {"kafka": {}, "mode": "Fine"},
    "Kafka, worker": a_worker_spec(kafka={}, mode="Fine"),
    "Kafka, from the end": a_worker_spec(
        kafka={"start_from": "Latest"}, mode="Fine", run_policy="Continuous"
    ),
    "Redis, worker": {"redis": {}, "mode": "Fine", "worker": {"source": "Image"}},
    "worker, warm": a_worker_spec(mode="Fine", run_policy="Continuous", **WARM),
    "Redis, worker, warm": {
        "redis": {},
        "mode": "Fine",
        "worker": {"source": "Image"},
        "run_policy": "Continuous",
        **WARM,
    },
    "worker, warm, winding down": a_worker_spec(mode="Fine", **WARM),
}


def resources(kinds: Sequence[str]) -> st.SearchStrategy[WorkQueueJob]:
    """Return WorkQueueJobs of these kinds."""
    return st.builds(
        lambda kind, status, parallelism, suspend, timeout, per_pod, drained, limit: (
            a_work_queue_job(
                status=status,
                parallelism=parallelism,
                suspend=suspend,
                items_per_pod=None if KINDS[kind].get("mode") == "Fine" else per_pod,
                drained_after_seconds=drained,
                backoff_limit=limit,
                rabbitmq={"surplus_pod_timeout_seconds": timeout},
                **KINDS[kind],
            )
        ),
        kind=st.sampled_from(kinds),
        status=statuses,
        parallelism=st.integers(0, 12),
        suspend=seldom,
        timeout=st.sampled_from([None, 20]),
        per_pod=st.sampled_from([None, 1, 3]),
        drained=st.sampled_from([0, 5]),
        limit=st.sampled_from([0, 20, 20, 20]),
    )


@st.composite
def observations(draw: st.DrawFn, kinds: Sequence[str] = tuple(sorted(KINDS))) -> Observed:
    """Draw what a reconcile may see of a queue that was measured."""
    resource = draw(resources(kinds))
    current = hash_template(resource)
    hashes = st.sampled_from([current, current, None, "former"])
    measurement = a_measurement(draw(depths), at=600)
    if resource.spec.queue.kafka is not None:
        log, worker = draw(logs), resource.spec.worker is not None
        measured = a_log_depth(log, worker=worker, consumers=None if worker else draw(small))
        measurement = restrict(a_measurement(measured, at=600), resource)
    drawn = [draw(waves(wave)) for wave in range(1, draw(st.integers(0, 3)) + 1)]
    if resource.spec.autoscale is not None:
        drawn = [replace(job, is_warm=draw(st.booleans())) for job in drawn]
    return Observed(
        resource=resource,
        jobs=tuple(replace(job, template_hash=draw(hashes)) for job in drawn),
        measurement=measurement,
        obstacle=draw(st.sampled_from([None] * 5 + [JobRejected("quota")])),
        pod_problem=draw(st.sampled_from([None, None, PodProblem("Unschedulable", "", 1)])),
    )


def count_places(jobs: tuple[ObservedJob, ...]) -> int:
    """Return how many pods there may come to be, of Jobs as they are."""
    return sum(max(min(job.parallelism, job.open), job.active + job.terminating) for job in jobs)


def apply_plan(jobs: tuple[ObservedJob, ...], decided: Plan) -> tuple[ObservedJob, ...]:
    """Return the Jobs once the plan's Jobs are made and raised."""
    raised = {a.job: a.parallelism for a in decided.actions if isinstance(a, RaiseParallelism)}
    grown = {a.job: a.completions for a in decided.actions if isinstance(a, GrowWave)}
    made = tuple(
        a_job(a.wave, completions=a.completions, parallelism=a.parallelism)
        for a in decided.actions
        if isinstance(a, CreateWave)
    )
    kept = (
        replace(
            job,
            completions=grown.get(job.name, job.completions),
            parallelism=grown.get(job.name, raised.get(job.name, job.parallelism)),
        )
        for job in jobs
    )
    return (*kept, *made)


@effort(400)
@given(observations(), evidence_of_all_kinds)
def test_no_plan_takes_more_room_than_there_is(observed: Observed, evidence: Evidence) -> None:
    decided = plan(observed, evidence, now=NOW)
    before, now = count_places(observed.jobs), count_places(apply_plan(observed.jobs, decided))
    assert now <= max(before, observed.resource.spec.parallelism)


@effort(400)
@given(observations(), evidence_of_all_kinds)
def test_parallelism_is_never_lowered(observed: Observed, evidence: Evidence) -> None:
    known = {job.name: job for job in observed.jobs}
    for action in plan(observed, evidence, now=NOW).actions:
        if isinstance(action, RaiseParallelism):
            assert action.parallelism > known[action.job].parallelism
        if isinstance(action, GrowWave):
            job = known[action.job]
            assert action.completions > job.completions == job.parallelism


@effort(400)
@given(observations(), evidence_of_all_kinds)
def test_resumed_job_gets_room_for_each_pod_that_it_has(
    observed: Observed, evidence: Evidence
) -> None:
    jobs = tuple(replace(job, suspended=True) for job in observed.jobs)
    known = {job.name: job for job in jobs}
    for action in plan(replace(observed, jobs=jobs), evidence, now=NOW).actions:
        if isinstance(action, SetSuspend) and action.parallelism is not None:
            job = known[action.job]
            assert job.active <= action.parallelism < job.parallelism


@effort(400)
@given(observations(), evidence_of_all_kinds, st.none() | errors)
def test_unknown_depth_creates_shrinks_and_finishes_nothing(
    observed: Observed, evidence: Evidence, error: QueueNotFound | None
) -> None:
    unknown = None if error is None else a_measurement(error, at=600)
    decided = plan(replace(observed, measurement=unknown), evidence, now=NOW)
    assert all(isinstance(action, SetSuspend) for action in decided.actions)
    assert not decided.verdict.is_end


@effort(400)
@given(observations(), evidence_of_all_kinds)
def test_open_completions_never_exceed_the_work(observed: Observed, evidence: Evidence) -> None:
    """Where the broker counts, one item is one pod, and nobody else consumes."""
    assert observed.measurement is not None
    depth = observed.measurement.result
    assume(isinstance(depth, QueueDepth) and depth.in_flight is not None)
    assert isinstance(depth, QueueDepth)
    assert depth.in_flight is not None
    held = min(depth.in_flight, sum(job.active + job.terminating for job in observed.jobs))
    depth = replace(depth, in_flight=held, consumers=held)
    resource = a_work_queue_job(
        parallelism=observed.resource.spec.parallelism, status=observed.resource.status
    )
    observed = replace(observed, resource=resource, measurement=a_measurement(depth, at=600))
    decided = plan(observed, evidence, now=NOW)
    before = count_open(observed.jobs)
    assert count_open(apply_plan(observed.jobs, decided)) <= max(before, depth.ready + held)


@effort(200)
@given(observations(), evidence_of_all_kinds)
def test_same_observation_gives_the_same_plan(observed: Observed, evidence: Evidence) -> None:
    again = WorkQueueJob.model_validate(observed.resource.model_dump())
    first = plan(observed, evidence, now=NOW)
    assert plan(replace(observed, resource=again), evidence, now=NOW) == first


@effort(200)
@given(observations(), evidence_of_all_kinds, st.sampled_from(["Complete", "Failed"]))
def test_finished_run_never_acts(observed: Observed, evidence: Evidence, kind: str) -> None:
    end = Condition(
        type=kind,
        status=ConditionStatus.TRUE,
        reason="Over",
        message="",
        last_transition_time=after(0),
    )
    status = observed.resource.status.model_copy(update={"conditions": (end,)})
    ended = observed.resource.model_copy(update={"status": status})
    decided = plan(replace(observed, resource=ended), evidence, now=NOW)
    assert (decided.actions, decided.verdict.progress) == ((), kind)


@effort(400)
@given(observations(), evidence_of_all_kinds)
def test_suspended_run_never_creates(observed: Observed, evidence: Evidence) -> None:
    resource = observed.resource
    suspended = resource.model_copy(
        update={"spec": resource.spec.model_copy(update={"suspend": True})}
    )
    decided = plan(replace(observed, resource=suspended), evidence, now=NOW)
    assert all(isinstance(a, SetSuspend) and a.suspend for a in decided.actions)


@effort(400)
@given(observations(), evidence_of_all_kinds)
def test_wave_gets_a_number_that_nobody_had(observed: Observed, evidence: Evidence) -> None:
    taken = max([observed.resource.status.waves or 0, *(job.wave for job in observed.jobs)])
    for action in plan(observed, evidence, now=NOW).actions:
        if isinstance(action, CreateWave):
            assert action.wave == taken + 1
            assert 0 < action.parallelism <= action.completions
            if observed.resource.spec.mode == "Fine":
                assert action.parallelism == action.completions


@effort(400)
@given(observations(), evidence_of_all_kinds)
def test_run_ends_only_after_its_jobs(observed: Observed, evidence: Evidence) -> None:
    """Drained evidence is of this very observation, as gather_evidence makes it."""
    assume(not (evidence.drained and observed.unfinished))
    decided = plan(observed, evidence, now=NOW)
    if decided.verdict.is_end:
        assert not decided.actions
    if decided.verdict.progress == Progress.COMPLETE:
        assert not observed.unfinished


@effort(200)
@given(observations(), evidence_of_all_kinds)
def test_status_can_be_stored_and_read_back(observed: Observed, evidence: Evidence) -> None:
    decided = plan(observed, evidence, now=NOW)
    status = build_status(observed, decided, now=NOW)
    assert WorkQueueJobStatus.from_manifest(status.to_manifest()) == status


@effort(200)
@given(observations(), evidence_of_all_kinds)
def test_recording_the_same_observation_twice_counts_once(
    observed: Observed, evidence: Evidence
) -> None:
    decided = replace(plan(observed, evidence, now=NOW), doubt=Doubt())
    once = build_status(observed, decided, now=NOW)
    recorded = observed.resource.model_copy(update={"status": once})
    twice = build_status(replace(observed, resource=recorded), decided, now=NOW)
    assert (twice.pods, twice.waves, twice.items) == (once.pods, once.waves, once.items)


@effort(400)
@given(observations(), evidence_of_all_kinds)
def test_ledger_adds_up(observed: Observed, evidence: Evidence) -> None:
    status = build_status(observed, plan(observed, evidence, now=NOW), now=NOW)
    items = status.items
    assert items is not None
    numbers = (items.succeeded, items.dead_lettered, items.discarded, items.remaining)
    assert items.total == sum(number or 0 for number in numbers)
    assert all((number or 0) >= 0 for number in numbers)


@effort(400)
@given(observations(), evidence_of_all_kinds)
def test_pods_wait_for_nothing_but_an_empty_queue_and_in_no_number_but_the_least(
    observed: Observed, evidence: Evidence
) -> None:
    decided = plan(observed, evidence, now=NOW)
    for action in decided.actions:
        if isinstance(action, CreateWave) and action.is_warm:
            spec, depth = observed.resource.spec, observed.depth
            assert spec.autoscale is not None
            assert spec.run_policy is RunPolicy.CONTINUOUS
            assert depth is not None
            assert depth.ready == 0
            assert count_open(apply_plan(observed.jobs, decided)) <= spec.autoscale.min_parallelism


@effort(400)
@given(observations(), evidence_of_all_kinds)
def test_pods_that_wait_are_ended_only_where_nothing_was_held_several_times(
    observed: Observed, evidence: Evidence
) -> None:
    warm = {job.name for job in observed.jobs if job.is_warm}
    for action in plan(observed, evidence, now=NOW).actions:
        if isinstance(action, EndJob) and action.reason == WARM_PODS_NOT_NEEDED:
            assert action.job in warm
            assert action.with_grace
            assert evidence.unheld is not None
            assert evidence.unheld.reads >= 3


@effort(400)
@given(observations(), evidence_of_all_kinds)
def test_worker_that_is_there_is_ended_for_nothing_but_dead_letters_and_templates(
    observed: Observed, evidence: Evidence
) -> None:
    assume(observed.resource.spec.worker is not None)
    assume(not (evidence.surplus and any(job.active for job in observed.jobs)))
    for action in plan(observed, evidence, now=NOW).actions:
        if isinstance(action, EndJob):
            assert action.with_grace
            active = sum(job.active for job in observed.jobs)
            known = {TOO_MANY_DEAD_LETTERED, TEMPLATE_CHANGED, WARM_PODS_NOT_NEEDED}
            assert not active or action.reason in known


@effort(400)
@given(observations(["Kafka, foreign", "Kafka, worker"]), evidence_of_all_kinds)
def test_nothing_is_made_on_a_log_before_its_ends_are_recorded(
    observed: Observed, evidence: Evidence
) -> None:
    spec, depth = observed.resource.spec, observed.depth
    assert depth is not None
    assert depth.partitions is not None
    decided = plan(observed, evidence, now=NOW)
    made = [one for one in decided.actions if isinstance(one, CreateWave | GrowWave)]
    assert not made or find_span(observed.resource) is not None
    before = count_open(observed.jobs)
    after_it = count_open(apply_plan(observed.jobs, decided))
    stalled = before if evidence.stalled and spec.worker is not None else 0
    assert after_it <= max(before, depth.partitions + stalled)


@effort(400)
@given(logs, st.booleans(), st.integers(0, 12))
def test_what_is_left_of_a_log_and_what_came_later_are_all_there_is(
    log: TopicPositions, from_latest: bool, more: int
) -> None:
    now = NOW.timestamp()
    span = log.span(from_latest=from_latest)
    at_once = measure_lag(log, now=now, span=span)
    assert at_once == measure_lag(log, now=now, from_latest=from_latest)
    assert at_once.later == 0
    grown = replace(
        log, partitions=tuple(replace(one, end=one.end + more) for one in log.partitions)
    )
    then = measure_lag(grown, now=now, span=span)
    assert then.later >= more * len(log.partitions) - sum(
        max((one.committed or 0) - one.end, 0) for one in log.partitions
    )
    assert (then.ready, then.in_flight, then.delayed) == (
        at_once.ready,
        at_once.in_flight,
        at_once.delayed,
    )
    assert then.partitions <= len(log.partitions)
