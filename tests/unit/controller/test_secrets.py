"""Secrets that change while a run goes on: seen within seconds, and before anything ends."""

import asyncio
import base64
import copy
import time
from typing import Any, cast

import pytest

from tests.builders import NAMESPACE
from tests.fake_broker import FakeBroker, FakeProbe
from workqueuejob.brokers.rabbitmq.settings import RabbitMQConnection
from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.controller.actor import Actor
from workqueuejob.controller.secret_reads import SecretReads
from workqueuejob.planning.ledger.books import Books, reckon
from workqueuejob.planning.observing.observed import Observed

from .acting import FIRST, a_stored_object, acting, reason_of, until
from .fake_cluster import FakeCluster

SECRET = "broker"


class Brokers:
    """Two brokers, to which the URI in a Secret leads."""

    def __init__(self) -> None:
        self.old, self.new = (FakeBroker(host=f"{name}.{NAMESPACE}.svc") for name in ("old", "new"))
        for broker in (self.old, self.new):
            broker.declare("job1")

    def connect(self, settings: RabbitMQConnection) -> FakeProbe:
        return (self.new if settings.host == self.new.host else self.old).connect(settings)


def a_secret(uri: str) -> dict[str, Any]:
    return {"data": {"uri": base64.b64encode(uri.encode()).decode()}}


def a_cluster(uri: str, **spec: Any) -> FakeCluster:
    stored = a_stored_object(**spec)
    stored["spec"]["queue"] = {"rabbitmq": {"queue": "job1", "uriSecretRef": {"name": SECRET}}}
    return FakeCluster(work_queue_job=stored, secrets={SECRET: a_secret(uri)})


def count_reads(cluster: FakeCluster) -> int:
    return cluster.requests.count(f"read secret {SECRET}")


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("amqp://nowhere/", "ConnectionFailed"),
        ("amqp://old/elsewhere", "VirtualHostNotFound"),
        ("amqp://ann:wrong@old/", "AuthenticationFailed"),
        ("amqp://old:notaport/", "CredentialsNotURLSafe"),
    ],
)
async def test_secret_that_is_mended_is_seen_within_seconds_whatever_was_wrong(
    uri: str, reason: str
) -> None:
    cluster, brokers = a_cluster(uri), Brokers()
    brokers.old.queues["job1"].publish("a")
    async with acting(cluster, brokers):
        await until(lambda: reason_of(cluster, "QueueReachable") == reason)
        cluster.secrets[SECRET] = a_secret("amqp://old/")
        await until(lambda: FIRST in cluster.jobs)


async def test_queue_that_is_missing_is_found_at_the_broker_that_the_secret_names_then() -> None:
    cluster, brokers = a_cluster("amqp://old/"), Brokers()
    brokers.old.delete("job1")
    brokers.new.queues["job1"].publish("a")
    async with acting(cluster, brokers):
        await until(lambda: reason_of(cluster, "QueueReachable") == "QueueNotFound")
        cluster.secrets[SECRET] = a_secret("amqp://new/")
        await until(lambda: FIRST in cluster.jobs)


async def test_run_does_not_end_because_a_former_broker_is_empty() -> None:
    # 60 s: without a look before the end, the idle run would not read the Secret until then.
    cluster, brokers = a_cluster("amqp://old/", drainedAfterSeconds=2), Brokers()
    brokers.new.queues["job1"].publish("a", "b")
    async with acting(cluster, brokers):
        await until(lambda: reason_of(cluster, "Progressing") == "VerifyingDrained")
        cluster.secrets[SECRET] = a_secret("amqp://new/")
        await until(lambda: FIRST in cluster.jobs)
    assert reason_of(cluster, "Complete") is None
    assert cluster.jobs[FIRST]["spec"]["completions"] == 2


async def test_proof_that_a_queue_is_empty_begins_anew_at_another_broker() -> None:
    cluster, brokers = a_cluster("amqp://old/", drainedAfterSeconds=2), Brokers()
    async with acting(cluster, brokers):
        await until(lambda: reason_of(cluster, "Progressing") == "VerifyingDrained")
        cluster.secrets[SECRET] = a_secret("amqp://new/")
        await until(lambda: brokers.new.rounds > 0)
        began = time.monotonic()
        await until(lambda: reason_of(cluster, "Complete") is not None)
    assert time.monotonic() - began > 1.5


