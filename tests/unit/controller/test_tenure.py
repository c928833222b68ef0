"""An operator that meets the run of another installation: it says so once, and writes nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tests.builders import NAMESPACE
from tests.fake_broker import FakeBroker
from workqueuejob.api import WorkQueueJob
from workqueuejob.controller.actor import Actor
from workqueuejob.controller.operator import Operator
from workqueuejob.names import INSTALLATION_LABEL
from workqueuejob.planning.rules.installations import OPERATOR_CONFLICT, Installation

from .acting import FIRST, a_stored_object, acting, surrounding, until
from .fake_cluster import FakeCluster

ONE, TWO = Installation("wqj/one"), Installation("wqj/two")
WRITES = {"create job", "patch job", "patch job status", "patch status", "delete job"}


@pytest.fixture
def broker() -> FakeBroker:
    broker = FakeBroker(host=f"mq.{NAMESPACE}.svc")
    broker.declare("job1")
    broker.queues["job1"].publish(*"abcdefgh")
    return broker


def a_cluster(**status: Any) -> FakeCluster:
    stored = a_stored_object(parallelism=2)
    return FakeCluster(work_queue_job={**stored, "status": status})


def holder(cluster: FakeCluster) -> Any:
    return cluster.work_queue_job["status"].get("installation")


def conflict_notes(cluster: FakeCluster) -> list[str]:
    return [event["note"] for event in cluster.events if event["reason"] == OPERATOR_CONFLICT]


def count_rounds() -> float:
    return REGISTRY.get_sample_value("wqj_reconcile_duration_seconds_count") or 0.0


async def settle(actor: Actor) -> None:
    await until(lambda: actor.round_began_at is None)


def refresh(cluster: FakeCluster, actor: Actor) -> None:
    actor.update(WorkQueueJob.from_manifest(cluster.work_queue_job))


@asynccontextmanager
async def both(
    cluster: FakeCluster, broker: FakeBroker, first: Installation, second: Installation
) -> AsyncIterator[tuple[Actor, Actor]]:
    async with (
        acting(cluster, broker, installation=first) as one,
        acting(cluster, broker, installation=second) as two,
    ):
        yield one, two


async def test_status_job_pods_and_events_name_the_installation(broker: FakeBroker) -> None:
    cluster = a_cluster()
    async with acting(cluster, broker, installation=ONE):
        await until(lambda: bool(cluster.events))

    job, event = cluster.jobs[FIRST], cluster.events[0]
    assert holder(cluster) == "wqj/one"
    assert job["metadata"]["labels"][INSTALLATION_LABEL] == "wqj.one"
    assert job["spec"]["template"]["metadata"]["labels"][INSTALLATION_LABEL] == "wqj.one"
    assert event["metadata"]["labels"] == {INSTALLATION_LABEL: "wqj.one"}
    assert event["reportingInstance"] == "wqj/one/test"


async def test_run_of_another_installation_is_left_alone_with_one_event(broker: FakeBroker) -> None:
    cluster = a_cluster(installation="wqj/two")
    for _process in range(2):
        async with acting(cluster, broker, installation=ONE) as actor:
            await until(lambda: actor.is_of_other)
            # Something changes, and is no reason to write either.
            rounds = count_rounds()
            cluster.work_queue_job["metadata"]["resourceVersion"] = cluster.next_version()
            refresh(cluster, actor)
            await until(lambda: count_rounds() > rounds)  # noqa: B023 - called at once

    (note,) = conflict_notes(cluster)
    assert "wqj/two" in note
    assert "namespace shop" in note
    assert not WRITES & set(cluster.requests)
    assert cluster.jobs == {}


async def test_run_that_is_left_alone_is_counted_as_a_conflict(broker: FakeBroker) -> None:
    cluster = a_cluster(installation="wqj/two")
    with surrounding(cluster, broker, installation=ONE) as surroundings:
        operator = Operator(surroundings)
        event = {"type": None, "object": cluster.work_queue_job}
        await operator.on_work_queue_job(event=event)

        await until(lambda: operator.count_by_reason() == [(NAMESPACE, OPERATOR_CONFLICT)])
        await operator.close()


async def test_job_that_another_installation_has_just_begun_is_left_to_it(
    broker: FakeBroker,
) -> None:
    cluster = a_cluster()
    async with acting(cluster, broker, installation=TWO):
        await until(lambda: bool(cluster.events))
    # The Job was made, and the status is not written yet.
    cluster.work_queue_job["status"] = {}
    cluster.requests.clear()

    async with acting(cluster, broker, installation=ONE) as actor:
        await until(lambda: actor.is_of_other)

    assert len(conflict_notes(cluster)) == 1
    assert "patch status" not in cluster.requests


async def test_run_that_two_installations_serve_goes_on_under_one(broker: FakeBroker) -> None:
    cluster = a_cluster()
    async with both(cluster, broker, ONE, TWO) as actors:
        await until(lambda: FIRST in cluster.jobs and holder(cluster) is not None)
        for actor in actors:
            refresh(cluster, actor)
        await until(lambda: sum(actor.is_of_other for actor in actors) == 1)

    assert len(conflict_notes(cluster)) == 1
    assert list(cluster.jobs) == [FIRST]


async def test_conflict_that_is_settled_lets_the_run_go_on(broker: FakeBroker) -> None:
    cluster = a_cluster(installation="wqj/two")
    async with acting(cluster, broker, installation=ONE) as actor:
        await until(lambda: actor.is_of_other)
        cluster.work_queue_job["status"] = {}
        cluster.work_queue_job["metadata"]["resourceVersion"] = cluster.next_version()
        refresh(cluster, actor)

        await until(lambda: holder(cluster) == "wqj/one")
        assert not actor.is_of_other


async def test_namespace_passes_to_another_installation_in_mid_run(broker: FakeBroker) -> None:
    cluster = a_cluster()
    async with acting(cluster, broker, installation=ONE):
        await until(lambda: holder(cluster) == "wqj/one" and FIRST in cluster.jobs)

    successor = Installation("wqj/two", takes_over=frozenset({"wqj/one"}))
    async with acting(cluster, broker, installation=successor):
        await until(lambda: holder(cluster) == "wqj/two")

    assert list(cluster.jobs) == [FIRST]
    assert conflict_notes(cluster) == []
    # Without the option, too, the run stays where it is.
    cluster.requests.clear()
    async with acting(cluster, broker, installation=TWO) as actor:
        await until(lambda: "list jobs" in cluster.requests)
        assert not actor.is_of_other


async def test_run_that_has_ended_passes_to_the_successor_too(broker: FakeBroker) -> None:
    ended = {
        "type": "Complete",
        "status": "True",
        "reason": "Drained",
        "message": "",
        "lastTransitionTime": "2026-01-01T12:00:00Z",
        "observedGeneration": 1,
    }
    cluster = a_cluster(installation="wqj/one", conditions=[ended], observedGeneration=1)
    successor = Installation("wqj/two", takes_over=frozenset({"wqj/one"}))
    async with acting(cluster, broker, installation=successor):
        await until(lambda: holder(cluster) == "wqj/two")


async def test_two_that_may_take_over_from_each_other_do_not_go_on_for_ever(
    broker: FakeBroker,
) -> None:
    cluster = a_cluster(installation="wqj/one")
    first = Installation("wqj/one", takes_over=frozenset({"wqj/two"}))
    second = Installation("wqj/two", takes_over=frozenset({"wqj/one"}))
    async with both(cluster, broker, first, second) as actors:
        for _ in range(6):
            for actor in actors:
                refresh(cluster, actor)
                await settle(actor)
        await until(lambda: [actor.is_of_other for actor in actors] == [True, False])

    assert holder(cluster) == "wqj/two"
    assert len(conflict_notes(cluster)) == 1
