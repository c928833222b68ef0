"""Runs on a partitioned log: where they end, and how many pods are of use."""

from dataclasses import replace
from typing import Any

import pytest

from tests.builders import (
    a_finished_job,
    a_job,
    a_log,
    a_log_depth,
    a_measurement,
    a_streak,
    a_template,
    a_work_queue_job,
    a_worker_spec,
    after,
    an_observation,
)
from tests.reckoning import build_status, plan
from workqueuejob.api import QueueStatus, RunOffsets, WorkQueueJobStatus
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.brokers.kafka.settings import KafkaSource
from workqueuejob.brokers.worker_settings import read_settings
from workqueuejob.errors import ConnectionFailed
from workqueuejob.planning.actions import CreateWave, GrowWave
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.evidence.evidence import Evidence
from workqueuejob.planning.evidence.movement import Movement
from workqueuejob.planning.evidence.signs import is_drained
from workqueuejob.planning.ledger.spans import restrict
from workqueuejob.planning.observing.observed import Observed, ObservedJob
from workqueuejob.planning.pods.job_manifest import hash_template
from workqueuejob.planning.pods.worker_environment import build_worker_environment
from workqueuejob.planning.verdict import Progress

WORKER: dict[str, Any] = a_worker_spec(kafka={}, parallelism=4)
FOREIGN: dict[str, Any] = {"kafka": {}, "parallelism": 4}
CONTINUOUS = WORKER | {"run_policy": "Continuous"}
LATEST = CONTINUOUS | {"kafka": {"start_from": "Latest"}}
RECORDED = RunOffsets(topic_id="id", starts="0,0,0", ends="9,9,9")
LONG = a_streak(60, until=60)


def observe(
    *jobs: ObservedJob,
    depth: QueueDepth,
    offsets: RunOffsets | None = RECORDED,
    spec: dict[str, Any] | None = None,
    **status: Any,
) -> Observed:
    known = WorkQueueJobStatus(queue=QueueStatus(offsets=offsets), **status)
    resource = a_work_queue_job(status=known, **(WORKER if spec is None else spec))
    measurement = restrict(a_measurement(depth), resource)
    return an_observation(*jobs, resource=resource, measurement=measurement)


def decide(*jobs: ObservedJob, evidence: Evidence | None = None, **seen: Any) -> Plan:
    return plan(observe(*jobs, **seen), evidence or Evidence(), now=after(60))


def status_of(*jobs: ObservedJob, evidence: Evidence | None = None, **seen: Any) -> Any:
    decided = decide(*jobs, evidence=evidence, **seen)
    return build_status(observe(*jobs, **seen), decided, now=after(60))


def a_fine_job(
    pods: int = 2, *, offsets: RunOffsets | None = RECORDED, **fields: Any
) -> ObservedJob:
    status = WorkQueueJobStatus(queue=QueueStatus(offsets=offsets))
    current = hash_template(a_work_queue_job(status=status, **WORKER))
    known = {"completions": pods, "parallelism": pods, "active": pods, "template_hash": current}
    return a_job(1, **(known | fields))


def behind(*lags: int, **fields: Any) -> QueueDepth:
    """Return a depth of partitions that end at 9, so far behind each."""
    return a_log_depth(a_log(*((0, 9, 9 - lag) for lag in lags)), **fields)


def test_ends_are_recorded_before_anything_is_done() -> None:
    depth = behind(4, 0, 2)
    decided = decide(depth=depth, offsets=None)
    assert decided.actions == ()
    assert decided.recheck_after_seconds == 0
    status = status_of(depth=depth, offsets=None)
    assert status.queue.offsets == RunOffsets(topic_id="id", starts="5,9,7", ends="9,9,9")
    assert status.waves == 0
    assert status.last_decision.message == (
        "recorded where 3 partitions ended, 6 offsets further: up to there the run goes, and what"
        " comes later is left for the next"
    )


