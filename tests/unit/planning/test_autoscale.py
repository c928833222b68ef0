"""How many pods are wanted, and by which numbers."""

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
from tests.reckoning import build_status, gather_evidence, plan
from workqueuejob.api import BusyPeriod, ScalingStatus, WorkQueueJobStatus
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.planning.actions import CreateWave
from workqueuejob.planning.evidence.evidence import Evidence
from workqueuejob.planning.evidence.pace import Pace, begin_pace, follow_pace
from workqueuejob.planning.sizing.autoscale import Scaling, choose_scaling
from workqueuejob.planning.status.status import differs

HUNDRED_SECONDS = {"finish_within_seconds": 100}


def choose(
    depth: QueueDepth, seconds_per_item: float | None = None, *, at: float = 0, **spec: Any
) -> Scaling:
    status = spec.pop("status", {"start_time": after(0)})
    fields = {"parallelism": 8, "autoscale": HUNDRED_SECONDS, **spec}
    run = a_work_queue_job(status=WorkQueueJobStatus.model_validate(status), **fields)
    scaling = choose_scaling(
        an_observation(depth=depth, resource=run), seconds_per_item, now=after(at)
    )
    assert scaling is not None
    return scaling


@pytest.mark.parametrize(("left", "pods"), [(1, 1), (10, 1), (11, 2), (79, 8), (500, 8)])
def test_so_many_items_get_a_pod(left: int, pods: int) -> None:
    assert choose(a_depth(left), autoscale={"items_per_worker": 10}).pods == pods


CONTINUOUS: dict[str, Any] = {"run_policy": "Continuous"}


@pytest.mark.parametrize(
    ("ready", "pods", "message"),
    [
        (0, 2, "no item left; kept 2 warm (minParallelism)"),
        (5, 2, "5 items left at 10 a pod need 1 of 8 pods; kept 2 warm (minParallelism)"),
        (21, 3, "21 items left at 10 a pod need 3 of 8 pods"),
    ],
)
def test_so_many_pods_are_wanted_in_any_case(ready: int, pods: int, message: str) -> None:
    autoscale = {"min_parallelism": 2, "items_per_worker": 10}

    scaling = choose(a_depth(ready), autoscale=autoscale, **CONTINUOUS)

    assert (scaling.pods, scaling.most, scaling.message) == (pods, pods, message)
    assert choose(a_depth(), autoscale=autoscale).pods == 0


def test_pods_that_are_kept_do_not_limit_how_many_there_are() -> None:
    scaling = choose(a_depth(5), autoscale={"min_parallelism": 2}, **CONTINUOUS)

    assert (scaling.pods, scaling.most) == (5, 8)
    assert scaling.message == "5 items left need 5 of 8 pods"


def test_no_more_are_kept_than_may_run() -> None:
    depth, autoscale = a_depth(), {"min_parallelism": 5}

    assert choose(depth, autoscale=autoscale, parallelism=3, **CONTINUOUS).pods == 3
    assert choose(depth, autoscale=autoscale, parallelism=0, **CONTINUOUS).pods == 0


def test_pods_that_wait_at_a_quorum_queue_are_no_items() -> None:
    waiting = a_depth(in_flight=None, in_flight_lately=0, consumers=2)
    busy = a_depth(ready=3, in_flight=None, in_flight_lately=0, consumers=2)
    autoscale = {"min_parallelism": 2}

    assert choose(waiting, autoscale=autoscale, **CONTINUOUS).pods == 2
    assert choose(busy, autoscale=autoscale, **CONTINUOUS).pods == 5


def test_items_that_rest_or_are_held_count_too() -> None:
    depth = a_depth(5, 4, delayed=3)

    assert choose(depth, autoscale={"items_per_worker": 4}).pods == 3


def test_pods_follow_from_the_time_per_item_and_the_time_left() -> None:
    scaling = choose(a_depth(120), 1.02, at=39)

    assert scaling.pods == 2
    assert scaling.message == "120 items left at 1.02 s each and 61 s to go need 2 of 8 pods"
    assert choose(a_depth(120), 4.0, at=39).pods == 8


def test_more_pods_than_allowed_are_named_but_not_wanted() -> None:
    scaling = choose(a_depth(1000), 2.0, at=50)

    assert scaling.pods == 8
    assert scaling.message is not None
    assert scaling.message.endswith("need 45 pods, of which 8 may run")


def test_run_that_is_too_late_wants_all() -> None:
    assert choose(a_depth(2), 0.1, at=101).pods == 8


def test_one_pod_shows_how_long_an_item_takes() -> None:
    scaling = choose(a_depth(200))

    assert scaling.pods == 1
    assert scaling.message is not None
    assert "to see how long one takes" in scaling.message


def test_of_two_wishes_the_larger_counts() -> None:
    both = {**HUNDRED_SECONDS, "items_per_worker": 50}

    assert choose(a_depth(200), 0.1, autoscale=both).pods == 4
    assert choose(a_depth(200), 4.0, autoscale=both).pods == 8


