"""Where a Kafka topic is and how to get in, as values. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from workqueuejob.brokers.connection import Reach, TLSSettings
from workqueuejob.contract.retry import RetrySettings

SCHEMES: dict[str, bool] = {}
"""Kafka's clients know no URI."""

DEFAULT_SESSION_TIMEOUT_SECONDS = 45
DEFAULT_MAX_POLL_INTERVAL_SECONDS = 300
FIELD = "spec.queue.kafka"


@dataclass(frozen=True, slots=True)
class KafkaSource:
    """A topic as one consumer group sees it.

    start_from: where a partition begins of which the group has committed nothing.
    starts: where they begin instead, as `contract.offsets.TopicOffsets` writes it; None
        leaves that to start_from.
    targets: the ends up to which to work, in the same form; None follows.
    session_timeout_seconds: after which the group takes a silent worker's partitions away.
    max_poll_interval_seconds: the same for one whose poll loop is stuck; also for how long a
        rebalance waits for a worker at the most.
    """

    broker: ClassVar[str] = "kafka"

    bootstrap_servers: tuple[str, ...]
    topic: str
    consumer_group: str
    start_from: str = "Earliest"
    starts: str | None = None
    targets: str | None = None
    sasl_mechanism: str | None = None
    session_timeout_seconds: float = DEFAULT_SESSION_TIMEOUT_SECONDS
    max_poll_interval_seconds: float = DEFAULT_MAX_POLL_INTERVAL_SECONDS


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """One Kafka cluster.

    bootstrap_servers: `host:port` each; they name all others.
    sasl_mechanism: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; None means no login.
    reach: where the connection may go; None sets no limits.
    """

    broker: ClassVar[str] = "kafka"

    bootstrap_servers: tuple[str, ...]
    sasl_mechanism: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: TLSSettings | None = None
    reach: Reach | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """The first of the bootstrap servers, for messages and logs."""
        return self.bootstrap_servers[0]


def read_source(written: Mapping[str, Any]) -> KafkaSource:
    """Return a source that was written as JSON; raise TypeError for anything else."""
    return KafkaSource(**{**written, "bootstrap_servers": tuple(written["bootstrap_servers"])})


def build_local(_queue: str) -> tuple[KafkaSource, RetrySettings] | None:
    """Return None: a URL and a queue don't say where a consumer group stands."""
    return None
