"""What librdkafka reports, translated into what a person can change."""

import pytest
from confluent_kafka import KafkaError, KafkaException

from workqueuejob import errors
from workqueuejob.brokers.connection import TLSSettings
from workqueuejob.brokers.kafka import codes
from workqueuejob.brokers.kafka.client import ReportedErrors
from workqueuejob.brokers.kafka.errors import (
    TRANSLATIONS,
    build_group_in_use,
    read_error,
    translate,
)
from workqueuejob.brokers.kafka.settings import KafkaConnection
from workqueuejob.brokers.kafka.subject import Subject

CONNECTION = KafkaConnection(
    ("kafka.shop.svc:9092",), sasl_mechanism="SCRAM-SHA-512", username="ann", password="hush"
)
SUBJECT = Subject(CONNECTION, topic="orders", group="billing")
SERVER = "sasl_plaintext://kafka.shop.svc:9092/bootstrap"


def test_every_code_about_logins_and_rights_is_in_the_table() -> None:
    # Delegation tokens are for who asks for one.
    telling = {
        name: code
        for name, code in vars(KafkaError).items()
        if isinstance(code, int) and "AUTH" in name and "TOKEN" not in name
    }
    assert len(telling) >= 5
    assert {name for name, code in telling.items() if code not in TRANSLATIONS} == set()


@pytest.mark.parametrize(
    ("code", "said", "kind", "words"),
    [
        (
            codes.RESOLVE,
            f"{SERVER}: Failed to resolve 'kafka.shop.svc:9092': Name or service not known",
            errors.ConnectionFailed,
            "kafka.shop.svc:9092: unknown host; correct spec.queue.kafka.bootstrapServers",
        ),
        (
            codes.TRANSPORT,
            f"{SERVER}: Connect to ipv4#10.0.0.1:9092 failed: Connection refused (after 0ms)",
            errors.ConnectionFailed,
            "kafka.shop.svc:9092: refused; correct",
        ),
        (
            codes.TRANSPORT,
            "kafka-2.inner:9093/2: Connect to ipv4#10.0.0.1:9092 failed: Connection refused",
            errors.ConnectionFailed,
            "kafka-2.inner:9093: refused; it is not a bootstrap server but what the cluster",
        ),
        (
            codes.TRANSPORT,
            f"{SERVER}: SSL handshake failed: connecting to a PLAINTEXT broker listener? (after",
            errors.TLSFailed,
            "answers without TLS; correct the port",
        ),
        (codes.TIMED_OUT, "Local: Timed out", errors.ConnectionFailed, ":9092: timeout; "),
        (
            codes.ALL_BROKERS_DOWN,
            "1/1 brokers are down",
            errors.ConnectionFailed,
            "set spec.queue.kafka.tls if it is a TLS port and spec.queue.kafka.sasl if",
        ),
        (
            codes.SSL,
            f"{SERVER}: SSL handshake failed: certificate verify failed: broker certificate",
            errors.TLSFailed,
            "put the CA that signed it into spec.queue.kafka.tls.caSecretRef",
        ),
        (
            codes.SSL,
            f"{SERVER}: SSL handshake failed: tlsv13 alert certificate required",
            errors.TLSFailed,
            "correct spec.queue.kafka.tls.clientCertificateSecretRef",
        ),
        (
            codes.INVALID_ARG,
            "Failed to create consumer: failed to read certificate #0 from ssl.ca.pem: not in PEM",
            errors.TLSFailed,
            "spec.queue.kafka.tls.caSecretRef: not a CA certificate",
        ),
        (
            codes.INVALID_ARG,
            "Failed to create consumer: ssl.key.pem failed: key values mismatch",
            errors.TLSFailed,
            "are unreadable, encrypted or no pair",
        ),
        (
            codes.AUTHENTICATION,
            f"{SERVER}: SASL authentication error: Authentication failed: Invalid username",
            errors.AuthenticationFailed,
            "login of user 'ann' by SCRAM-SHA-512 refused; correct the Secret",
        ),
        (
            codes.AUTHENTICATION,
            f"{SERVER}: SASL mechanism handshake failed: supported mechanisms: PLAIN,GSSAPI (aft",
            errors.AuthenticationFailed,
            "does not offer SCRAM-SHA-512 (PLAIN,GSSAPI); correct spec.queue.kafka.sasl.mechanism",
        ),
        (
            KafkaError.TOPIC_AUTHORIZATION_FAILED,
            "Broker: Topic authorization failed",
            errors.AuthorizationFailed,
            "user 'ann' may not use topic 'orders' on kafka.shop.svc:9092; grant Read",
        ),
        (
            KafkaError.GROUP_AUTHORIZATION_FAILED,
            "Broker: Group authorization failed",
            errors.AuthorizationFailed,
            "may not use group 'billing'",
        ),
        (
            KafkaError.UNKNOWN_TOPIC_OR_PART,
            "Broker: Unknown topic or partition",
            errors.QueueNotFound,
            "topic 'orders' not found on kafka.shop.svc:9092; create it",
        ),
        (
            KafkaError.INCONSISTENT_GROUP_PROTOCOL,
            "Broker: Inconsistent group protocol",
            errors.ConsumerGroupInUse,
            "group 'billing' on kafka.shop.svc:9092 has members that share partitions out in",
        ),
        (
            KafkaError.COORDINATOR_NOT_AVAILABLE,
            "Broker: Coordinator not available",
            errors.MeasurementUnreliable,
            "the group has no coordinator",
        ),
        (
            KafkaError.LEADER_NOT_AVAILABLE,
            "Broker: Leader not available",
            errors.MeasurementUnreliable,
            "a partition has no leader",
        ),
        (
            KafkaError.UNSUPPORTED_VERSION,
            "Broker: Unsupported version",
            errors.QueueTypeUnsupported,
            "use Kafka 2.4 or newer",
        ),
        (
            KafkaError.INVALID_GROUP_ID,
            "Broker: Invalid group.id",
            errors.QueueNotFound,
            "group 'billing' is refused",
        ),
        (
            KafkaError.UNKNOWN,
            "Broker: something new",
            errors.ConnectionFailed,
            "kafka.shop.svc:9092: Broker: something new; see the broker's log",
        ),
    ],
)
def test_error_says_what_failed_and_what_to_change(
    code: int, said: str, kind: type[errors.QueueError], words: str
) -> None:
    translated = translate(KafkaError(code, said), SUBJECT)
    assert type(translated) is kind
    assert words in str(translated)
    assert "hush" not in str(translated)