@pytest.mark.parametrize(
    ("depth", "parallelism"),
    [(a_depth(0), 8), (a_depth(9), 0)],
    ids=["no items", "no pods allowed"],
)
def test_nothing_is_wanted_for(depth: QueueDepth, parallelism: int) -> None:
    assert choose(depth, 1.0, parallelism=parallelism).pods == 0


def test_time_of_a_continuous_run_is_that_of_its_busy_period() -> None:
    period = BusyPeriod(start_time=after(900))
    status = {"start_time": after(0), "current_busy_period": period}

    scaling = choose(a_depth(100), 1.0, at=950, run_policy="Continuous", status=status)

    assert scaling.message == "100 items left at 1.00 s each and 50 s to go need 2 of 8 pods"


def test_unknown_depth_wants_nothing_else() -> None:
    run = a_work_queue_job(
        autoscale=HUNDRED_SECONDS,
        status=WorkQueueJobStatus(scaling=ScalingStatus(message="before"), desired_parallelism=1),
    )
    observed = an_unmeasured_observation(resource=run)

    decided = plan(observed, Evidence(), now=after(0))

    assert decided.scaling is None
    assert build_status(observed, decided, now=after(0)).scaling == run.status.scaling


def test_wave_is_as_large_as_what_its_pods_do_before_the_next_choice() -> None:
    run = a_work_queue_job(
        autoscale=HUNDRED_SECONDS, parallelism=8, status=WorkQueueJobStatus(start_time=after(0))
    )
    evidence = Evidence(pace=Pace(settled=0, time=after(50), pod_seconds=20, items=10))

    decided = plan(an_observation(depth=a_depth(60), resource=run), evidence, now=after(50))

    assert decided.actions == (CreateWave(wave=1, completions=15, parallelism=3),)


def test_fewer_pods_are_wanted_but_none_is_ended() -> None:
    run = a_work_queue_job(autoscale={"items_per_worker": 100}, parallelism=8)
    running = a_job(completions=8, parallelism=8, active=8)

    decided = plan(
        an_observation(running, depth=a_depth(2, 8), resource=run), Evidence(), now=after(0)
    )

    assert decided.scaling is not None
    assert decided.scaling.pods == 1
    assert decided.actions == ()


def test_working_alone_is_no_reason_to_write() -> None:
    old = WorkQueueJobStatus(scaling=ScalingStatus(message="61 s to go"))
    new = WorkQueueJobStatus(scaling=ScalingStatus(message="60 s to go"))

    assert not differs(old, new)


def a_pace(*looks: tuple[float, int, int]) -> Pace:
    """Return the pace after looks of (seconds, settled, pods)."""
    at, settled, pods = looks[0]
    pace = begin_pace(settled=settled, pods=pods, now=after(at), seconds_per_item=None)
    for at, settled, pods in looks[1:]:
        pace = follow_pace(pace, settled=settled, pods=pods, now=after(at))
    return pace


def test_steady_work_has_its_own_pace() -> None:
    pace = a_pace(*((float(second), 2 * second, 4) for second in range(60)))

    assert pace.seconds_per_item == pytest.approx(2.0, rel=0.05)


def test_pods_that_are_added_do_not_make_items_seem_slow() -> None:
    few = [(float(second), second, 1) for second in range(30)]
    many = [(30.0 + second, 30 + 7 * second, 8) for second in range(3)]

    assert a_pace(*few, *many).seconds_per_item == pytest.approx(1.0, rel=0.25)


@pytest.mark.parametrize("seconds", [0.25, 4.0])
def test_another_mix_shows_within_dozens_of_items(seconds: float) -> None:
    before = [(float(second), second, 1) for second in range(50)]
    after_it = [(50 + seconds * item, 50 + item, 1) for item in range(60)]

    assert a_pace(*before, *after_it).seconds_per_item == pytest.approx(seconds, rel=0.3)


def test_item_that_takes_long_shows_before_it_is_done() -> None:
    pace = a_pace((0.0, 0, 1), *((float(second), 0, 1) for second in range(1, 31)))

    assert pace.seconds_per_item == pytest.approx(30.0, rel=0.05)


def test_gap_in_which_nothing_was_seen_counts_little() -> None:
    assert (a_pace((0.0, 0, 1), (3600.0, 0, 1)).seconds_per_item or 0) <= 10


def test_restarted_operator_goes_on_with_what_status_says() -> None:
    status = WorkQueueJobStatus(scaling=ScalingStatus(seconds_per_item="4.00"))
    run = a_work_queue_job(autoscale=HUNDRED_SECONDS, status=status)

    evidence = gather_evidence(
        Evidence(), an_observation(depth=a_depth(9), resource=run), now=after(0)
    )

    assert evidence.pace is not None
    assert evidence.pace.seconds_per_item == pytest.approx(4.0)