def suspend(cluster: FakeCluster, actor: Actor) -> None:
    """Suspend the first Job, as another controller does."""
    job = cluster.jobs[FIRST]
    job["spec"]["suspend"] = True
    job["metadata"]["resourceVersion"] = cluster.next_version()
    actor.put_job(copy.deepcopy(job))


async def test_job_that_others_suspend_is_resumed_no_sooner_because_the_queue_is_another_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("workqueuejob.planning.rules.secret_age.AT_WORK_SECONDS", 0.1)
    cluster, brokers = a_cluster("amqp://old/"), Brokers()
    for broker in (brokers.old, brokers.new):
        broker.queues["job1"].publish("a")
    async with acting(cluster, brokers) as actor:
        await until(lambda: FIRST in cluster.jobs)
        suspend(cluster, actor)
        await until(lambda: not cluster.jobs[FIRST]["spec"]["suspend"])
        cluster.secrets[SECRET] = a_secret("amqp://new/")
        await until(lambda: brokers.new.rounds > 0)
        suspend(cluster, actor)
        await until(lambda: reason_of(cluster, "Progressing") == "SuspendedByOthers")
    assert cluster.jobs[FIRST]["spec"]["suspend"]


async def test_first_wave_is_that_of_the_broker_which_its_pods_will_ask() -> None:
    cluster, brokers = a_cluster("amqp://old/", runPolicy="Continuous"), Brokers()
    async with acting(cluster, brokers):
        await until(lambda: reason_of(cluster, "Progressing") == "WaitingForItems")
        cluster.secrets[SECRET] = a_secret("amqp://new/")
        brokers.old.queues["job1"].publish("a", "b", "c")
        await until(lambda: brokers.new.rounds > 0)
        assert not cluster.jobs
        brokers.new.queues["job1"].publish("x")
        await until(lambda: FIRST in cluster.jobs)
    assert cluster.jobs[FIRST]["spec"]["completions"] == 1


async def test_idle_run_reads_its_secret_seldom() -> None:
    cluster, brokers = a_cluster("amqp://old/", runPolicy="Continuous"), Brokers()
    async with acting(cluster, brokers) as actor:
        await until(lambda: reason_of(cluster, "Progressing") == "WaitingForItems")
        rounds = brokers.old.rounds
        for _ in range(20):
            actor.wake()
            await asyncio.sleep(0.1)
        assert brokers.old.rounds > rounds
    assert count_reads(cluster) == 1


async def test_secret_that_many_want_at_once_is_read_once() -> None:
    cluster = a_cluster("amqp://old/")
    reads = SecretReads(cast("ClusterAPI", cluster))
    now = time.monotonic()
    found = await asyncio.gather(
        *(reads.read(NAMESPACE, SECRET, not_before=now - 1) for _ in range(100))
    )
    assert count_reads(cluster) == 1
    assert all(data == {"uri": b"amqp://old/"} for data in found)
    # Who has measured since must know that it has not changed since.
    await reads.read(NAMESPACE, SECRET, not_before=time.monotonic())
    assert count_reads(cluster) == 2


async def test_secrets_of_an_idle_run_are_read_again_without_another_look_at_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    observed: list[Observed] = []

    def note(seen: Observed, **fields: Any) -> Books:
        observed.append(seen)
        return reckon(seen, **fields)

    monkeypatch.setattr("workqueuejob.controller.reconciler.reckon", note)
    monkeypatch.setattr("workqueuejob.planning.rules.secret_age.IDLE_SECONDS", 0.1)
    cluster, brokers = a_cluster("amqp://old/", emptyStart="Wait"), Brokers()

    async with acting(cluster, brokers):
        await until(lambda: reason_of(cluster, "Progressing") == "WaitingForItems")
        await until(lambda: count_reads(cluster) > 3)
        looks, reads = len(observed), count_reads(cluster)
        await until(lambda: count_reads(cluster) > reads + 3)
        assert len(observed) == looks

        # The Secret leads to another queue, so the run is looked at again.
        brokers.new.queues["job1"].publish("a")
        cluster.secrets[SECRET] = a_secret("amqp://new/")
        await until(lambda: FIRST in cluster.jobs)
