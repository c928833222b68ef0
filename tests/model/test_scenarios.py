"""Schedules that once went wrong, or that chance finds too seldom."""

import pytest

from tests.model.broker import RABBITMQ, Detail
from tests.model.pods import Phase, Program, Step
from tests.model.world import Setting, World
from workqueuejob.planning.verdict import ConditionType, find_condition

_ROUNDS = 200


def test_two_overlapping_futile_waves_do_not_leapfrog_each_other_for_ever() -> None:
    world = World(Setting(detail=Detail.HIDES, spec={"parallelism": 3}))
    world.queue.publish(3)
    world.strangers.come()
    for _ in range(3):
        world.operator.step()
    world.store.change_spec(suspend=True)
    for _ in range(5):
        world.pass_round(Step.WORK)
    # The stranger gives its item back: one for a second wave beside the first, which is resumed.
    world.run_to_end(Step.PRETEND, rounds=_ROUNDS)
    assert world.end is not None
    assert world.end.reason == "NoProgress"
    assert len(world.jobs) <= 5


@pytest.mark.parametrize("detail", RABBITMQ)
def test_pods_that_take_their_time_are_left_alone(detail: Detail) -> None:
    world = World(Setting(detail=detail, spec={"parallelism": 2}))
    world.queue.publish(2)
    world.pass_round(Step.WORK)
    for _ in range(120):
        world.pass_round(None)
        world.referee.judge_step()
    assert [pod.phase for pod in world.controller.live_pods] == [Phase.RUNNING, Phase.RUNNING]
    assert not any(job.is_ending for job in world.jobs)


def test_pod_that_no_status_shows_yet_keeps_its_item_when_too_many_have_failed() -> None:
    world = World(Setting(spec={"parallelism": 2, "backoff_limit": 0}))
    world.queue.publish(3)
    world.pass_round(Step.WORK)
    world.step_pods(Step.CRASH)
    world.sync_jobs()
    world.deliver_events()
    # The Job's controller starts the next pod, of which the operator has not heard.
    world.sync_jobs()
    world.step_pods(Step.WORK)
    world.operator.run_round()
    assert all(pod.kill_at is None for pod in world.controller.live_pods)
    world.referee.judge_step()


def test_pods_that_wait_for_ever_are_ended_when_too_many_have_failed() -> None:
    """They acknowledged and crashed; what replaces them finds nothing."""
    spec = {"parallelism": 2, "backoff_limit": 1}
    program = Program(waits_for_ever=True)
    world = World(Setting(program, Detail.HIDES, surplus_timeout_seconds=20, spec=spec))
    world.queue.publish(2)
    for _ in range(2):
        world.pass_round(Step.WORK)
    assert len(world.queue.settled) == 2
    world.step_pods(Step.CRASH)
    world.sync_jobs()
    world.advance(12.0)
    world.sync_jobs()
    world.step_pods(Step.WORK)
    assert len(world.queue.consumers) == 2
    world.run_to_end(Step.WORK, rounds=_ROUNDS)
    assert world.end is not None
    assert world.end.type == "Complete"


def test_run_that_has_given_up_stays_so_although_it_ended_its_jobs_itself() -> None:
    world = World(Setting(spec={"parallelism": 3, "backoff_limit": 1}))
    world.queue.publish(3)
    for step in (Step.WORK, Step.CRASH):
        world.pass_round(step)
    world.run_to_end(Step.WORK, rounds=_ROUNDS)
    assert world.end is not None
    assert (world.end.type, world.end.reason) == ("Failed", "BackoffLimitExceeded")
    assert len(world.jobs) == 1


@pytest.mark.parametrize("mode", ["Coarse", "Fine"])
@pytest.mark.parametrize("comes_back", [False, True])
def test_run_goes_on_and_ends_without_the_pods_of_a_lost_node(mode: str, comes_back: bool) -> None:
    program = Program(waits_for_ever=False)
    world = World(Setting(program, spec={"parallelism": 2, "mode": mode}))
    world.queue.publish(6)
    for _ in range(3):
        world.pass_round(None)
    lost = world.controller.live_pods
    for pod in lost:
        world.controller.lose(pod, is_powerless=True)
    for _ in range(80):
        world.pass_round(Step.WORK)
        world.judge()
    assert len(world.queue.settled) > 2
    condition = find_condition(world.store.current.status.conditions, ConditionType.PROGRESSING)
    assert condition is not None
    assert f"node of {lost[0].name}" in condition.message
    if comes_back:
        for pod in lost:
            world.controller.find_again(pod)
    world.run_to_end(Step.WORK, rounds=_ROUNDS)
    assert world.end is not None
    assert world.end.type == "Complete"
    assert len(world.queue.settled) == 6


def test_deadline_fails_a_run_whose_node_is_lost() -> None:
    world = World(Setting(spec={"parallelism": 1, "active_deadline_seconds": 40}))
    world.queue.publish(1)
    for _ in range(3):
        world.pass_round(None)
    (pod,) = world.controller.live_pods
    world.controller.lose(pod, is_powerless=False)
    for _ in range(120):
        world.pass_round(None)
        world.judge()
    assert world.end is not None
    assert world.end.reason == "DeadlineExceeded"


@pytest.mark.parametrize("mode", ["Coarse", "Fine"])
def test_run_that_was_scaled_down_while_it_was_suspended_resumes_with_fewer_pods(mode: str) -> None:
    world = World(Setting(Program(waits_for_ever=False), spec={"parallelism": 6, "mode": mode}))
    world.queue.publish(4)
    world.pass_round(None)
    # The fifth and sixth pod are a second wave.
    world.queue.publish(4)
    for _ in range(3):
        world.pass_round(None)
    assert len(world.controller.live_pods) == 6
    world.store.change_spec(suspend=True)
    for _ in range(5):
        world.pass_round(None)
    assert world.controller.live_pods == []
    world.store.change_spec(suspend=False, parallelism=2)
    for _ in range(20):
        world.pass_round(Step.WORK)
        world.judge()
    world.store.change_spec(parallelism=4)
    world.run_to_end(Step.WORK, rounds=_ROUNDS)
    assert world.end is not None
    assert len(world.queue.settled) == 8


@pytest.mark.parametrize("mode", ["Coarse", "Fine"])
def test_operator_does_not_quarrel_with_another_controller_that_suspends_its_jobs(
    mode: str,
) -> None:
    world = World(Setting(Program(waits_for_ever=False), spec={"parallelism": 2, "mode": mode}))
    world.queue.publish(4)
    for _ in range(120):
        world.pass_round(None)
        world.judge()
        for job in world.jobs:
            world.controller.suspend(job.name)
    assert 2 <= world.controller.suspensions <= 6
    assert world.progressing == "SuspendedByOthers"
    condition = find_condition(world.store.current.status.conditions, ConditionType.PROGRESSING)
    assert condition is not None
    assert f"Job {world.jobs[0].name} was suspended" in condition.message
    world.run_to_end(Step.WORK, rounds=400)
    assert world.end is not None
    assert len(world.queue.settled) == 4
