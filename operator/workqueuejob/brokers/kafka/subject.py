"""The topic and group that a request to Kafka was about, for the message of its error. Pure."""

from dataclasses import dataclass

from workqueuejob.brokers.kafka.settings import KafkaConnection


@dataclass(frozen=True, slots=True)
class Subject:
    """The cluster, topic and group of a request; topic and group are empty where it has none."""

    connection: KafkaConnection
    topic: str = ""
    group: str = ""

    @property
    def address(self) -> str:
        """The cluster's address, for messages."""
        return self.connection.address
