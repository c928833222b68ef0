"""What happens to a run after it has ended: items that come later, and changes of its spec."""

import pytest

from tests.model.broker import Detail
from tests.model.pods import Step
from tests.model.workers import Worker
from tests.model.world import Setting, World
from workqueuejob.planning.verdict import ConditionType, find_condition

_ROUNDS = 200


def an_ended_world(setting: Setting) -> World:
    world = World(setting)
    world.queue.publish(3)
    world.run_to_end(Step.WORK, rounds=_ROUNDS)
    assert world.end is not None
    assert world.store.current.status.progress == "3/3"
    return world


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize(
    "setting",
    [
        pytest.param(Setting(spec={"parallelism": 2}), id="a program"),
        pytest.param(
            Setting(detail=Detail.LEASES, worker=Worker(quota=1), spec={"parallelism": 2}),
            id="a worker",
        ),
    ],
)
def test_edit_of_an_ended_run_whose_queue_was_filled_again_changes_no_number(
    setting: Setting, *, restarts: bool
) -> None:
    world = an_ended_world(setting)
    made = len(world.jobs)
    world.queue.publish(5)
    if restarts:
        world.restart_operator()
    for change in ({"ttl_seconds_after_finished": 900}, {"parallelism": 7}, {"suspend": True}):
        world.store.change_spec(**change)
        for _ in range(5):
            world.pass_round(Step.WORK)
            world.judge()

    status = world.store.current.status
    assert (status.progress, len(world.jobs)) == ("3/3", made)
    assert world.is_told
    progressing = find_condition(status.conditions, ConditionType.PROGRESSING)
    assert progressing is not None
    assert "delete the WorkQueueJob and create it again" in progressing.message
