"""For how long an item in flight bars the end: only while a pod of the run may have left it."""

from datetime import timedelta
from typing import Any

import pytest

from tests.builders import (
    a_depth,
    a_finished_job,
    a_job,
    a_work_queue_job,
    a_worker_spec,
    after,
    an_observation,
)
from tests.reckoning import gather_evidence, plan
from workqueuejob.api import WorkQueueJob, WorkQueueJobStatus
from workqueuejob.api.status import CountedItems
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.evidence.evidence import Evidence
from workqueuejob.planning.observing.observed import ObservedJob
from workqueuejob.planning.verdict import Progress

LATELY: dict[str, Any] = {"in_flight_lately": 1, "consumers": 1}
KILLED = CountedItems(uncertain=1)


def a_run(*, worker: bool = True, waves: int = 0, **fields: Any) -> WorkQueueJob:
    spec = a_worker_spec(mode="Fine") if worker else {}
    return a_work_queue_job(status=WorkQueueJobStatus(waves=waves), **spec, **fields)


def watch(
    *stages: tuple[ObservedJob, ...],
    run: WorkQueueJob,
    in_flight: int | None = 1,
    seconds: float = 40,
    **depth: Any,
) -> Plan:
    """Return the plan at the end of the last stage, which lasts so long; the others are seen once.

    One item is in flight all the time, and nothing is ready.
    """
    evidence, moment = Evidence(), 0.0
    measured = a_depth(0, in_flight, **depth)
    for number, jobs in enumerate(stages):
        repeats = 1 if number < len(stages) - 1 else int(seconds) + 1
        for _ in range(repeats):
            moment += 1
            observed = an_observation(*jobs, resource=run, depth=measured, at=moment)
            evidence = gather_evidence(evidence, observed, now=after(moment))
    return plan(observed, evidence, now=after(moment))


@pytest.mark.parametrize(
    "depth", [{}, {"in_flight": None, **LATELY}], ids=["as of now", "as of some seconds ago"]
)
def test_item_in_flight_bars_the_end_while_a_killed_worker_may_have_left_it(
    depth: dict[str, Any],
) -> None:
    killed = a_finished_job(items=KILLED)
    decided = watch((killed,), run=a_run(), **depth)
    assert decided.verdict.progress == Progress.VERIFYING_DRAINED
    assert decided.verdict.message == (
        "the queue is empty and every pod has ended, but 1 item is in flight, and 1 pod may have"
        " ended with an item in hand: waiting until it is settled or comes back, for at most"
        " 30 minutes (RabbitMQ's consumer timeout)"
    )
    assert decided.recheck_after_seconds == 5


def test_item_in_flight_bars_nothing_where_every_pod_has_reported() -> None:
    reported = a_finished_job(items=CountedItems(succeeded=5))
    assert watch((reported,), run=a_run()).verdict.progress == Progress.COMPLETE


def test_unknown_number_in_flight_bars_nothing() -> None:
    killed = a_finished_job(items=KILLED)
    decided = watch((killed,), run=a_run(), in_flight=None, consumers=1)
    assert decided.verdict.progress == Progress.COMPLETE


def test_item_in_flight_bars_the_end_no_longer_than_the_broker_lets_it_be_held() -> None:
    killed, run = a_finished_job(items=KILLED), a_run(rabbitmq={"consumer_timeout_seconds": 60})
    assert watch((killed,), run=run, seconds=50).verdict.progress == Progress.VERIFYING_DRAINED
    assert watch((killed,), run=run, seconds=130).verdict.progress == Progress.COMPLETE


@pytest.mark.parametrize(
    ("before", "after_it", "is_barred"),
    [
        pytest.param(a_job(active=1, ready=1), a_finished_job(failed=1), True, id="a pod failed"),
        pytest.param(
            a_job(active=1, ready=1, succeeded=4),
            a_finished_job(succeeded=4),
            True,
            id="a pod was deleted while it ran",
        ),
        pytest.param(
            a_job(active=1, ready=1, succeeded=4),
            a_finished_job(),
            False,
            id="its last pod has succeeded",
        ),
        pytest.param(
            a_job(active=2, ready=0),
            a_finished_job(succeeded=0),
            False,
            id="its pods never ran",
        ),
        pytest.param(
            a_job(active=2, ready=2),
            a_finished_job(succeeded=3, ended_by_us=True),
            False,
            id="they were ended because they held nothing",
        ),
    ],
)
def test_program_of_the_users_own_may_leave_an_item_when_its_pod_did_not_succeed(
    before: ObservedJob, after_it: ObservedJob, *, is_barred: bool
) -> None:
    decided = watch((before,), (after_it,), run=a_run(worker=False))
    expected = Progress.VERIFYING_DRAINED if is_barred else Progress.COMPLETE
    assert decided.verdict.progress == expected


def test_job_that_was_deleted_while_a_pod_ran_leaves_doubt_as_well() -> None:
    jobs = (a_finished_job(1), a_job(2, active=1, ready=1))
    decided = watch(jobs, jobs[:1], run=a_run(worker=False))
    assert decided.verdict.progress == Progress.VERIFYING_DRAINED


def test_operator_that_has_just_started_does_not_know_and_waits() -> None:
    run = a_run(worker=False, waves=1)
    assert watch((a_finished_job(),), run=run).verdict.progress == Progress.VERIFYING_DRAINED
    later = watch((a_finished_job(),), run=run, seconds=timedelta(minutes=31).total_seconds())
    assert later.verdict.progress == Progress.COMPLETE


def test_wall_clock_that_jumps_ahead_does_not_end_the_wait_for_an_item() -> None:
    killed, evidence = a_finished_job(items=KILLED), Evidence()
    for moment in range(40):
        hours = 2 if moment > 20 else 0
        now = after(moment) + timedelta(hours=hours)
        observed = an_observation(killed, resource=a_run(), depth=a_depth(0, 1), at=float(moment))
        evidence = gather_evidence(evidence, observed, now=now)
    assert plan(observed, evidence, now=now).verdict.progress == Progress.VERIFYING_DRAINED


def test_continuous_run_that_waits_says_so() -> None:
    killed = a_finished_job(items=KILLED)
    run = a_run(run_policy="Continuous", waves=1)
    assert watch((killed,), run=run).verdict.progress == Progress.WAITING_FOR_ITEMS
