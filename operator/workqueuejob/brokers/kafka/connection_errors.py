"""How a Kafka cluster is not reached, or lets nobody in, and what a person can change about it.

librdkafka tells most of it in the text of an error, so it is read here, and nowhere else.
"""

import re

from confluent_kafka import KafkaError

from workqueuejob.brokers.bounded_socket import MIB
from workqueuejob.brokers.connection import KAFKA_FIELD as FIELD
from workqueuejob.brokers.kafka import codes
from workqueuejob.brokers.kafka.subject import Subject
from workqueuejob.errors import AuthenticationFailed, ConnectionFailed, QueueError, TLSFailed

TLS_FIELD = f"{FIELD}.tls"


def unreachable(error: KafkaError, subject: Subject) -> QueueError:
    """Return why nobody answers, as far as the text tells."""
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


def unreadable(error: KafkaError, subject: Subject) -> QueueError:
    """Return what to look at when an answer is none that Kafka gives, or far too long."""
    said = "the answer is not Kafka's"
    if found := _SIZE.search(error.str()):
        said = f"an answer of {int(found[1]) / MIB:.0f} MiB, which is not Kafka's"
    hint = "" if subject.connection.tls else f"set {TLS_FIELD} if it is a TLS port, or "
    return ConnectionFailed(
        f"{_server(error) or subject.address}: {said}; {hint}correct {FIELD}.bootstrapServers, or"
        " see what listens there"
    )


def unknown_host(error: KafkaError, subject: Subject) -> QueueError:
    """Return which name is not known."""
    return _not_reached("unknown host", _server(error), subject)


def _not_reached(what: str, server: str, subject: Subject) -> QueueError:
    remedy = f"correct {FIELD}.bootstrapServers or the NetworkPolicy, or start the broker"
    if server and server not in subject.connection.bootstrap_servers:
        remedy = (
            "it is not a bootstrap server but what the cluster calls one of its brokers: correct"
            " advertised.listeners there, or the NetworkPolicy, or start the broker"
        )
    return ConnectionFailed(f"{server or subject.address}: {what}; {remedy}")


def tls_failed(error: KafkaError, subject: Subject) -> QueueError:
    """Return what of TLS does not fit."""
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


def login_refused(error: KafkaError, subject: Subject) -> QueueError:
    """Return which login, or mechanism, was refused."""
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


def bad_settings(error: KafkaError, subject: Subject) -> QueueError:
    """Return what of the certificates and keys the client can't read."""
    said = error.str()
    if "ssl.ca" in said:
        return TLSFailed(f"{TLS_FIELD}.caSecretRef: not a CA certificate; store the CA's PEM")
    if "ssl." in said:
        return TLSFailed(
            f"{TLS_FIELD}.clientCertificateSecretRef: certificate and private key are unreadable,"
            " encrypted or no pair; store an unencrypted PEM pair"
        )
    return other(error, subject)


def other(error: KafkaError, subject: Subject) -> QueueError:
    """Return what nobody has foreseen, in the client's own words."""
    return ConnectionFailed(
        f"{subject.address}: {error.str() or error.name()}; see the broker's log"
    )


def _server(error: KafkaError) -> str:
    """Return the `host:port` that an error is about; empty where it names none."""
    found = _SERVER.match(error.str())
    return found[1] if found else ""


_SIZE = re.compile(r"Invalid response size (\d+)")
_SERVER = re.compile(r"(?:[a-z_]+://)?([^/\s]+:\d+)/")
