"""Which list or stream of Redis is measured for a run."""

from dataclasses import dataclass

from workqueuejob.api import RedisQueue, WorkQueueJob
from workqueuejob.brokers.redis.settings import DEFAULT_LEASE_SECONDS


@dataclass(frozen=True, slots=True)
class RedisReference:
    """A list to measure or, with a consumer group, a stream.

    start_from: where a group that does not exist yet begins: Earliest or Latest.
    processing_key: where a foreign program keeps the items that it works on; None for
        `<key>:processing`.
    worker: whether `wqj-worker` drains the queue, or else a foreign program.
    dead_letter: the key of the dead-letter target; None where there is none.
    run: the run whose counters are read; empty reads none.
    lease_seconds: after how long a worker takes a stream's pending entry over.
    """

    key: str
    consumer_group: str | None = None
    start_from: str = "Earliest"
    processing_key: str | None = None
    worker: bool = True
    dead_letter: str | None = None
    run: str = ""
    lease_seconds: float = DEFAULT_LEASE_SECONDS


def build_reference(resource: WorkQueueJob, queue: RedisQueue) -> RedisReference:
    """Return what the probe measures."""
    has_worker = resource.spec.worker is not None
    return RedisReference(
        key=queue.key,
        consumer_group=queue.stream.consumer_group if queue.stream else None,
        processing_key=queue.list.processing_key if queue.list else None,
        worker=has_worker,
        dead_letter=resource.spec.dead_letter_name,
        run=resource.metadata.uid if has_worker else "",
        lease_seconds=queue.lease_seconds,
    )
