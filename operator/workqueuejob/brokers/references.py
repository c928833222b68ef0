"""What of a broker is measured for a WorkQueueJob: its queue, and the places beside it."""

from workqueuejob.api import KafkaQueue, RabbitMQQueue, WorkQueueJob
from workqueuejob.api.redis import RedisQueue
from workqueuejob.brokers.connection import BrokerConnection, KafkaConnection, RabbitMQConnection
from workqueuejob.brokers.hosts import AllowedHosts
from workqueuejob.brokers.kafka.reference import KafkaReference
from workqueuejob.brokers.probe import Probe
from workqueuejob.brokers.rabbitmq import probe as rabbitmq
from workqueuejob.brokers.rabbitmq.names import delay_queue
from workqueuejob.brokers.rabbitmq.probe import RabbitMQReference
from workqueuejob.brokers.redis import probe as redis
from workqueuejob.brokers.redis.probe import RedisReference
from workqueuejob.brokers.retries import list_delays
from workqueuejob.errors import QueueTypeUnsupported

QueueReference = RabbitMQReference | RedisReference | KafkaReference


def build_reference(resource: WorkQueueJob) -> QueueReference:
    """Return what a probe of the broker measures; raises QueueTypeUnsupported."""
    queue = resource.spec.queue
    if queue.rabbitmq is not None:
        return _refer_to_rabbitmq(resource, queue.rabbitmq)
    if queue.redis is not None:
        return _refer_to_redis(resource, queue.redis)
    if queue.kafka is not None:
        return _refer_to_kafka(resource, queue.kafka)
    raise QueueTypeUnsupported("spec.queue names no broker that is known here")


def connect(settings: BrokerConnection, *, allowed_hosts: AllowedHosts) -> Probe[QueueReference]:
    """Open a probe; raise a QueueError when the broker can't be reached or refuses.

    Hosts that the spec names were checked when the settings were made; those that a broker names
    are checked here.
    """
    # A connection is only ever asked for references of its own broker's kind.
    if isinstance(settings, RabbitMQConnection):
        return rabbitmq.connect(settings)  # type: ignore[return-value]
    if isinstance(settings, KafkaConnection):
        # Here, for it takes memory that few need.
        from workqueuejob.brokers.kafka import probe as kafka

        return kafka.connect(settings, allowed_hosts)  # type: ignore[return-value]
    return redis.connect(settings, allowed_hosts)  # type: ignore[return-value]


def _refer_to_rabbitmq(resource: WorkQueueJob, source: RabbitMQQueue) -> RabbitMQReference:
    if resource.spec.worker is None:
        return RabbitMQReference(queue=source.queue)
    return RabbitMQReference(
        queue=source.queue,
        delay_queues=tuple(delay_queue(source.queue, delay) for delay in list_delays(resource)),
        dead_letter=resource.spec.dead_letter_name,
    )


def _refer_to_redis(resource: WorkQueueJob, source: RedisQueue) -> RedisReference:
    has_worker = resource.spec.worker is not None
    return RedisReference(
        key=source.key,
        consumer_group=source.stream.consumer_group if source.stream else None,
        processing_key=source.list.processing_key if source.list else None,
        worker=has_worker,
        dead_letter=resource.spec.dead_letter_name,
        run=resource.metadata.uid if has_worker else "",
        lease_seconds=source.lease_seconds,
    )


def _refer_to_kafka(resource: WorkQueueJob, source: KafkaQueue) -> KafkaReference:
    has_worker = resource.spec.worker is not None
    return KafkaReference(
        topic=source.topic,
        consumer_group=source.consumer_group,
        start_from=str(source.start_from),
        worker=has_worker,
        run=resource.metadata.uid if has_worker else "",
        dead_letter=resource.spec.dead_letter_name,
    )
