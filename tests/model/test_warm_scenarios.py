"""Runs that keep pods although nothing is ready."""

import pytest

from tests.model.broker import Detail
from tests.model.pods import Pod, Step
from tests.model.workers import Worker
from tests.model.world import Setting, World
from workqueuejob.api import Autoscale

TELLING = [Detail.LEASES, Detail.COUNTS, Detail.LAGS]


def a_warm_world(
    detail: Detail = Detail.LEASES, *, kept: int = 2, worker: Worker | None = None, **spec: object
) -> World:
    fields = {
        "run_policy": "Continuous",
        "parallelism": 4,
        "autoscale": {"min_parallelism": kept},
        "drained_after_seconds": 2,
        **spec,
    }
    return World(Setting(worker=worker or Worker(), detail=detail, spec=fields))


def work(world: World, rounds: int) -> None:
    """Let workers do their items, and leave when there are none."""
    for _ in range(rounds):
        world.pass_round(Step.WORK)
        world.step_pods(Step.LEAVE)
        world.judge()


def waiting(world: World) -> list[Pod]:
    return [pod for pod in world.controller.live_pods if pod.awaits_first]


@pytest.mark.parametrize("detail", TELLING)
def test_pods_wait_while_the_queue_is_empty_and_nothing_is_written(detail: Detail) -> None:
    world = a_warm_world(detail)
    work(world, 20)
    assert len(waiting(world)) == 2
    assert world.progressing == "WaitingForItems"
    version, jobs = world.store.current.metadata.resource_version, list(world.controller.created)

    work(world, 200)
    world.restart_operator()
    work(world, 200)

    assert world.store.current.metadata.resource_version == version
    assert world.controller.created == jobs
    assert world.operator.recheck_after_seconds is None


@pytest.mark.parametrize("detail", TELLING)
def test_item_is_done_by_a_pod_that_waits_and_another_takes_its_place(detail: Detail) -> None:
    world = a_warm_world(detail)
    work(world, 20)
    before = waiting(world)
    world.queue.publish(1)

    work(world, 60)

    assert world.queue.settled[0] in {pod.name for pod in before}
    assert len(waiting(world)) == 2
    assert len(world.controller.created) == 2
    status = world.store.current.status
    assert status.last_busy_period is not None
    assert status.last_busy_period.succeeded == 1
    assert status.current_busy_period is None


@pytest.mark.parametrize("detail", TELLING)
def test_burst_gets_more_pods_but_never_more_than_allowed(detail: Detail) -> None:
    world = a_warm_world(detail)
    work(world, 20)
    world.queue.publish(40)
    most = 0
    for _ in range(5):
        world.pass_round(Step.WORK)
        world.judge()
        most = max(most, len(world.controller.live_pods))
    assert most == 4

    work(world, 80)

    assert len(world.queue.settled) == 40
    assert len(waiting(world)) == len(world.controller.live_pods) == 2


@pytest.mark.parametrize("detail", TELLING)
def test_run_that_is_wound_down_ends_the_pods_that_wait(detail: Detail) -> None:
    world = a_warm_world(detail)
    work(world, 10)
    world.queue.publish(3)
    work(world, 30)

    world.store.change_spec(run_policy="UntilDrained")
    work(world, 60)

    assert world.end is not None
    assert world.end.reason == "Drained"
    items = world.store.current.status.items
    assert items is not None
    assert (items.total, items.succeeded) == (3, 3)


def test_item_that_is_at_work_is_finished_before_its_pod_is_ended() -> None:
    world = a_warm_world()
    work(world, 10)
    world.queue.publish(1)
    world.pass_round(Step.WORK)
    (holder,) = world.queue.held
    world.store.change_spec(run_policy="UntilDrained")
    for _ in range(60):
        world.pass_round(None)
        world.judge()
    assert holder in world.queue.held
    assert world.progressing == "Working"

    work(world, 30)

    assert world.end is not None
    assert world.queue.settled == {0: holder}


def test_fewer_and_other_pods_take_the_place_of_those_that_wait() -> None:
    world = a_warm_world(kept=4)
    work(world, 10)
    four = waiting(world)
    assert len(four) == 4

    world.store.change_spec(autoscale=Autoscale(min_parallelism=1))
    work(world, 10)
    (one,) = waiting(world)
    world.change_template(7)
    work(world, 10)

    (other,) = waiting(world)
    assert one not in four
    assert other is not one


def test_scaling_to_zero_ends_them_and_suspending_brings_them_back() -> None:
    world = a_warm_world()
    work(world, 10)
    world.store.change_spec(suspend=True)
    work(world, 10)
    assert not world.controller.live_pods
    world.store.change_spec(suspend=False)
    work(world, 15)
    assert len(waiting(world)) == 2
    assert len(world.controller.created) == 1

    world.store.change_spec(parallelism=0)
    work(world, 10)

    assert not world.controller.live_pods
    assert world.progressing == "WaitingForItems"


@pytest.mark.parametrize("backoff_limit", [0, 2])
def test_worker_that_always_fails_is_started_ever_more_seldom(backoff_limit: int) -> None:
    worker = Worker()
    world = a_warm_world(worker=worker, backoff_limit=backoff_limit)
    for _ in range(600):
        for pod in world.controller.live_pods:
            worker.give_up(pod, world.queue)
        world.pass_round(Step.WORK)
        world.judge()

    assert 3 <= len(world.controller.created) <= 9
    assert world.progressing in {"BackoffLimitExceeded", "Working"}


def test_worker_that_is_killed_while_it_waits_is_replaced() -> None:
    worker = Worker()
    world = a_warm_world(worker=worker)
    work(world, 10)
    victim = waiting(world)[0]
    worker.be_killed(victim, world.queue)

    work(world, 30)

    assert len(waiting(world)) == 2
    assert victim not in waiting(world)
    assert len(world.controller.created) == 1


def test_replacement_does_not_wait_for_the_end_of_the_busy_period() -> None:
    world = a_warm_world(drained_after_seconds=60)
    work(world, 10)
    world.queue.publish(1)

    work(world, 10)

    assert world.progressing == "VerifyingDrained"
    assert len(waiting(world)) == 2