def test_what_was_recorded_stays_and_goes_on() -> None:
    status = status_of(a_fine_job(), depth=behind(4, 0, 2))
    assert status.queue.offsets == RECORDED


def test_nothing_is_recorded_while_there_is_nothing_to_do() -> None:
    empty = behind(0, 0, 0)
    for start in ("Complete", "Wait"):
        decided = decide(depth=empty, offsets=None, spec=WORKER | {"empty_start": start})
        assert decided.span is None
    waiting = WORKER | {"empty_start": "Wait"}
    decided = decide(depth=empty, offsets=None, spec=waiting, evidence=Evidence(drained=LONG))
    assert decided.verdict.progress == Progress.WAITING_FOR_ITEMS


def test_run_that_follows_needs_no_record_while_its_group_has_committed_nothing() -> None:
    fresh = a_log_depth(a_log((0, 4, None), (0, 0, None)))
    decided = decide(depth=fresh, offsets=None, spec=CONTINUOUS)
    assert isinstance(decided.actions[0], CreateWave)
    queue = status_of(depth=fresh, offsets=None, spec=CONTINUOUS).queue
    assert (queue.offsets, queue.later) == (None, None)


@pytest.mark.parametrize("known", [None, RunOffsets(topic_id="id", starts="3,2")])
def test_run_that_follows_records_without_pods_how_far_it_has_come(
    known: RunOffsets | None,
) -> None:
    idle = a_log_depth(a_log((0, 9, 9), (0, 5, 5), (0, 0, None)))
    seen: dict[str, Any] = {"depth": idle, "spec": CONTINUOUS, "evidence": Evidence(drained=LONG)}
    status = status_of(a_finished_job(), offsets=known, **seen)
    assert status.queue.offsets == RunOffsets(topic_id="id", starts="9,5,0")
    assert status.last_decision.message.startswith("recorded how far the consumer group has come")
    later = decide(a_finished_job(), offsets=status.queue.offsets, **seen)
    assert later.span is None
    assert later.verdict.progress == Progress.WAITING_FOR_ITEMS


def test_run_that_follows_records_nothing_while_its_pods_work() -> None:
    depth = a_log_depth(a_log((0, 9, 4)))
    assert decide(a_fine_job(1, ready=1), depth=depth, offsets=None, spec=CONTINUOUS).span is None


@pytest.mark.parametrize("spec", [CONTINUOUS, LATEST])
def test_run_that_follows_goes_on_where_it_was_when_kafka_has_forgotten(
    spec: dict[str, Any],
) -> None:
    forgotten = a_log_depth(a_log((0, 9, None), (0, 7, None)))
    known = RunOffsets(topic_id="id", starts="9,5")
    decided = decide(a_finished_job(), depth=forgotten, offsets=known, spec=spec)
    assert decided.decision is not None
    assert decided.decision.startswith("2 ready")


def test_offsets_that_a_person_has_reset_are_recorded_too() -> None:
    reset = a_log_depth(a_log((0, 9, 0), (0, 5, 5)))
    known = RunOffsets(topic_id="id", starts="9,5")
    status = status_of(depth=reset, offsets=known, spec=CONTINUOUS)
    assert status.queue.offsets == RunOffsets(topic_id="id", starts="0,5")


def test_run_from_the_end_on_records_at_once_where_it_was() -> None:
    untouched = a_log_depth(a_log((0, 9, None), (2, 5, None)))
    status = status_of(depth=replace(untouched, ready=0), offsets=None, spec=LATEST)
    assert status.queue.offsets == RunOffsets(topic_id="id", starts="9,5")


def test_run_from_the_end_on_begins_anew_in_a_topic_that_was_created_anew() -> None:
    anew = a_log_depth(a_log((0, 3, None), topic_id="new"))
    before = RunOffsets(topic_id="id", starts="9,5")
    status = status_of(depth=anew, offsets=before, spec=LATEST)
    assert status.queue.offsets == RunOffsets(topic_id="new", starts="")
    assert status.queue.ready == 3


