"""A Kafka topic, as one consumer group sees it, as the source of items.

Nothing here connects. Unset means unset: what it stands for is filled in by who connects.
"""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from workqueuejob.api.base import Model, Rule, RuleReason, atomic_list, immutable
from workqueuejob.api.broker_queue import BrokerQueue
from workqueuejob.api.scalars import HostAndPort, Username
from workqueuejob.api.secrets import KafkaCredentialsSecretReference
from workqueuejob.api.tls import TLS

_TOPIC_NAME = "^([-._a-zA-Z0-9]*[-_a-zA-Z0-9][-._a-zA-Z0-9]*|[.]{3,})$"
"""Kafka takes neither . nor .. as a name."""

TopicName = Annotated[str, Field(min_length=1, max_length=249, pattern=_TOPIC_NAME)]
ConsumerGroup = Annotated[str, Field(min_length=1, max_length=249)]


class StartFrom(StrEnum):
    """Where a group begins that has committed nothing."""

    EARLIEST = "Earliest"
    LATEST = "Latest"


class SASLMechanism(StrEnum):
    """How we prove who we are."""

    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"


class KafkaSASL(Model):
    """A login with user name and password."""

    mechanism: SASLMechanism
    """How to log in: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512. PLAIN sends the password unencrypted,
    so use it with tls."""

    username: Username | None = None
    """User name. Unset: the user name in the Secret. A Secret that Strimzi makes for a user holds
    only a password, so set this field for it."""

    credentials_secret_ref: KafkaCredentialsSecretReference
    """Secret with the password. It also holds the user name, unless username is set."""


_SPEC_RULES: tuple[Rule, ...] = (
    Rule(
        rule="!has(self.queue.kafka) || self.mode == 'Fine'",
        message=(
            "mode Coarse has no meaning on a partitioned log, whose items are settled in order by"
            " the pod that has their partition; set mode: Fine, and leave itemsPerPod out"
        ),
        field_path=".mode",
        reason=RuleReason.INVALID,
    ),
    Rule(
        rule=(
            "!has(self.queue.kafka) || self.queue.kafka.startFrom != 'Latest'"
            " || self.runPolicy != 'UntilDrained' || oldSelf.hasValue()"
        ),
        message=(
            "queue.kafka.startFrom must not be Latest with runPolicy UntilDrained: there would be"
            " nothing to drain; use Earliest, or runPolicy: Continuous"
        ),
        field_path=".queue.kafka.startFrom",
        reason=RuleReason.FORBIDDEN,
        # A run that was Continuous may wind down.
        knows_old_self=True,
    ),
    Rule(
        rule=(
            "!has(self.worker) || !has(self.queue.kafka) || (has(self.retry)"
            " && (has(self.retry.deadLetter) || self.retry.onExhausted == 'Discard'))"
        ),
        message=(
            "retry must say what becomes of an item after its last attempt, with worker and"
            " kafka; set retry.deadLetter.name to a topic that exists, or retry.onExhausted to"
            " Discard"
        ),
        field_path=".retry",
        reason=RuleReason.REQUIRED,
    ),
    Rule(
        rule=(
            "!has(self.retry) || !has(self.retry.deadLetter) || !has(self.queue.kafka)"
            " || (self.retry.deadLetter.name.size() <= 249"
            f" && self.retry.deadLetter.name.matches('{_TOPIC_NAME}'))"
        ),
        message=(
            "retry.deadLetter.name must be the name of a topic, with kafka: at most 249 letters,"
            " digits, dots, underscores and hyphens; correct it"
        ),
        field_path=".retry.deadLetter.name",
    ),
)


class KafkaQueue(BrokerQueue):
    """One topic of a Kafka cluster, and the consumer group that reads it."""

    name_fields = ("topic",)
    spec_rules = _SPEC_RULES

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            rule="self.bootstrapServers.all(server, server.matches('^[^/@:]+:[0-9]+$'))",
            message=(
                "bootstrapServers must be host:port each, such as kafka:9092; add the port, and"
                " remove scheme, user and path"
            ),
            field_path=".bootstrapServers",
        ),
        Rule(
            rule="!has(self.tls) || !has(self.tls.serverName)",
            message=(
                "tls.serverName must not be set: a cluster has many brokers, each of which is"
                " verified by the name that it gives itself; name it so in its certificate"
            ),
            field_path=".tls.serverName",
            reason=RuleReason.FORBIDDEN,
        ),
        immutable("topic", remedy="create another WorkQueueJob for another topic"),
        immutable("consumerGroup", remedy="create another WorkQueueJob for another group"),
        immutable("startFrom", remedy="create another WorkQueueJob to start somewhere else"),
    )

    bootstrap_servers: Annotated[
        tuple[HostAndPort, ...],
        Field(min_length=1, max_length=16, json_schema_extra=atomic_list()),
    ]
    """Addresses of 1 to 16 brokers, each as host:port, usually with port 9092. One that answers is
    enough, because it names the other brokers. A host without a dot is a Service of the
    WorkQueueJob's namespace. The brokers must be reachable by the names in their
    advertised.listeners."""

    topic: TopicName
    """Name of the topic. The topic must exist. Immutable."""

    consumer_group: ConsumerGroup
    """Name of the consumer group that reads the topic. Everything before its committed offsets is
    done. Only this run may use the group, because other members would take items away from it.
    Immutable."""

    start_from: StartFrom = StartFrom.EARLIEST
    """Where the run begins in a partition for which the group has committed no offset. Earliest: at
    its start. Latest: at the end that it had when the run began, only with runPolicy Continuous.
    Default: Earliest. Immutable."""

    sasl: KafkaSASL | None = None
    """How to log in. Unset: no login."""

    tls: TLS | None = None
    """TLS to the brokers. {} means TLS with the system's certificate authorities. Unset: no TLS."""
