"""Waves that are withdrawn before Kueue admits them, and before the operator could record them."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.model.broker import Detail
from tests.model.pods import Step
from tests.model.workers import Worker
from tests.model.world import Setting, World
from workqueuejob.api.retry import FailurePolicy
from workqueuejob.names import KUEUE_LABEL

_ROUNDS = 100


@dataclass(frozen=True)
class Case:
    """Why a wave is withdrawn.

    begin: what brings it about; end: what lets the run go on.
    """

    begin: Callable[[World], None]
    end: Callable[[World], None]


def let_deadline_pass(world: World) -> None:
    world.store.change_spec(active_deadline_seconds=60)
    world.advance(60.0)


CASES = {
    "too many are dead-lettered": Case(
        lambda world: world.store.change_spec(failure_policy=FailurePolicy(max_dead_lettered=0)),
        lambda world: world.store.change_spec(failure_policy=None),
    ),
    "the run took too long": Case(
        let_deadline_pass,
        lambda world: world.store.change_spec(active_deadline_seconds=None),
    ),
}


def a_world() -> World:
    """Return a run whose first wave has put an item aside, and which waits for more."""
    worker = Worker(max_attempts=1, poison=frozenset({0}))
    labels = {"labels": {KUEUE_LABEL: "team-a"}}
    spec = {"parallelism": 1, "drained_after_seconds": 20, "job_metadata": labels}
    world = World(Setting(worker=worker, detail=Detail.LEASES, spec=spec))
    world.queue.publish(1)
    for _ in range(6):
        world.pass_round(Step.WORK)
        world.step_pods(Step.LEAVE)
    assert world.store.current.status.waves == 1
    assert all(job.is_terminal for job in world.jobs)
    return world


def make_wave_and_die(world: World) -> None:
    """Let the operator make a wave, and die before the status says so."""
    world.queue.publish(1)
    made = len(world.controller.created)
    for _ in range(_ROUNDS):
        world.operator.step()
        if len(world.controller.created) > made:
            break
    assert world.store.current.status.waves == made
    world.restart_operator()


def await_withdrawal(world: World) -> None:
    """Let the operator alone take turns until every Job that Kueue might admit is gone."""
    for _ in range(_ROUNDS):
        if all(job.is_terminal for job in world.jobs):
            return
        world.operator.run_round()
        world.judge()
        world.advance(1.0)
    pytest.fail("no wave was withdrawn")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_number_of_a_withdrawn_wave_is_not_given_again(case: Case) -> None:
    # Found by the model.
    world = a_world()
    make_wave_and_die(world)

    case.begin(world)
    await_withdrawal(world)
    case.end(world)
    world.queue.publish(1)
    world.run_to_end(Step.WORK, rounds=_ROUNDS)

    assert world.end is not None
    assert world.end.type == "Complete"
    assert world.store.current.status.waves == len(set(world.controller.created)) == 3
