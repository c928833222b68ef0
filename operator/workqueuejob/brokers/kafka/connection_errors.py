"""Errors for a Kafka cluster that is not reached or refuses TLS or the login, with what to change.

librdkafka puts most of the cause into the text of its error. The text is read only here.
"""

import re

from confluent_kafka import KafkaError

from workqueuejob.brokers.bounded_socket import MIB
from workqueuejob.brokers.kafka import codes
from workqueuejob.brokers.kafka.settings import FIELD
from workqueuejob.brokers.kafka.subject import Subject
from workqueuejob.errors import AuthenticationFailed, ConnectionFailed, QueueError, TLSFailed

TLS_FIELD = f"{FIELD}.tls"


def unreachable(error: KafkaError, subject: Subject) -> QueueError:
    """Return the error for a broker that does not answer."""
    text, server = error.str(), _find_server(error)
    if "PLAINTEXT broker listener" in text:
        return TLSFailed(
            f"{server or subject.address}: answers without TLS; correct the port in"
            f" {FIELD}.bootstrapServers, or remove {TLS_FIELD}"
        )
    if "refused" in text:
        return _not_reached("refused", server, subject)
    if error.code() == codes.TIMED_OUT or "timed out" in text or "timeout" in text:
        return _not_reached("timeout", server, subject)
    if not server or "Disconnected" in text:
        return _hung_up(server, subject)
    return _not_reached("no answer", server, subject)


def _hung_up(server: str, subject: Subject) -> QueueError:
    """Return the error for a connection that was closed without a word, as by a wrong port."""
    if subject.connection.tls is None:
        remedy = f"set {TLS_FIELD} if it is a TLS port and {FIELD}.sasl if it wants a login"
    else:
        remedy = f"remove {TLS_FIELD} if it is a port without TLS"
    return ConnectionFailed(
        f"{server or subject.address}: no answer, or the connection was closed at once; {remedy},"
        f" correct {FIELD}.bootstrapServers or the NetworkPolicy, or start the broker"
    )


def unreadable(error: KafkaError, subject: Subject) -> QueueError:
    """Return the error for an answer that Kafka does not give, or that is far too long."""
    fault = "the answer is not Kafka's"
    if size := _SIZE.search(error.str()):
        fault = f"an answer of {int(size[1]) / MIB:.0f} MiB, which is not Kafka's"
    hint = "" if subject.connection.tls else f"set {TLS_FIELD} if it is a TLS port, or "
    return ConnectionFailed(
        f"{_find_server(error) or subject.address}: {fault}; {hint}correct"
        f" {FIELD}.bootstrapServers, or see what listens there"
    )


def unknown_host(error: KafkaError, subject: Subject) -> QueueError:
    """Return the error for a host name that does not resolve."""
    return _not_reached("unknown host", _find_server(error), subject)


def _not_reached(cause: str, server: str, subject: Subject) -> QueueError:
    remedy = f"correct {FIELD}.bootstrapServers or the NetworkPolicy, or start the broker"
    if server and server not in subject.connection.bootstrap_servers:
        remedy = (
            "it is not a bootstrap server but what the cluster calls one of its brokers: correct"
            " advertised.listeners there, or the NetworkPolicy, or start the broker"
        )
    return ConnectionFailed(f"{server or subject.address}: {cause}; {remedy}")


def tls_failed(error: KafkaError, subject: Subject) -> QueueError:
    """Return the error for a TLS handshake that failed."""
    server, text = _find_server(error) or subject.address, error.str()
    if "verify failed" in text:
        # librdkafka has the same error for an unknown CA and for a certificate of another name.
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
    """Return the error for a refused login or SASL mechanism."""
    server, mechanism = _find_server(error) or subject.address, subject.connection.sasl_mechanism
    text = error.str()
    if "mechanism handshake failed" in text or "Unsupported SASL" in text:
        offered = text.partition("supported mechanisms:")[2].partition("(")[0].strip()
        return AuthenticationFailed(
            f"{server}: does not offer {mechanism} ({offered or 'no mechanism'}); correct"
            f" {FIELD}.sasl.mechanism or the port"
        )
    return AuthenticationFailed(
        f"{server}: login of user {subject.connection.username!r} by {mechanism} refused; correct"
        f" the Secret of {FIELD}.sasl.credentialsSecretRef, or the user at the broker"
    )


def bad_settings(error: KafkaError, subject: Subject) -> QueueError:
    """Return the error for certificates and keys that librdkafka can't read."""
    text = error.str()
    if "ssl.ca" in text:
        return TLSFailed(f"{TLS_FIELD}.caSecretRef: not a CA certificate; store the CA's PEM")
    if "ssl." in text:
        return TLSFailed(
            f"{TLS_FIELD}.clientCertificateSecretRef: certificate and private key are unreadable,"
            " encrypted or no pair; store an unencrypted PEM pair"
        )
    return other(error, subject)


def other(error: KafkaError, subject: Subject) -> QueueError:
    """Return an error in librdkafka's own words, for a code that the table lacks."""
    return ConnectionFailed(
        f"{subject.address}: {error.str() or error.name()}; see the broker's log"
    )


def _find_server(error: KafkaError) -> str:
    """Return the `host:port` that an error names; empty where it names none."""
    server = _SERVER.match(error.str())
    return server[1] if server else ""


_SIZE = re.compile(r"Invalid response size (\d+)")
_SERVER = re.compile(r"(?:[a-z_]+://)?([^/\s]+:\d+)/")
