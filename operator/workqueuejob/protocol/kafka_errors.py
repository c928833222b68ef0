"""What librdkafka's error codes mean, in one table, and what a person can change about each.

The only place that knows the codes of connections, logins and rights. Messages hold addresses and
names of users, topics and groups, never a password.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from confluent_kafka import KafkaError, KafkaException

from workqueuejob.errors import (
    AuthenticationFailed,
    AuthorizationFailed,
    ConnectionFailed,
    ConsumerGroupInUse,
    MeasurementUnreliable,
    QueueError,
    QueueNotFound,
    QueueTypeUnsupported,
    TLSFailed,
)
from workqueuejob.protocol import kafka_codes as codes
from workqueuejob.protocol.connection import KAFKA_FIELD as FIELD
from workqueuejob.protocol.connection import KafkaConnection
from workqueuejob.protocol.kafka_client import Heard

TLS_FIELD = f"{FIELD}.tls"


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


Translation: TypeAlias = Callable[[KafkaError, Subject], QueueError]


def read_error(error: KafkaException) -> KafkaError:
    """Return what an exception of the client carries."""
    found = error.args[0] if error.args else None
    return found if isinstance(found, KafkaError) else KafkaError(codes.FAIL, str(error))


def translate(error: KafkaError, subject: Subject, heard: Heard | None = None) -> QueueError:
    """Return the error of our tree; `heard` tells why nobody answers."""
    reason = error if heard is None else heard.explain(error)
    translation = TRANSLATIONS.get(reason.code(), _other)
    return translation(reason, subject)


def build_group_in_use(subject: Subject, strangers: list[str]) -> ConsumerGroupInUse:
    """Return what is wrong when others are members of the group.

    strangers: their client ids and hosts, of which the first few are named.
    """
    named = ", ".join(sorted(strangers)[:3])
    more = f" and {len(strangers) - 3} more" if len(strangers) > 3 else ""
    return ConsumerGroupInUse(
        f"group {subject.group!r} on {subject.address} has members that are not of this run:"
        f" {named}{more}; stop them, or create the WorkQueueJob anew with a"
        f" {FIELD}.consumerGroup of its own"
    )


def _unreachable(error: KafkaError, subject: Subject) -> QueueError:
    said, server = error.str(), _server(error)
    if "PLAINTEXT broker listener" in said:
        return TLSFailed(
            f"{server or subject.address}: answers without TLS; correct the port in"
            f" {FIELD}.bootstrapServers, or remove {TLS_FIELD}"
        )
    if "refused" in said:
        return _not_reached("refused", server, subject)
    if error.code() == codes.TIMED_OUT or "timed out" in said or "timeout" in said:
        return _not_reached("timeout", server, subject)
    if not server or "Disconnected" in said:
        return _hung_up(server, subject)
    return _not_reached("no answer", server, subject)


def _hung_up(server: str, subject: Subject) -> QueueError:
    """Return what to look at when nothing was said, as by a port that is spoken to wrongly."""
    if subject.connection.tls is None:
        remedy = f"set {TLS_FIELD} if it is a TLS port and {FIELD}.sasl if it wants a login"
    else:
        remedy = f"remove {TLS_FIELD} if it is a port without TLS"
    return ConnectionFailed(
        f"{server or subject.address}: no answer, or the connection was closed at once; {remedy},"
        f" correct {FIELD}.bootstrapServers or the NetworkPolicy, or start the broker"
    )


def _unknown_host(error: KafkaError, subject: Subject) -> QueueError:
    return _not_reached("unknown host", _server(error), subject)


def _not_reached(what: str, server: str, subject: Subject) -> QueueError:
    remedy = f"correct {FIELD}.bootstrapServers or the NetworkPolicy, or start the broker"
    if server and server not in subject.connection.bootstrap_servers:
        remedy = (
            "it is not a bootstrap server but what the cluster calls one of its brokers: correct"
            " advertised.listeners there, or the NetworkPolicy, or start the broker"
        )
    return ConnectionFailed(f"{server or subject.address}: {what}; {remedy}")


def _tls_failed(error: KafkaError, subject: Subject) -> QueueError:
    server, said = _server(error) or subject.address, error.str()
    if "verify failed" in said:
        # librdkafka does not tell a stranger's certificate from one for another name.
        return TLSFailed(
            f"{server}: certificate verify failed; put the CA that signed it into"
            f" {TLS_FIELD}.caSecretRef, and call the broker in {FIELD}.bootstrapServers by a name"
            " that is in its certificate"
        )
    return TLSFailed(
        f"{server}: TLS handshake refused; correct {TLS_FIELD}.clientCertificateSecretRef or the"
        " port"
    )


def _login_refused(error: KafkaError, subject: Subject) -> QueueError:
    server, mechanism = _server(error) or subject.address, subject.connection.sasl_mechanism
    said = error.str()
    if "mechanism handshake failed" in said or "Unsupported SASL" in said:
        offered = said.partition("supported mechanisms:")[2].partition("(")[0].strip()
        return AuthenticationFailed(
            f"{server}: does not offer {mechanism} ({offered or 'no mechanism'}); correct"
            f" {FIELD}.sasl.mechanism or the port"
        )
    return AuthenticationFailed(
        f"{server}: login of user {subject.connection.username!r} by {mechanism} refused; correct"
        f" the Secret of {FIELD}.sasl.credentialsSecretRef, or the user at the broker"
    )


def _forbidden(what: str, rights: str) -> Translation:
    def build(_error: KafkaError, subject: Subject) -> QueueError:
        name = {"topic": subject.topic, "group": subject.group}.get(what, "")
        named = f"{what} {name!r}" if name else f"the {what}"
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


def _invalid(what: str, field: str) -> Translation:
    def build(error: KafkaError, subject: Subject) -> QueueError:
        name = subject.topic if what == "topic" else subject.group
        return QueueNotFound(
            f"{what} {name!r} is refused by {subject.address} ({error.str()}); create the"
            f" WorkQueueJob anew with another {FIELD}.{field}"
        )

    return build


def _foreign_group(_error: KafkaError, subject: Subject) -> QueueError:
    return ConsumerGroupInUse(
        f"group {subject.group!r} on {subject.address} has members that share partitions out in"
        f" another way; stop them, or create the WorkQueueJob anew with a {FIELD}.consumerGroup of"
        " its own"
    )


def _unavailable(what: str) -> Translation:
    def build(error: KafkaError, subject: Subject) -> QueueError:
        return MeasurementUnreliable(
            f"{subject.address}: {what} ({error.str()}); bring its brokers back"
        )

    return build


def _unsupported(error: KafkaError, subject: Subject) -> QueueError:
    return QueueTypeUnsupported(
        f"{subject.address}: the broker lacks something that is needed ({error.str()}); use Kafka"
        " 2.4 or newer"
    )


def _bad_settings(error: KafkaError, subject: Subject) -> QueueError:
    said = error.str()
    if "ssl.ca" in said:
        return TLSFailed(f"{TLS_FIELD}.caSecretRef: not a CA certificate; store the CA's PEM")
    if "ssl." in said:
        return TLSFailed(
            f"{TLS_FIELD}.clientCertificateSecretRef: certificate and private key are unreadable,"
            " encrypted or no pair; store an unencrypted PEM pair"
        )
    return _other(error, subject)


def _other(error: KafkaError, subject: Subject) -> QueueError:
    return ConnectionFailed(
        f"{subject.address}: {error.str() or error.name()}; see the broker's log"
    )


def _server(error: KafkaError) -> str:
    """Return the `host:port` that an error is about; empty where it names none."""
    found = _SERVER.match(error.str())
    return found[1] if found else ""


_SERVER = re.compile(r"(?:[a-z_]+://)?([^/\s]+:\d+)/")

_NO_LEADER = _unavailable("a partition has no leader")
_NO_COORDINATOR = _unavailable("the group has no coordinator")
_TOPIC = _forbidden("topic", "Read and Describe on it, and Write on a dead-letter topic")
_GROUP = _forbidden("group", "Read and Describe on it")

TRANSLATIONS: dict[int, Translation] = {
    # The connection
    codes.TRANSPORT: _unreachable,
    codes.ALL_BROKERS_DOWN: _unreachable,
    codes.TIMED_OUT: _unreachable,
    codes.WAIT_COORD: _unreachable,
    codes.RESOLVE: _unknown_host,
    codes.SSL: _tls_failed,
    codes.INVALID_ARG: _bad_settings,
    KafkaError.REQUEST_TIMED_OUT: _unreachable,
    # Who we are, and what we may
    codes.AUTHENTICATION: _login_refused,
    KafkaError.SASL_AUTHENTICATION_FAILED: _login_refused,
    KafkaError.UNSUPPORTED_SASL_MECHANISM: _login_refused,
    KafkaError.ILLEGAL_SASL_STATE: _login_refused,
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
