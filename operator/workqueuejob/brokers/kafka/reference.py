"""Which topic of Kafka is measured for a run, and as whom."""

from dataclasses import dataclass

from workqueuejob.api import KafkaQueue, WorkQueueJob


@dataclass(frozen=True, slots=True)
class KafkaReference:
    """What a probe measures.

    worker: whether our workers drain it, of the run's name; else members can't be told apart.
    """

    topic: str
    consumer_group: str
    start_from: str = "Earliest"
    worker: bool = True
    run: str = ""
    dead_letter: str | None = None


def build_reference(resource: WorkQueueJob, queue: KafkaQueue) -> KafkaReference:
    """Return what the probe measures."""
    has_worker = resource.spec.worker is not None
    return KafkaReference(
        topic=queue.topic,
        consumer_group=queue.consumer_group,
        start_from=str(queue.start_from),
        worker=has_worker,
        run=resource.metadata.uid if has_worker else "",
        dead_letter=resource.spec.dead_letter_name,
    )
