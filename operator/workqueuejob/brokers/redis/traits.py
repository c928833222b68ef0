"""What the planner must know of a Redis list or stream."""

from workqueuejob.api import RedisQueue
from workqueuejob.brokers.redis.keys import processing_key
from workqueuejob.brokers.redis.settings import FIELD
from workqueuejob.brokers.traits import Abandonment, Traits


def read_traits(queue: RedisQueue) -> Traits:
    """Return the traits of `spec.queue.redis`."""
    credentials = queue.credentials_secret_ref
    return Traits(
        name=queue.key,
        counts_settled=True,
        makes_dead_letter_target=True,
        abandonment=Abandonment(
            seconds=queue.lease_seconds,
            field=f"{FIELD}.leaseSeconds",
            recovery=_describe_recovery(queue),
        ),
        login_for_url=credentials.name if credentials else None,
        operator_only=(("list", "processingKey"),),
    )


def _describe_recovery(queue: RedisQueue) -> str:
    if queue.stream is not None:
        group = queue.stream.consumer_group
        return (
            f"pending in consumer group {group}; XCLAIM or XACK it"
            f" (XPENDING {queue.key} {group} shows which), or let spec.worker do the taking"
        )
    named = queue.list.processing_key if queue.list else None
    processing = named or processing_key(queue.key)
    return (
        f"in {processing}, where a program such as rediswq never looks again; move it back with"
        f" LMOVE {processing} {queue.key} LEFT RIGHT, or let spec.worker do the taking, whose"
        " leases run out"
    )
