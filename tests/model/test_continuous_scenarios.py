"""Runs that never end, from one busy period to the next."""

from tests.model.pods import Program, Step
from tests.model.world import Setting, World

LEAVING = Program(waits_for_ever=False)


def a_continuous_world(program: Program = LEAVING, **spec: object) -> World:
    return World(Setting(program, spec={"run_policy": "Continuous", **spec}))


def work(world: World, rounds: int, step: Step | None = Step.WORK) -> None:
    for _ in range(rounds):
        world.pass_round(step)
        world.judge()


def test_idle_run_writes_nothing_and_makes_nothing() -> None:
    world = a_continuous_world()
    world.queue.publish(2)
    work(world, 20)
    assert world.progressing == "WaitingForItems"
    version, jobs = world.store.current.metadata.resource_version, list(world.controller.created)

    work(world, 200)
    world.restart_operator()
    work(world, 200)

    assert world.store.current.metadata.resource_version == version
    assert world.controller.created == jobs


def test_each_burst_is_a_busy_period_of_its_own() -> None:
    world = a_continuous_world(parallelism=2)
    for items in (3, 5):
        world.queue.publish(items)
        work(world, 30)
        period = world.store.current.status.last_busy_period
        assert period is not None
        assert (period.items, period.succeeded) == (items, items)
        assert world.store.current.status.current_busy_period is None
    assert world.store.current.status.items is not None
    assert world.store.current.status.items.succeeded == 8


def test_hundred_items_do_not_wait_for_one_that_takes_a_minute() -> None:
    world = a_continuous_world(parallelism=4)
    world.queue.publish(1)
    work(world, 3, None)
    work(world, 1, Step.WORK)
    (straggler,) = world.controller.live_pods
    assert straggler.name in world.queue.held

    world.queue.publish(100)
    for _ in range(50):
        world.operator.run_round()
        world.sync_jobs()
        for pod in world.controller.live_pods:
            for _ in range(3 if pod is not straggler else 0):
                world.controller.step_pod(pod, Step.WORK)
        world.sync_jobs()
        world.deliver_events()
        world.advance(1.0)
        world.judge()

    assert straggler.is_live
    assert len(world.queue.settled) == 100


def test_failing_program_is_tried_again_and_again_but_ever_more_seldom() -> None:
    world = a_continuous_world(backoff_limit=0)
    world.queue.publish(1)
    work(world, 400, Step.CRASH)
    assert world.progressing in {"BackoffLimitExceeded", "Working"}
    tried = len(world.controller.created)
    assert 4 <= tried <= 8

    work(world, 350, Step.WORK)

    assert world.progressing == "WaitingForItems"
    assert len(world.queue.settled) == 1
