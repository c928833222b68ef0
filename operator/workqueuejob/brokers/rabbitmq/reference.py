"""Which queues of RabbitMQ are measured for a run."""

from dataclasses import dataclass

from workqueuejob.api import RabbitMQQueue, WorkQueueJob
from workqueuejob.brokers.rabbitmq.names import delay_queue
from workqueuejob.brokers.retries import list_delays


@dataclass(frozen=True, slots=True)
class RabbitMQReference:
    """A queue to measure, and the queues beside it that hold items of the same run.

    delay_queues: the queues in which failed items rest; a missing one counts as empty.
    dead_letter: the dead-letter queue; None where there is none.
    """

    queue: str
    delay_queues: tuple[str, ...] = ()
    dead_letter: str | None = None

    def __str__(self) -> str:
        return self.queue


def build_reference(resource: WorkQueueJob, queue: RabbitMQQueue) -> RabbitMQReference:
    """Return what the probe measures; beside the queue only what our worker makes use of."""
    if resource.spec.worker is None:
        return RabbitMQReference(queue=queue.queue)
    return RabbitMQReference(
        queue=queue.queue,
        delay_queues=tuple(delay_queue(queue.queue, delay) for delay in list_delays(resource)),
        dead_letter=resource.spec.dead_letter_name,
    )
