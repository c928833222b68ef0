"""An actor at work: against an API server and a broker in memory, with the real meter."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from typing import Any, Protocol, cast

from tests.builders import NAME, NAMESPACE, UID, a_template
from workqueuejob.api import WorkQueueJob
from workqueuejob.brokers.hosts import ALL_HOSTS, AllowedHosts
from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.controller.actor import Actor
from workqueuejob.controller.job_lists import JobLists
from workqueuejob.controller.queue_follower import QueueMeter
from workqueuejob.controller.secret_reads import SecretReads
from workqueuejob.controller.stalls import Stalls
from workqueuejob.controller.surroundings import Surroundings
from workqueuejob.measuring.meter import Meter
from workqueuejob.names import job_name
from workqueuejob.planning.pods.job_manifest import WorkerImage
from workqueuejob.planning.rules.installations import Installation

from .fake_cluster import FakeCluster

FIRST = job_name(NAME, UID, 1)


class Connecting(Protocol):
    """One broker in memory, or several that settings tell apart."""

    def connect(self, settings: Any, /) -> object: ...


def a_stored_object(**spec: Any) -> dict[str, Any]:
    queue = {"rabbitmq": {"host": "mq", "queue": "job1"} | spec.pop("rabbitmq", {})}
    metadata = {
        "name": NAME,
        "namespace": NAMESPACE,
        "uid": UID,
        "generation": 1,
        "resourceVersion": "1",
    }
    return {
        "metadata": metadata,
        "spec": {"queue": queue, "drainedAfterSeconds": 0, "template": a_template(), **spec},
    }


@contextmanager
def surrounding(
    cluster: FakeCluster,
    broker: Connecting,
    *,
    allowed_hosts: AllowedHosts = ALL_HOSTS,
    installation: Installation | None = None,
    stalls: Stalls | None = None,
) -> Iterator[Surroundings]:
    """Offer what actors share, with a meter that ends with the test."""
    # The broker in memory is asked for RabbitMQ's queues only.
    meter: QueueMeter = Meter(0.05, connect=cast("Any", broker.connect))
    api = cast("ClusterAPI", cluster)
    with closing(meter):
        yield Surroundings(
            cluster=api,
            secrets=SecretReads(api),
            job_lists=JobLists(api),
            meter=meter,
            instance="test",
            worker_image=WorkerImage("worker"),
            allowed_hosts=allowed_hosts,
            installation=installation or Installation(),
            stalls=stalls or Stalls(),
        )


@asynccontextmanager
async def acting(
    cluster: FakeCluster,
    broker: Connecting,
    *,
    allowed_hosts: AllowedHosts = ALL_HOSTS,
    installation: Installation | None = None,
    on_gone: Callable[[Actor], None] = lambda _: None,
    stalls: Stalls | None = None,
) -> AsyncIterator[Actor]:
    """Let an actor reconcile the stored object during the block."""
    resource = WorkQueueJob.from_manifest(cluster.work_queue_job)
    with surrounding(
        cluster,
        broker,
        allowed_hosts=allowed_hosts,
        installation=installation,
        stalls=stalls,
    ) as surroundings:
        actor = Actor(surroundings, resource, on_gone=on_gone)
        try:
            yield actor
        finally:
            await actor.close()


async def until(holds: Callable[[], bool], *, seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.01)


def reason_of(cluster: FakeCluster, condition_type: str) -> str | None:
    conditions = cluster.work_queue_job.get("status", {}).get("conditions", [])
    return next((c["reason"] for c in conditions if c["type"] == condition_type), None)
