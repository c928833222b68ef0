"""What a question to Kafka was about, for the words that say how it failed."""

from dataclasses import dataclass

from workqueuejob.brokers.connection import KafkaConnection


@dataclass(frozen=True, slots=True)
class Subject:
    """What was asked for when it failed; topic and group are empty where none was named."""

    connection: KafkaConnection
    topic: str = ""
    group: str = ""

    @property
    def address(self) -> str:
        """Of the cluster, for messages."""
        return self.connection.address
