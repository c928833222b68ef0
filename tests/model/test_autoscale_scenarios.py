"""Runs that choose how many pods they need: in time, and with few more than it takes."""

from typing import Any

import pytest

from tests.model.broker import Detail
from tests.model.pods import Phase, Pod, Program, Step
from tests.model.workers import Worker
from tests.model.world import Setting, World

TICK_SECONDS = 0.5
START_SECONDS = 2.0


class Factory:
    """A world in which pods take a while to start, and items a while to be done."""

    def __init__(self, setting: Setting, *, item_seconds: float) -> None:
        self.world = World(setting)
        self.item_seconds = item_seconds
        self.pod_seconds = 0.0
        self.most_pods = 0
        self._since: dict[tuple[str, object], float] = {}

    @property
    def seconds(self) -> float:
        return self.world.clock.seconds

    def run(self, *, until_seconds: float) -> None:
        """Go on until the run has ended or the time is over."""
        while self.seconds < until_seconds and self.world.end is None and not self.is_idle:
            self.tick()

    @property
    def is_idle(self) -> bool:
        return self.world.progressing == "WaitingForItems" and not self.world.queue.remaining

    def tick(self) -> None:
        world = self.world
        world.operator.run_round()
        world.sync_jobs()
        pods = world.controller.live_pods
        self.pod_seconds += len(pods) * TICK_SECONDS
        self.most_pods = max(self.most_pods, len(pods))
        for pod in pods:
            self.let_work(pod)
        world.sync_jobs()
        world.deliver_events()
        world.advance(TICK_SECONDS)
        world.judge()

    def let_work(self, pod: Pod) -> None:
        """Start, take or settle, when it has taken long enough."""
        queue = self.world.queue
        since = self._began(pod)
        if pod.phase is Phase.PENDING:
            is_due = self.seconds - since >= START_SECONDS
        else:
            is_due = pod.name not in queue.held or self.seconds - since >= self.item_seconds
        if not is_due:
            return
        self.world.controller.step_pod(pod, Step.WORK)
        if pod.name not in queue.held:
            # It takes the next item at once, or leaves when there is none or it has done its share.
            self.world.controller.step_pod(pod, Step.WORK if queue.takeable else Step.LEAVE)
        self._began(pod)

    def _began(self, pod: Pod) -> float:
        """Return when it began with what it does."""
        doing = (pod.name, self.world.queue.held.get(pod.name, pod.phase))
        return self._since.setdefault(doing, self.seconds)


def a_worker_factory(detail: Detail, **spec: Any) -> Factory:
    setting = Setting(worker=Worker(), detail=detail, spec=spec)
    return Factory(setting, item_seconds=1.0)


def within(seconds: int) -> dict[str, Any]:
    return {"autoscale": {"finish_within_seconds": seconds}, "drained_after_seconds": 0}


@pytest.mark.parametrize("detail", [Detail.LEASES, Detail.COUNTS])
def test_fine_run_is_done_in_time_with_hardly_more_pods_than_needed(detail: Detail) -> None:
    factory = a_worker_factory(detail, parallelism=8, **within(100))
    factory.world.queue.publish(200)

    factory.run(until_seconds=120)

    assert factory.world.end is not None
    assert factory.world.end.reason == "Drained"
    assert factory.seconds <= 100
    assert factory.pod_seconds / factory.seconds <= 200 / 100 + 1


def test_coarse_run_is_done_in_time_with_hardly_more_pods_than_needed() -> None:
    program = Program(items_per_pod=10, waits_for_ever=False)
    setting = Setting(program, spec={"parallelism": 8, **within(100)})
    factory = Factory(setting, item_seconds=1.0)
    factory.world.queue.publish(200)

    factory.run(until_seconds=120)

    assert factory.world.end is not None
    assert factory.seconds <= 100
    assert factory.pod_seconds / factory.seconds <= (200 * 1.0 + 20 * START_SECONDS) / 100 + 1


def test_items_that_become_slower_get_more_pods() -> None:
    factory = a_worker_factory(Detail.LEASES, parallelism=8, **within(100))
    factory.world.queue.publish(100)
    factory.run(until_seconds=30)
    before = factory.most_pods
    factory.item_seconds = 4.0

    factory.run(until_seconds=130)

    assert before <= 2
    assert factory.most_pods >= 4
    assert factory.world.end is not None
    assert factory.seconds <= 105


def test_coarse_run_takes_fewer_pods_when_items_become_faster() -> None:
    program = Program(waits_for_ever=False)
    setting = Setting(program, spec={"parallelism": 8, **within(200)})
    factory = Factory(setting, item_seconds=6.0)
    factory.world.queue.publish(150)
    factory.run(until_seconds=60)
    assert factory.most_pods >= 5
    factory.item_seconds = 0.5

    factory.run(until_seconds=90)

    assert len(factory.world.controller.live_pods) <= 4
    factory.run(until_seconds=220)
    assert factory.world.end is not None
    assert factory.seconds <= 200


def test_run_that_is_too_late_takes_all_that_it_may() -> None:
    factory = a_worker_factory(Detail.LEASES, parallelism=4, **within(5))
    factory.world.queue.publish(40)

    factory.run(until_seconds=8)

    assert len(factory.world.controller.live_pods) == 4
    scaling = factory.world.store.current.status.scaling
    assert scaling is not None
    assert scaling.message is not None
    assert "too late need 4 of 4 pods" in scaling.message


def test_pods_follow_the_items_that_are_left() -> None:
    spec: dict[str, Any] = {
        "autoscale": {"items_per_worker": 10},
        "run_policy": "Continuous",
        "parallelism": 8,
    }
    factory = a_worker_factory(Detail.LEASES, **spec)
    factory.world.queue.publish(30)
    factory.run(until_seconds=4)
    assert len(factory.world.controller.live_pods) == 3

    factory.run(until_seconds=60)

    assert factory.is_idle
    assert factory.most_pods == 3
    assert factory.world.store.current.status.desired_parallelism == 0