WINDING_DOWN = WORKER | {"kafka": {"start_from": "Latest"}}


def test_run_from_the_end_on_winds_down_from_where_it_began() -> None:
    before = RunOffsets(topic_id="id", starts="9,5")
    log = a_log((0, 12, None), (2, 9, 7), (0, 4, None))
    status = status_of(depth=a_log_depth(log), offsets=before, spec=WINDING_DOWN)
    assert status.queue.offsets == RunOffsets(topic_id="id", starts="9,5", ends="12,9,4")
    decided = decide(depth=a_log_depth(log), offsets=status.queue.offsets, spec=WINDING_DOWN)
    assert decided.decision is not None
    assert decided.decision.startswith("9 ready, 0 in flight")


def test_place_where_a_run_began_outlives_a_time_without_measurements() -> None:
    before = RunOffsets(topic_id="id", starts="9,5")
    status = WorkQueueJobStatus(queue=QueueStatus(offsets=before))
    resource = a_work_queue_job(status=status, **WINDING_DOWN)
    observed = an_observation(resource=resource, depth=ConnectionFailed("k:9092: refused"))
    written = build_status(observed, plan(observed, Evidence(), now=after(60)), now=after(60))
    assert written.queue is not None
    assert written.queue.offsets == before


def test_ends_of_a_run_that_went_on_for_ever_meanwhile_are_recorded_anew() -> None:
    followed = status_of(depth=behind(4, 0, 2), spec=CONTINUOUS).queue.offsets
    assert followed == RunOffsets(topic_id="id", starts="5,9,7")
    grown = a_log_depth(a_log((0, 20, 5), (0, 9, 9), (0, 9, 7)))
    again = status_of(depth=grown, offsets=followed)
    assert again.queue.offsets == RunOffsets(topic_id="id", starts="5,9,7", ends="20,9,9")


@pytest.mark.parametrize(
    ("lags", "jobs", "pods"),
    [
        ((9, 9, 9), (), 3),
        ((9, 0, 9), (), 2),
        ((1, 0, 0), (), 1),
        ((9, 9, 9), (a_fine_job(2),), 1),
        ((9, 9, 0), (a_fine_job(2),), 0),
        ((9, 9, 0), (a_fine_job(3, succeeded=2, active=1),), 1),
    ],
)
def test_no_more_pods_run_than_partitions_have_something_left(
    lags: tuple[int, ...], jobs: tuple[ObservedJob, ...], pods: int
) -> None:
    decided = decide(*jobs, depth=behind(*lags))
    added = 0
    for action in decided.actions:
        if isinstance(action, CreateWave):
            added += action.completions
        if isinstance(action, GrowWave):
            added += action.completions - jobs[0].completions
    assert added == pods


def test_pods_that_work_up_to_other_ends_are_of_no_use() -> None:
    former = a_fine_job(2, offsets=RunOffsets(topic_id="id", starts="0,0,0", ends="4,4,4"))
    (action,) = decide(former, depth=behind(9, 9, 9)).actions
    assert isinstance(action, CreateWave)


def test_autoscale_wants_no_more_pods_than_partitions() -> None:
    spec = WORKER | {"autoscale": {"items_per_worker": 1}}
    status = status_of(depth=behind(9, 9, 0), spec=spec)
    assert status.desired_parallelism == 2
    assert status.scaling.message == ("18 items left at 1 a pod need 18 pods, of which 2 may run")


def test_run_ends_although_more_has_come() -> None:
    grown = a_log_depth(a_log((0, 20, 9), (0, 9, 9), (0, 10, 9), (0, 7, None)))
    decided = decide(a_finished_job(), depth=grown, evidence=Evidence(drained=LONG))
    assert decided.verdict.end_reason == "Drained"
    assert "; 19 offsets came after the run had begun, and stay" in decided.verdict.message
    queue = status_of(a_finished_job(), depth=grown, evidence=Evidence(drained=LONG)).queue
    assert (queue.ready, queue.later) == (0, 19)


