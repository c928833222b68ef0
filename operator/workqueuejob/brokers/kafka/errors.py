"""Translates librdkafka's error codes by one table, and says for each what a person can change.

Messages hold addresses and names of users, topics and groups, never a password.
"""

from collections.abc import Callable
from typing import TypeAlias

from confluent_kafka import KafkaError, KafkaException

from workqueuejob.brokers.kafka import codes
from workqueuejob.brokers.kafka.client import ReportedErrors
from workqueuejob.brokers.kafka.connection_errors import (
    bad_settings,
    login_refused,
    other,
    tls_failed,
    unknown_host,
    unreachable,
    unreadable,
)
from workqueuejob.brokers.kafka.settings import FIELD
from workqueuejob.brokers.kafka.subject import Subject
from workqueuejob.errors import (
    AuthorizationFailed,
    ConsumerGroupInUse,
    MeasurementUnreliable,
    QueueError,
    QueueNotFound,
    QueueTypeUnsupported,
)

Translation: TypeAlias = Callable[[KafkaError, Subject], QueueError]


def read_error(error: KafkaException) -> KafkaError:
    """Return the KafkaError that an exception of librdkafka carries."""
    carried = error.args[0] if error.args else None
    return carried if isinstance(carried, KafkaError) else KafkaError(codes.FAIL, str(error))


def translate(
    error: KafkaError, subject: Subject, reported: ReportedErrors | None = None
) -> QueueError:
    """Return the QueueError for an error of librdkafka.

    reported: the errors by which the client explains a missing answer.
    """
    cause = error if reported is None else reported.explain(error)
    translation = TRANSLATIONS.get(cause.code(), other)
    return translation(cause, subject)


def build_group_in_use(
    subject: Subject, *, programs: int = 0, workers: int = 0
) -> ConsumerGroupInUse:
    """Return the error for a group that has other members than the run's workers.

    The message counts them and does not name them. They may belong to another namespace, whose
    names, UIDs and addresses the readers of this namespace must not see.

    workers: how many are workers of another WorkQueueJob, or of a former run.
    programs: how many are other programs.
    """
    members = [
        *([_count(programs, "other program", "other programs")] if programs else ()),
        *([_count(workers, "worker", "workers") + " of another WorkQueueJob"] if workers else ()),
    ]
    return ConsumerGroupInUse(
        f"group {subject.group!r} on {subject.address} has members that are not of this run:"
        f" {' and '.join(members)}; kafka-consumer-groups.sh --describe --members --group"
        f" {subject.group} names them. Stop them, or create another WorkQueueJob with a"
        f" {FIELD}.consumerGroup that no other program uses"
    )


def _count(number: int, singular: str, plural: str) -> str:
    return f"{number} {singular if number == 1 else plural}"


def _forbidden(resource: str, rights: str) -> Translation:
    def build(_error: KafkaError, subject: Subject) -> QueueError:
        name = {"topic": subject.topic, "group": subject.group}.get(resource, "")
        named = f"{resource} {name!r}" if name else f"the {resource}"
        return AuthorizationFailed(
            f"user {subject.connection.username or 'ANONYMOUS'!r} may not use {named} on"
            f" {subject.address}; grant {rights} (kafka-acls.sh)"
        )

    return build


def _missing_topic(_error: KafkaError, subject: Subject) -> QueueError:
    return QueueNotFound(
        f"topic {subject.topic!r} not found on {subject.address}; create it, or create the"
        f" WorkQueueJob anew with another {FIELD}.topic"
    )


def _invalid(resource: str, field: str) -> Translation:
    def build(error: KafkaError, subject: Subject) -> QueueError:
        name = subject.topic if resource == "topic" else subject.group
        return QueueNotFound(
            f"{resource} {name!r} is refused by {subject.address} ({error.str()}); create the"
            f" WorkQueueJob anew with another {FIELD}.{field}"
        )

    return build


def _foreign_group(_error: KafkaError, subject: Subject) -> QueueError:
    return ConsumerGroupInUse(
        f"group {subject.group!r} on {subject.address} has members that share partitions out in"
        f" another way; stop them, or create the WorkQueueJob anew with a {FIELD}.consumerGroup of"
        " its own"
    )


def _unavailable(state: str) -> Translation:
    def build(error: KafkaError, subject: Subject) -> QueueError:
        return MeasurementUnreliable(
            f"{subject.address}: {state} ({error.str()}); bring its brokers back"
        )

    return build


def _unsupported(error: KafkaError, subject: Subject) -> QueueError:
    return QueueTypeUnsupported(
        f"{subject.address}: the broker lacks something that is needed ({error.str()}); use Kafka"
        " 2.4 or newer"
    )


_NO_LEADER = _unavailable("a partition has no leader")
_NO_COORDINATOR = _unavailable("the group has no coordinator")
_TOPIC = _forbidden("topic", "Read and Describe on it, and Write on a dead-letter topic")
_GROUP = _forbidden("group", "Read and Describe on it")

TRANSLATIONS: dict[int, Translation] = {
    # The connection
    codes.TRANSPORT: unreachable,
    codes.ALL_BROKERS_DOWN: unreachable,
    codes.TIMED_OUT: unreachable,
    codes.WAIT_COORD: unreachable,
    codes.RESOLVE: unknown_host,
    codes.SSL: tls_failed,
    codes.BAD_MSG: unreadable,
    codes.INVALID_ARG: bad_settings,
    KafkaError.REQUEST_TIMED_OUT: unreachable,
    # The login, and the rights
    codes.AUTHENTICATION: login_refused,
    KafkaError.SASL_AUTHENTICATION_FAILED: login_refused,
    KafkaError.UNSUPPORTED_SASL_MECHANISM: login_refused,
    KafkaError.ILLEGAL_SASL_STATE: login_refused,
    KafkaError.TOPIC_AUTHORIZATION_FAILED: _TOPIC,
    KafkaError.GROUP_AUTHORIZATION_FAILED: _GROUP,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: _forbidden("cluster", "IdempotentWrite on it"),
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: _TOPIC,
    # The topic
    KafkaError.UNKNOWN_TOPIC_OR_PART: _missing_topic,
    codes.UNKNOWN_TOPIC: _missing_topic,
    codes.UNKNOWN_PARTITION: _missing_topic,
    KafkaError.UNKNOWN_TOPIC_ID: _missing_topic,
    KafkaError.TOPIC_EXCEPTION: _invalid("topic", "topic"),
    KafkaError.LEADER_NOT_AVAILABLE: _NO_LEADER,
    KafkaError.NOT_LEADER_FOR_PARTITION: _NO_LEADER,
    KafkaError.REPLICA_NOT_AVAILABLE: _NO_LEADER,
    KafkaError.OFFSET_NOT_AVAILABLE: _NO_LEADER,
    KafkaError.KAFKA_STORAGE_ERROR: _NO_LEADER,
    KafkaError.BROKER_NOT_AVAILABLE: _NO_LEADER,
    # The group
    KafkaError.INVALID_GROUP_ID: _invalid("group", "consumerGroup"),
    KafkaError.INCONSISTENT_GROUP_PROTOCOL: _foreign_group,
    KafkaError.COORDINATOR_NOT_AVAILABLE: _NO_COORDINATOR,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS: _NO_COORDINATOR,
    KafkaError.NOT_COORDINATOR: _NO_COORDINATOR,
    # The broker's age
    KafkaError.UNSUPPORTED_VERSION: _unsupported,
    codes.UNSUPPORTED_FEATURE: _unsupported,
}
