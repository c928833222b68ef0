"""What was observed too long ago is not acted on, and is observed again instead."""

import time
from functools import partial
from typing import Any

import pytest

from tests.builders import NAMESPACE
from tests.fake_broker import FakeBroker
from workqueuejob.cluster.observation import require_recent, rest_on
from workqueuejob.controller.stalls import Stalls
from workqueuejob.errors import ObservationTooOld

from .acting import FIRST, a_stored_object, acting, reason_of, until
from .fake_cluster import FakeCluster

LONGEST_SECONDS = 0.6


@pytest.fixture
def broker() -> FakeBroker:
    broker = FakeBroker(host=f"mq.{NAMESPACE}.svc")
    broker.declare("job1")
    return broker


class StallingCluster(FakeCluster):
    """Stalls the loop while a Secret is read, once, after the Job of a wave was decided."""

    def stall(self) -> None:
        """Replaced by a test."""

    async def read_secret(self, namespace: str, name: str) -> dict[str, Any] | None:
        if "try job" in self.requests:
            self.stall()
        return await super().read_secret(namespace, name)


def a_cluster(cluster_class: type[FakeCluster] = FakeCluster, **spec: Any) -> Any:
    cluster = cluster_class(
        work_queue_job=a_stored_object(
            **spec, rabbitmq={"credentialsSecretRef": {"name": "mq"}}, parallelism=2
        )
    )
    cluster.secrets["mq"] = {"data": {"username": "Z3Vlc3Q=", "password": "Z3Vlc3Q="}}
    return cluster


async def test_wave_that_was_decided_before_a_stall_is_not_created_after_it(
    broker: FakeBroker,
) -> None:
    broker.queues["job1"].publish("a", "b", "c")
    refused = 0
    stalls = 0

    def stall() -> None:
        nonlocal stalls
        stalls += 1
        if stalls == 1:
            # Another consumer takes all items meanwhile.
            broker.queues["job1"].ready.clear()
            time.sleep(2 * LONGEST_SECONDS)

    def guard() -> None:
        nonlocal refused
        try:
            require_recent(LONGEST_SECONDS)
        except ObservationTooOld:
            refused += 1
            raise

    cluster = a_cluster(StallingCluster)
    cluster.stall, cluster.guard = stall, guard

    async with acting(cluster, broker):
        await until(lambda: reason_of(cluster, "Progressing") == "VerifyingDrained")

    assert refused >= 1
    assert cluster.jobs == {}
    assert "create job" not in cluster.requests


async def test_refused_plan_is_made_again_from_what_is_there_then(broker: FakeBroker) -> None:
    broker.queues["job1"].publish("a", "b", "c")
    cluster = a_cluster(StallingCluster)
    stalled = False

    def stall() -> None:
        nonlocal stalled
        if not stalled:
            stalled = True
            broker.queues["job1"].publish("d", "e")
            time.sleep(2 * LONGEST_SECONDS)

    cluster.stall, cluster.guard = stall, partial(require_recent, LONGEST_SECONDS)

    async with acting(cluster, broker):
        await until(lambda: bool(cluster.work_queue_job.get("status", {}).get("waves")))

    assert cluster.jobs[FIRST]["spec"]["completions"] == 5
    assert cluster.requests.count("create job") == 1


async def test_plan_that_is_always_too_old_is_made_ever_more_seldom(broker: FakeBroker) -> None:
    broker.queues["job1"].publish("a")
    refused: list[float] = []

    def guard() -> None:
        refused.append(time.monotonic())
        raise ObservationTooOld("always")

    cluster = a_cluster()
    cluster.guard = guard

    async with acting(cluster, broker) as actor:
        await until(lambda: len(refused) >= 5)
        for _ in range(20):
            actor.wake()

    # News, such as a measurement, may cut the pauses after the first two short.
    assert refused[4] - refused[2] >= 0.8 * (0.8 + 1.6)


async def test_after_a_stall_the_object_and_its_jobs_are_read_before_anything_is_written(
    broker: FakeBroker,
) -> None:
    now = 100.0
    stalls = Stalls(lambda: now)
    stalls.note_beat()
    cluster = a_cluster(emptyStart="Wait")

    async with acting(cluster, broker, stalls=stalls) as actor:
        await until(lambda: reason_of(cluster, "Progressing") == "WaitingForItems")
        cluster.requests.clear()
        # The user suspends the run while the loop stalls, and no watch has told yet.
        cluster.work_queue_job["spec"]["suspend"] = True
        cluster.work_queue_job["metadata"] |= {"generation": 2, "resourceVersion": "5000"}
        cluster.version = 6000
        broker.queues["job1"].publish("a")
        now += 20
        actor.wake()
        await until(lambda: reason_of(cluster, "Progressing") == "Suspended")

    assert cluster.requests[:2] == ["read workqueuejob", "list jobs"]
    assert "create job" not in cluster.requests


def test_stall_is_noticed_by_whoever_asks_first() -> None:
    now = 100.0
    stalls = Stalls(lambda: now)
    assert stalls.last_end is None
    stalls.note_beat()
    now += 1
    assert stalls.last_end is None
    now += 20
    assert stalls.last_end == now
    stalls.note_beat()
    now += 1
    stalls.note_beat()
    assert stalls.last_end == 121.0


def test_task_that_has_observed_nothing_writes_nothing() -> None:
    with pytest.raises(ObservationTooOld):
        require_recent()
    rest_on(time.monotonic())
    require_recent()
    rest_on(time.monotonic() - 6)
    with pytest.raises(ObservationTooOld, match=r"an observation of 6\.\d s ago"):
        require_recent()
