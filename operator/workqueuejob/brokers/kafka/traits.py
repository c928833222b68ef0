"""What the planner must know of a Kafka topic."""

from workqueuejob.api import KafkaQueue, StartFrom
from workqueuejob.brokers.traits import Traits


def read_traits(queue: KafkaQueue) -> Traits:
    """Return the traits of `spec.queue.kafka`."""
    return Traits(
        name=queue.topic, noun="topic", starts_at_end=queue.start_from is StartFrom.LATEST
    )
