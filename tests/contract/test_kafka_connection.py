"""What a person reads when Kafka can't be reached or refuses, tried on a real one."""

import re
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from dev.servers.kafka import ADMIN, ANN, KafkaServer, kafka_server
from tests.reach import allow
from workqueuejob.brokers.connection import AddressInfo, TLSSettings
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.brokers.kafka.broker import KafkaBroker, open_broker
from workqueuejob.brokers.kafka.probe import connect
from workqueuejob.brokers.kafka.reference import KafkaReference
from workqueuejob.brokers.kafka.settings import KafkaConnection, KafkaSource
from workqueuejob.contract.retry import RetrySettings
from workqueuejob.errors import (
    AuthenticationFailed,
    AuthorizationFailed,
    BrokerUnavailable,
    ConnectionFailed,
    HostNotAllowed,
    QueueError,
    QueueNotFound,
    TLSFailed,
)

__all__ = ["kafka_server"]

pytestmark = pytest.mark.kafka

TOPIC, GROUP, RUN = "orders", "billing", "uid"
RETRY = RetrySettings(dead_letter="orders.dead")


@pytest.fixture
def server(kafka_server: KafkaServer) -> Iterator[KafkaServer]:
    admin = kafka_server.admin()
    topics = [NewTopic(name, 1, 1) for name in (TOPIC, "orders.dead")]
    for made in admin.create_topics(topics).values():
        with suppress(KafkaException):
            made.result(10)
    yield kafka_server
    anything: Any = None
    every = AclBindingFilter(
        ResourceType.ANY,
        anything,
        ResourcePatternType.ANY,
        anything,
        anything,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
    admin.delete_acls([every])[every].result(10)


def plain(server: KafkaServer) -> KafkaConnection:
    return KafkaConnection((server.bootstrap,))


def encrypted(server: KafkaServer, **settings: bytes | bool) -> KafkaConnection:
    tls = TLSSettings(**{"ca": server.certificates.ca, **settings})  # type: ignore[arg-type] # a test names the fields
    return KafkaConnection((f"{server.host}:{server.ports.tls}",), tls=tls)


def logged_in(
    server: KafkaServer, mechanism: str = "PLAIN", login: tuple[str, str] = ADMIN
) -> KafkaConnection:
    return KafkaConnection(
        (f"{server.host}:{server.ports.sasl}",),
        sasl_mechanism=mechanism,
        username=login[0],
        password=login[1],
    )


def measured(connection: KafkaConnection, topic: str = TOPIC) -> QueueDepth:
    probe = connect(connection)
    try:
        return probe.measure(KafkaReference(topic, GROUP, run=RUN))
    finally:
        probe.close()


def drain(worker: KafkaBroker) -> None:
    """Take until the broker is found gone."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        worker.take(timeout_seconds=0.5)


def opened(connection: KafkaConnection, topic: str = TOPIC) -> KafkaBroker:
    source = KafkaSource(connection.bootstrap_servers, topic, GROUP, session_timeout_seconds=1)
    return open_broker(connection, source, retry=RETRY, run=RUN, pod="pod-1")


def grant(admin: AdminClient, kind: ResourceType, name: str, *operations: AclOperation) -> None:
    bindings = [
        AclBinding(
            kind,
            name,
            ResourcePatternType.LITERAL,
            f"User:{ANN[0]}",
            "*",
            operation,
            AclPermissionType.ALLOW,
        )
        for operation in operations
    ]
    for made in admin.create_acls(bindings).values():
        made.result(10)


def refusals(connection: KafkaConnection, topic: str = TOPIC) -> Iterator[Exception]:
    """Yield what the operator's side and the worker's side make of a connection."""
    for act in (measured, opened):
        began = time.monotonic()
        with pytest.raises((QueueError, BrokerUnavailable)) as caught:
            act(connection, topic)
        assert time.monotonic() - began < 12
        assert (connection.password or "?") not in str(caught.value)
        yield caught.value


# Reaching it


def test_refused_port_is_named() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = KafkaConnection((f"127.0.0.1:{free.getsockname()[1]}",))
        for error in refusals(nowhere):
            assert isinstance(error, ConnectionFailed | BrokerUnavailable)
            assert f"{nowhere.address}: refused; correct spec.queue.kafka.bootstrap" in str(error)


def test_unknown_host_is_named() -> None:
    for error in refusals(KafkaConnection(("nowhere.invalid:9092",))):
        assert isinstance(error, ConnectionFailed | BrokerUnavailable)
        assert "nowhere.invalid:9092: unknown host; correct" in str(error)


def test_one_bootstrap_server_that_answers_is_enough(server: KafkaServer) -> None:
    both = KafkaConnection(("nowhere.invalid:9092", server.bootstrap))
    assert measured(both).ready == 0
    opened(both).close()


def test_broker_that_calls_itself_by_a_host_that_is_not_allowed_is_refused(
    server: KafkaServer,
) -> None:
    local = KafkaConnection((f"localhost:{server.ports.plain}",))
    with pytest.raises(HostNotAllowed, match=r"^127.0.0.1:\d+ \(advertised.listeners of the"):
        connect(replace(local, reach=allow("localhost")))
    connect(replace(local, reach=allow("127.0.0.1"))).close()


class Fickle:
    """Allows every host, until one is refused."""

    def __init__(self) -> None:
        self.refused = ""

    def check(self, host: str, port: int, *, field: str) -> None:
        if host == self.refused:
            raise HostNotAllowed(f"{host}:{port} ({field})")

    def choose(self, _host: str, _port: int, found: Sequence[AddressInfo]) -> list[AddressInfo]:
        return list(found)


def test_host_that_the_cluster_names_later_is_checked_too(server: KafkaServer) -> None:
    reach = Fickle()
    probe = connect(replace(plain(server), reach=reach))
    probe.begin_round()
    reach.refused = "127.0.0.1"
    with pytest.raises(HostNotAllowed, match=r"advertised.listeners"):
        probe.begin_round()
    probe.close()


def test_suspended_broker_is_no_answer_and_not_for_ever(server: KafkaServer) -> None:
    probe = connect(plain(server))
    began = time.monotonic()
    with server.suspended(), pytest.raises(ConnectionFailed):
        probe.measure(KafkaReference(TOPIC, GROUP))
    assert time.monotonic() - began < 10
    probe.close()


def test_broker_that_goes_down_is_lost_and_found_and_holds_up_no_closing(
    server: KafkaServer,
) -> None:
    probe, worker, other = connect(plain(server)), opened(plain(server)), opened(plain(server))
    assert worker.take(timeout_seconds=0.5) is None
    server.stop()
    with pytest.raises(ConnectionFailed, match="refused"):
        probe.measure(KafkaReference(TOPIC, GROUP, run=RUN))
    with pytest.raises(BrokerUnavailable):
        drain(worker)
    began = time.monotonic()
    other.close()
    assert time.monotonic() - began < 15
    server.start()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with suppress(BrokerUnavailable):
            assert worker.take(timeout_seconds=1) is None
            break
    worker.close()
    assert measured(plain(server)).ready == 0
    probe.close()


def test_missing_topic_is_named(server: KafkaServer) -> None:
    for error in refusals(plain(server), "nowhere"):
        assert isinstance(error, QueueNotFound)
        assert "topic 'nowhere' not found on" in str(error)


# Logging in


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_every_mechanism_logs_in(server: KafkaServer, mechanism: str) -> None:
    connection = logged_in(server, mechanism)
    assert measured(connection).ready == 0
    opened(connection).close()


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_wrong_password_is_a_refused_login(server: KafkaServer, mechanism: str) -> None:
    for error in refusals(logged_in(server, mechanism, (ADMIN[0], "wr0ng-one"))):
        assert isinstance(error, AuthenticationFailed)
        assert f"login of user 'admin' by {mechanism} refused; correct the Secret" in str(error)


def test_nothing_is_written_about_a_login(
    server: KafkaServer, capfd: pytest.CaptureFixture[str]
) -> None:
    """librdkafka writes to stderr by itself unless it is told not to."""
    measured(logged_in(server))
    opened(logged_in(server)).close()
    list(refusals(logged_in(server, "PLAIN", (ADMIN[0], "wr0ng-one"))))
    written = capfd.readouterr()
    assert (written.out, written.err) == ("", "")


def test_listener_without_logins_is_told(server: KafkaServer) -> None:
    connection = replace(logged_in(server), bootstrap_servers=(server.bootstrap,))
    for error in refusals(connection):
        assert isinstance(error, AuthenticationFailed)
        assert "does not offer PLAIN (no mechanism); correct spec.queue.kafka.sasl" in str(error)


def test_login_that_is_demanded_is_asked_for(server: KafkaServer) -> None:
    connection = KafkaConnection((f"{server.host}:{server.ports.sasl}",))
    for error in refusals(connection):
        assert isinstance(error, ConnectionFailed | BrokerUnavailable)
        assert "spec.queue.kafka.sasl if it wants a login" in str(error)


# Rights


def test_user_without_rights_is_told_what_to_grant(server: KafkaServer) -> None:
    for error in refusals(logged_in(server, login=ANN)):
        assert isinstance(error, AuthorizationFailed)
        # A worker meets its group first.
        assert re.search("user 'ann' may not use (topic 'orders'|group 'billing')", str(error))


def test_user_with_the_topic_alone_is_told_of_the_group(server: KafkaServer) -> None:
    grant(server.admin(), ResourceType.TOPIC, TOPIC, AclOperation.READ, AclOperation.DESCRIBE)
    for error in refusals(logged_in(server, login=ANN)):
        assert isinstance(error, AuthorizationFailed)
        assert "may not use group 'billing'" in str(error)


def test_rights_that_the_messages_ask_for_are_enough(server: KafkaServer) -> None:
    admin, read = server.admin(), (AclOperation.READ, AclOperation.DESCRIBE)
    grant(admin, ResourceType.TOPIC, TOPIC, *read)
    grant(admin, ResourceType.GROUP, GROUP, *read)
    connection = logged_in(server, login=ANN)
    assert measured(connection).ready == 0
    worker = opened(connection)
    assert worker.take(timeout_seconds=0.5) is None
    worker.close()


# TLS


def test_encrypted_connection_is_verified(server: KafkaServer) -> None:
    assert measured(encrypted(server)).ready == 0
    opened(encrypted(server)).close()


def test_stranger_among_certificates_is_told(server: KafkaServer) -> None:
    for error in refusals(encrypted(server, ca=server.certificates.other_ca)):
        assert isinstance(error, TLSFailed)
        assert "put the CA that signed it into spec.queue.kafka.tls.caSecretRef" in str(error)


def test_certificate_for_another_name_is_told(server: KafkaServer) -> None:
    other = replace(encrypted(server), bootstrap_servers=(f"localhost:{server.ports.tls}",))
    for error in refusals(other):
        assert isinstance(error, TLSFailed)
        assert "by a name that is in its certificate" in str(error)


def test_without_verification_any_certificate_will_do(server: KafkaServer) -> None:
    assert measured(encrypted(server, ca=server.certificates.other_ca, verify=False)).ready == 0


def test_port_without_tls_is_told(server: KafkaServer) -> None:
    for error in refusals(replace(encrypted(server), bootstrap_servers=(server.bootstrap,))):
        # Sometimes the client says no more than that the broker is down.
        assert isinstance(error, TLSFailed | ConnectionFailed | BrokerUnavailable)
        assert re.search("answers without TLS|if it is a port without TLS", str(error))


def test_tls_that_is_missing_is_asked_for(server: KafkaServer) -> None:
    for error in refusals(KafkaConnection((f"{server.host}:{server.ports.tls}",))):
        assert isinstance(error, ConnectionFailed | BrokerUnavailable)
        assert "set spec.queue.kafka.tls if it is a TLS port" in str(error)


def test_unreadable_material_is_told_before_anything_is_connected(server: KafkaServer) -> None:
    junk = b"-----BEGIN CERTIFICATE-----\nxx"
    certificate, _ = server.certificates.client
    _, key = server.certificates.other_client
    for error in refusals(encrypted(server, ca=junk)):
        assert isinstance(error, TLSFailed)
        assert "spec.queue.kafka.tls.caSecretRef: not a CA certificate" in str(error)
    for error in refusals(encrypted(server, client_certificate=certificate, client_key=key)):
        assert isinstance(error, TLSFailed)
        assert "spec.queue.kafka.tls.clientCertificateSecretRef" in str(error)