def test_item_of_a_worker_that_is_gone_keeps_the_run_from_ending() -> None:
    held = replace(behind(0, 0, 0), in_flight=1)
    assert not is_drained((a_finished_job(),), held)


def test_run_of_a_foreign_program_is_drained_when_the_group_is_there() -> None:
    seen: dict[str, Any] = {"depth": behind(0, 0, 0, worker=False, consumers=0), "spec": FOREIGN}
    # More has gone than pods have succeeded, which is no reason to doubt what was committed.
    evidence = Evidence(drained=a_streak(6, until=60), vanished=20)
    decided = decide(a_finished_job(succeeded=2), evidence=evidence, **seen)
    assert decided.verdict.end_reason == "Drained"


def test_no_pod_starts_while_the_dead_letter_topic_is_missing() -> None:
    decided = decide(depth=behind(9, 9, 9, dead_lettered=None))
    assert decided.actions == ()
    assert decided.verdict.progress == Progress.DEAD_LETTER_TARGET_MISSING
    assert decided.verdict.message.startswith("topic 'job1-dead' of spec.retry.deadLetter is")


def test_topic_that_was_created_anew_stops_the_run_with_a_reason() -> None:
    anew = a_log_depth(a_log((0, 9, None), topic_id="new"))
    status = status_of(depth=anew)
    reasons = {c.type: (c.status, c.reason) for c in status.conditions}
    assert reasons["QueueReachable"] == ("False", "QueueReplaced")
    assert reasons["Progressing"] == ("False", "QueueUnavailable")
    assert status.queue.offsets == RECORDED


def test_lag_that_a_foreign_program_does_not_pass_is_a_warning() -> None:
    stuck = Movement(items_left=1, newest=2, attempt_after=1, still_after=1)
    pods = a_finished_job(2, succeeded=1)
    seen: dict[str, Any] = {"depth": behind(1, 0, 0, worker=False, consumers=0), "spec": FOREIGN}
    status = status_of(pods, evidence=Evidence(movement=stuck), **seen)
    (condition,) = [c for c in status.conditions if c.type == "QueueReachable"]
    assert (condition.status, condition.reason) == ("True", "LagUnreachable")
    assert "the group stays 1 offset behind in 1 partition" in condition.message
    # While pods move it, nothing is wrong; and our worker passes it by itself.
    fine = status_of(pods, evidence=Evidence(), **seen)
    assert {c.reason for c in fine.conditions if c.type == "QueueReachable"} == {"Measured"}
    ours = status_of(pods, depth=behind(1, 0, 0), evidence=Evidence(movement=stuck))
    assert {c.reason for c in ours.conditions if c.type == "QueueReachable"} == {"Measured"}


@pytest.mark.parametrize(
    ("spec", "offsets", "starts", "targets"),
    [
        (WORKER, RECORDED, "id:0,0,0", "id:9,9,9"),
        (CONTINUOUS, None, None, None),
        (CONTINUOUS, RECORDED, "id:0,0,0", None),
        (LATEST, RunOffsets(topic_id="id", starts="9,5"), "id:9,5", None),
        (WINDING_DOWN, RECORDED, "id:0,0,0", "id:9,9,9"),
    ],
    ids=["drains", "follows", "follows by now", "follows from the end on", "winds down"],
)
def test_workers_are_told_what_was_recorded(
    spec: dict[str, Any], offsets: RunOffsets | None, starts: str | None, targets: str | None
) -> None:
    status = WorkQueueJobStatus(queue=QueueStatus(offsets=offsets))
    resource = a_work_queue_job(status=status, template=a_template(), **spec)
    (told,) = [
        one["value"]
        for one in build_worker_environment(resource, {"name": "worker"})
        if one["name"] == "WQJ_SETTINGS"
    ]
    source = read_settings({"WQJ_SETTINGS": told}).source
    assert isinstance(source, KafkaSource)
    assert (source.starts, source.targets) == (starts, targets)
