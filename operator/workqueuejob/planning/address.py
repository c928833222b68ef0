"""Names a queue for people, without credentials."""

from workqueuejob.api import QueueSource


def queue_address(queue: QueueSource) -> str:
    """Return the broker's kind and the queue's name, such as `rabbitmq/job1`."""
    if queue.rabbitmq is None:
        return "unknown"
    return f"rabbitmq/{queue.rabbitmq.queue}"