def test_silence_is_explained_by_what_was_heard() -> None:
    reported = ReportedErrors()
    reported.note(KafkaError(codes.ALL_BROKERS_DOWN, "1/1 brokers are down"))
    reported.note(KafkaError(codes.AUTHENTICATION, f"{SERVER}: SASL authentication error"))
    reported.note(KafkaError(codes.TRANSPORT, f"{SERVER}: Connection refused"))
    silence = KafkaError(codes.TIMED_OUT, "Local: Timed out")
    assert isinstance(translate(silence, SUBJECT, reported), errors.AuthenticationFailed)


def test_answer_of_the_broker_is_not_overruled_by_what_was_heard() -> None:
    reported = ReportedErrors()
    reported.note(KafkaError(codes.TRANSPORT, f"{SERVER}: Connection refused"))
    answer = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, "Broker: Unknown topic or partition")
    assert isinstance(translate(answer, SUBJECT, reported), errors.QueueNotFound)


@pytest.mark.parametrize(
    ("code", "hopeless"),
    [
        (codes.AUTHENTICATION, True),
        (codes.SSL, True),
        (codes.ALL_BROKERS_DOWN, True),
        (codes.TRANSPORT, False),
    ],
)
def test_waiting_ends_when_no_broker_is_left_to_ask(code: int, hopeless: bool) -> None:
    reported = ReportedErrors()
    reported.note(KafkaError(code, "x"))
    assert reported.is_hopeless is hopeless
    reported.forget()
    assert not reported.is_hopeless


def test_silence_at_a_tls_port_may_be_for_want_of_tls() -> None:
    encrypted = Subject(KafkaConnection(("k:9093",), tls=TLSSettings()))
    error = KafkaError(codes.ALL_BROKERS_DOWN, "1/1 brokers are down")
    assert "remove spec.queue.kafka.tls if it is a port without TLS" in str(
        translate(error, encrypted)
    )


@pytest.mark.parametrize(
    ("programs", "workers", "seen"),
    [
        (1, 0, "1 other program;"),
        (0, 1, "1 worker of another WorkQueueJob;"),
        (3, 2, "3 other programs and 2 workers of another WorkQueueJob;"),
    ],
)
def test_strangers_in_the_group_are_counted_by_kind(programs: int, workers: int, seen: str) -> None:
    message = str(build_group_in_use(SUBJECT, programs=programs, workers=workers))
    assert f"members that are not of this run: {seen}" in message


def test_exception_without_an_error_keeps_its_words() -> None:
    assert read_error(KafkaException("odd")).str() == "odd"
