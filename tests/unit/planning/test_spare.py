"""When completions of workers are ended because no item is left for them."""

from typing import Any

import pytest

from tests.builders import (
    a_depth,
    a_job,
    a_streak,
    a_work_queue_job,
    a_worker_spec,
    after,
    an_observation,
)
from tests.reckoning import gather_evidence, plan
from workqueuejob.api import WorkQueueJob
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.planning.actions import EndJob
from workqueuejob.planning.evidence.evidence import Evidence
from workqueuejob.planning.evidence.spare import Look, follow_workers, is_spare
from workqueuejob.planning.observing.observed import ObservedJob
from workqueuejob.planning.observing.worker_containers import RunningWorker
from workqueuejob.planning.rules.secret_age import needs_current_secrets
from workqueuejob.planning.verdict import QUEUE_DRAINED

NOW = 2000.0
EMPTY = a_streak(10, until=NOW)
HIDDEN: dict[str, Any] = {"in_flight": None, "consumers": 2}


def a_run(**spec: Any) -> WorkQueueJob:
    return a_work_queue_job(**a_worker_spec(**{"mode": "Coarse", "parallelism": 2} | spec))


def a_worker(number: int = 1, *, age: float = 2.0) -> RunningWorker:
    """Return a worker that has run for so many seconds, by its node's clock."""
    return RunningWorker(f"pod {number}", after(NOW - age))


def a_wave(*workers: RunningWorker, **fields: Any) -> ObservedJob:
    """Return a wave of 40 completions of which 6 have succeeded, and whose pods are these."""
    pods = len(workers)
    numbers = {"completions": 40, "succeeded": 6, "active": pods, "ready": pods}
    return a_job(**{**numbers, "workers": workers, **fields})


def looks_spare(
    job: ObservedJob,
    depth: QueueDepth,
    *,
    run: WorkQueueJob | None = None,
    seen_for: float = 2.0,
) -> bool:
    """Return whether completions look spare; the operator has seen the workers for so long."""
    return is_spare(
        (job,),
        depth,
        (run or a_run()).spec,
        first_seen={worker.uid: NOW - seen_for for worker in job.workers},
        empty=EMPTY,
        look=Look(NOW, after(NOW)),
    )


PODS = (a_worker(1), a_worker(2))


@pytest.mark.parametrize("depth", [a_depth(0, 0, consumers=2), a_depth(0, **HIDDEN)])
def test_completions_are_spare_where_no_worker_may_hold_an_item(depth: QueueDepth) -> None:
    assert looks_spare(a_wave(*PODS), depth)
    assert looks_spare(a_wave(), depth), "no pod has started yet"
    assert looks_spare(a_wave(*PODS, terminating=1, stuck=1), depth)


@pytest.mark.parametrize("depth", [a_depth(0, 0, consumers=2), a_depth(0, **HIDDEN)])
@pytest.mark.parametrize(
    ("job", "run"),
    [
        pytest.param(a_wave(*PODS, succeeded=40), a_run(), id="no completion is open"),
        pytest.param(a_wave(*PODS, terminating=1), a_run(), id="a pod may give its item back"),
        pytest.param(a_wave(*PODS[:1], ready=2), a_run(), id="a pod is not known"),
        pytest.param(a_wave(*PODS), a_run(mode="Fine"), id="workers are not replaced"),
        pytest.param(a_wave(*PODS), a_work_queue_job(), id="a program of the user's own"),
    ],
)
def test_completions_are_not_spare_otherwise(
    job: ObservedJob, run: WorkQueueJob, depth: QueueDepth
) -> None:
    assert not looks_spare(job, depth, run=run)


@pytest.mark.parametrize(
    "depth",
    [
        pytest.param(a_depth(1, 0), id="an item is ready"),
        pytest.param(a_depth(0, 0, delayed=1), id="an item rests"),
        pytest.param(a_depth(1, **HIDDEN), id="an item is ready, and in flight unknown"),
    ],
)
def test_completions_are_not_spare_while_an_item_is_left(depth: QueueDepth) -> None:
    evidence = gather_evidence(
        Evidence(first_seen={}),
        an_observation(a_wave(*PODS), resource=a_run(), depth=depth, at=NOW),
        now=after(NOW),
    )
    assert evidence.spare is None


@pytest.mark.parametrize(
    "depth", [a_depth(0, 1), a_depth(0, **HIDDEN, in_flight_lately=1), a_depth(0, **HIDDEN)]
)
def test_items_that_others_hold_keep_no_completion(depth: QueueDepth) -> None:
    assert looks_spare(a_wave(*PODS), depth)
    assert not looks_spare(a_wave(*PODS), depth, seen_for=10), "it may hold the item itself"


@pytest.mark.parametrize(
    ("seen_for", "age", "is_young"),
    [(1139, 1139, True), (1140, 10, False), (11, 1140, False)],
)
def test_worker_that_may_hide_its_item_is_left_alone(
    seen_for: float, age: float, *, is_young: bool
) -> None:
    job, counted = a_wave(a_worker(age=age)), a_depth(0, 0, consumers=1)
    assert looks_spare(job, counted, seen_for=seen_for) is is_young
    assert looks_spare(job, counted, seen_for=seen_for, run=a_run(redis={}))


@pytest.mark.parametrize(
    ("seen_for", "age", "is_spare_"),
    [
        pytest.param(4.9, 4.9, True, id="both began just now"),
        pytest.param(5, 1, False, id="the operator has seen it for long"),
        pytest.param(1, 5, False, id="its node says that it has run for long"),
        pytest.param(10, 1, False, id="it began before the queue was empty"),
    ],
)
def test_worker_that_would_have_left_without_an_item_is_left_alone(
    seen_for: float, age: float, *, is_spare_: bool
) -> None:
    job = a_wave(a_worker(age=age))
    assert looks_spare(job, a_depth(0, **HIDDEN), seen_for=seen_for) is is_spare_


def test_as_many_pods_as_completions_may_hold_the_last_items() -> None:
    assert not looks_spare(a_wave(*PODS, completions=8), a_depth(0, **HIDDEN))
    assert looks_spare(a_wave(*PODS, completions=9), a_depth(0, **HIDDEN))


def test_restarted_operator_takes_the_workers_that_it_finds_for_old() -> None:
    found = follow_workers(None, (a_wave(*PODS),), read=5.0)
    assert set(found.values()) == {float("-inf")}
    later = follow_workers(found, (a_wave(PODS[0], a_worker(3)),), read=6.0)
    assert later == {"pod 1": float("-inf"), "pod 3": 6.0}


def test_spare_completions_are_ended_after_three_measurements_with_the_grace_of_the_pods() -> None:
    evidence, run = Evidence(), a_run()
    decisions = []
    for read in range(5):
        ready = 34 if read == 0 else 0
        workers = (RunningWorker("pod 1", after(1.5)),) if read > 1 else ()
        depth = a_depth(ready, None, consumers=len(workers))
        seen = an_observation(a_wave(*workers), resource=run, depth=depth, at=float(read))
        evidence = gather_evidence(evidence, seen, now=after(read))
        decisions.append((seen, plan(seen, evidence, now=after(read))))
    ends = [[a for a in decided.actions if isinstance(a, EndJob)] for _, decided in decisions]
    assert [len(end) for end in ends] == [0, 0, 0, 1, 1]
    assert (ends[3][0].reason, ends[3][0].succeeded) == (QUEUE_DRAINED, True)
    assert ends[3][0].with_grace
    assert needs_current_secrets(*decisions[3])
