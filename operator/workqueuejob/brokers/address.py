"""Names a queue for people, without credentials."""

from workqueuejob.api import QueueSource
from workqueuejob.api.redis import RedisQueue
from workqueuejob.brokers.redis import keys as redis_keys


def queue_address(queue: QueueSource) -> str:
    """Return the broker's kind and the queue's name, such as `rabbitmq/job1`."""
    if queue.rabbitmq is not None:
        return f"rabbitmq/{queue.rabbitmq.queue}"
    if queue.redis is not None:
        return f"redis/{queue.redis.key}"
    if queue.kafka is not None:
        return f"kafka/{queue.kafka.topic}"
    return "unknown"


def processing_key(redis: RedisQueue) -> str:
    """Return the list to which a foreign program moves what it works on, as rediswq does."""
    named = redis.list.processing_key if redis.list else None
    return named or redis_keys.processing_key(redis.key)
