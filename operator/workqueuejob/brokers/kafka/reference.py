"""Which topic a probe measures, and as whom; apart from the probe, whose client few need."""

from dataclasses import dataclass


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
