"""A run whose pods all do their work counts every item once, whatever happens to the operator."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from tests.model.broker import RABBITMQ, Detail, Fault
from tests.model.pods import Program, Step
from tests.model.profiles import effort
from tests.model.world import Setting, World

_ROUNDS = 400

MISHAPS: dict[str, Callable[[World], None]] = {
    "the operator restarts": World.restart_operator,
    "the operator goes on": lambda world: world.operator.step(),
    "a request fails": lambda world: setattr(world.operator, "fails_next_request", True),
    "a measurement fails": lambda world: world.broker.faults.append(Fault.ERROR),
    "a measurement takes too long": lambda world: world.broker.faults.append(Fault.TIMEOUT),
    "items arrive": lambda world: world.queue.publish(2),
    "pods work": lambda world: world.step_pods(Step.WORK),
    "Jobs are synced": World.sync_jobs,
    "the watch catches up": World.deliver_events,
    "time passes": lambda world: world.advance(1.0),
    "everybody takes a turn": lambda world: world.pass_round(Step.WORK),
}


@effort(150)
@given(
    mishaps=st.lists(st.sampled_from(sorted(MISHAPS)), max_size=40),
    items=st.integers(1, 8),
    parallelism=st.integers(1, 3),
    detail=st.sampled_from(RABBITMQ),
)
def test_every_item_is_counted_once(
    mishaps: list[str], items: int, parallelism: int, detail: Detail
) -> None:
    world = World(Setting(detail=detail, spec={"parallelism": parallelism}))
    world.queue.publish(items)
    for mishap in mishaps:
        MISHAPS[mishap](world)
        world.referee.judge_step()
    world.run_to_end(Step.WORK, rounds=_ROUNDS)
    status = world.store.current.status
    assert world.end is not None
    assert (world.end.type, world.end.reason) == ("Complete", "Drained")
    assert status.pods is not None
    assert status.items is not None
    # What arrives after the last measurement is nobody's.
    settled = world.queue.published - len(world.queue.ready)
    assert (status.pods.succeeded, status.pods.failed) == (settled, 0)
    assert status.items.remaining == 0
    mistaken = status.items.attempts_failed or 0
    assert (status.items.succeeded or 0) + mistaken == settled
    if "items arrive" not in mishaps:
        # As many that arrive between two reads as are settled make a wave look futile.
        assert mistaken == 0
        assert status.progress == f"{items}/{items}"


@effort(50)
@given(items=st.integers(1, 12), parallelism=st.integers(1, 4), detail=st.sampled_from(RABBITMQ))
def test_undisturbed_run_makes_no_pod_too_many(
    items: int, parallelism: int, detail: Detail
) -> None:
    world = World(Setting(detail=detail, spec={"parallelism": parallelism}))
    world.queue.publish(items)
    world.run_to_end(Step.WORK, rounds=_ROUNDS)
    assert sum(job.pods_made for job in world.jobs) == items
    assert len(world.controller.created) == 1


@effort(20)
@given(
    items=st.integers(1, 4),
    detail=st.sampled_from(RABBITMQ),
    timeout=st.sampled_from([None, 20]),
)
def test_pods_that_wait_for_ever_are_no_obstacle_to_an_end_where_anybody_can_tell(
    items: int, detail: Detail, timeout: int | None
) -> None:
    """Somebody else takes the items of pods that are just starting."""
    program = Program(waits_for_ever=True)
    world = World(Setting(program, detail, timeout, spec={"parallelism": 4}))
    world.queue.publish(items)
    world.operator.run_round()
    world.sync_jobs()
    world.strangers.come()
    for _ in range(items):
        world.strangers.settle_all()
    world.run_to_end(Step.WORK, rounds=_ROUNDS)
    nobody_can_tell = detail is Detail.HIDES and timeout is None
    assert world.progressing == ("SurplusPodsWaiting" if nobody_can_tell else "Complete")
