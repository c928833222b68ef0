"""Which queues of RabbitMQ are measured for a run."""

from collections.abc import Iterator
from dataclasses import dataclass

from workqueuejob.api import RabbitMQQueue, WorkQueueJob
from workqueuejob.brokers.rabbitmq.names import (
    chosen_delays_queue,
    delay_queue,
    list_chosen_delay_queues,
)
from workqueuejob.brokers.retries import list_delays


@dataclass(frozen=True, slots=True)
class RabbitMQReference:
    """A queue to measure, and the queues beside it that hold items of the same run.

    delay_queues: the queues in which failed items rest; a missing one counts as empty.
    dead_letter: the dead-letter queue; None where there is none.
    may_choose_delays: whether the work may let items rest for other delays than the settings'.
    """

    queue: str
    delay_queues: tuple[str, ...] = ()
    dead_letter: str | None = None
    may_choose_delays: bool = False

    @property
    def chosen_delays(self) -> str | None:
        """The queue whose existence says that there may be queues for chosen delays."""
        return chosen_delays_queue(self.queue) if self.may_choose_delays else None

    def list_chosen_delay_queues(self) -> Iterator[str]:
        """Return the queues for chosen delays that are not among `delay_queues`.

        They are not kept, because few exist, and there may be ten thousand references.
        """
        if self.may_choose_delays:
            known = frozenset(self.delay_queues)
            yield from (name for name in list_chosen_delay_queues(self.queue) if name not in known)

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
        may_choose_delays=True,
    )
