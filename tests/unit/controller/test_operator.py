"""From kopf's events to actors: which there are, and when one ends."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.builders import NAME, NAMESPACE, UID, a_template
from tests.fake_broker import FakeBroker
from workqueuejob.controller.operator import Operator

from .acting import surrounding
from .fake_cluster import FakeCluster

Manifest = dict[str, Any]


@pytest.fixture
async def operator() -> AsyncIterator[Operator]:
    with surrounding(FakeCluster(), FakeBroker()) as surroundings:
        operator = Operator(surroundings)
        yield operator
        await operator.close()


def an_object(uid: str = UID, **spec: Any) -> Manifest:
    metadata = {"name": NAME, "namespace": NAMESPACE, "uid": uid, "generation": 1}
    queue = {"rabbitmq": {"host": "mq", "queue": "job1"}}
    return {
        "metadata": {**metadata, "resourceVersion": "1"},
        "spec": {"queue": queue, "template": a_template(), "suspend": True, **spec},
    }


async def tell(operator: Operator, manifest: Manifest, kind: str | None = None) -> None:
    await operator.on_work_queue_job(event={"type": kind, "object": manifest})


def uids(operator: Operator) -> list[str]:
    return [actor.resource.metadata.uid for actor in operator.actors]


async def test_object_has_one_actor_however_often_it_is_listed(operator: Operator) -> None:
    await tell(operator, an_object())
    (first,) = operator.actors
    await tell(operator, an_object())

    assert operator.actors == (first,)


async def test_namesake_ends_the_actor_of_the_object_before(operator: Operator) -> None:
    await tell(operator, an_object("old"))
    await tell(operator, an_object("new"))

    assert uids(operator) == ["new"]


async def test_late_deletion_of_the_object_before_leaves_its_namesake_alone(
    operator: Operator,
) -> None:
    await tell(operator, an_object("old"))
    await tell(operator, an_object("new"))
    await tell(operator, an_object("old"), "DELETED")

    assert uids(operator) == ["new"]


async def test_deleted_object_has_no_actor(operator: Operator) -> None:
    await tell(operator, an_object())
    # A deletion that was found by comparing lists tells no more than this.
    await tell(operator, {"metadata": {"name": NAME, "uid": UID}}, "DELETED")

    assert operator.actors == ()


async def test_object_that_can_not_be_read_is_logged_once_and_forgotten_with_its_deletion(
    operator: Operator,
) -> None:
    with capture_logs() as logs:
        for kind in (None, "MODIFIED", "DELETED", "ADDED"):
            await tell(operator, an_object(mode="Unheard"), kind)

    assert operator.actors == ()
    assert [line["log_level"] for line in logs] == ["error", "error"]


async def test_pod_without_labels_belongs_to_no_actor(operator: Operator) -> None:
    await operator.on_pod(event={"type": None, "object": {"metadata": {"name": "p"}}})
