"""What a person reads when RabbitMQ can't be reached or refuses, tried on a real one."""

import socket
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.contract.conftest import Bench, RabbitMQBench
from tests.driving import drive
from workqueuejob.brokers.connection import TLSSettings
from workqueuejob.brokers.probe import Probe
from workqueuejob.brokers.rabbitmq.probe import connect
from workqueuejob.brokers.rabbitmq.reference import RabbitMQReference
from workqueuejob.brokers.rabbitmq.settings import RabbitMQConnection
from workqueuejob.errors import (
    AuthenticationFailed,
    AuthorizationFailed,
    ConnectionFailed,
    MeasurementUnreliable,
    TLSFailed,
)

pytestmark = pytest.mark.rabbitmq

Opened = Callable[[Bench, RabbitMQConnection], Probe[RabbitMQReference]]


@pytest.fixture
def encrypted(rabbitmq: RabbitMQBench) -> RabbitMQConnection:
    """Settings with TLS that work."""
    ca = rabbitmq.server.certificates.ca
    port = rabbitmq.server.ports.amqps
    return replace(rabbitmq.settings(), port=port, tls=TLSSettings(ca=ca))


def with_tls(settings: RabbitMQConnection, tls: TLSSettings) -> RabbitMQConnection:
    return replace(settings, tls=tls)


def test_refused_port_is_named(rabbitmq: RabbitMQBench) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with pytest.raises(ConnectionFailed, match=f"127.0.0.1:{port}: refused; correct spec"):
            drive(connect(replace(rabbitmq.settings(), port=port)))


def test_silent_port_is_a_timeout() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        with pytest.raises(ConnectionFailed, match=f"127.0.0.1:{port}: timeout: .* no AMQP answer"):
            drive(connect(RabbitMQConnection(host="127.0.0.1", port=port)))


def test_port_of_the_management_api_is_named_as_what_it_is(rabbitmq: RabbitMQBench) -> None:
    port = rabbitmq.server.ports.management
    with pytest.raises(
        ConnectionFailed, match=r"correct spec.queue.rabbitmq.port .* 15672 the man"
    ):
        drive(connect(replace(rabbitmq.settings(), port=port)))


def test_user_without_the_virtual_host_is_named(rabbitmq: RabbitMQBench) -> None:
    rabbitmq.server.add_user("stranger", password="secret")
    settings = replace(rabbitmq.settings(), username="stranger", password="secret")
    with pytest.raises(AuthorizationFailed, match="user 'stranger' may not use vhost 'team/a"):
        drive(connect(settings))


PERMISSIONS_TO_MEASURE_SINCE = (4, 3)
"""3.10 and 4.0 let every user of a virtual host declare passively; 4.3 does not."""


def test_user_without_permission_is_told_what_to_grant_where_measuring_needs_it(
    rabbitmq: RabbitMQBench, opened: Opened
) -> None:
    queue = rabbitmq.declare()
    rabbitmq.publish(queue, 2)
    probe = opened(rabbitmq, rabbitmq.user())
    if rabbitmq.server.version < PERMISSIONS_TO_MEASURE_SINCE:
        assert probe.measure(RabbitMQReference(queue)).ready == 2
        return
    with pytest.raises(AuthorizationFailed, match=rf"queue '{queue}' .*grant the user 'read' on"):
        probe.measure(RabbitMQReference(queue))


@pytest.mark.parametrize("permission", ["configure", "write", "read"])
def test_any_one_permission_on_the_queue_is_enough_to_measure(
    rabbitmq: RabbitMQBench, opened: Opened, permission: str
) -> None:
    queue = rabbitmq.declare()
    probe = opened(rabbitmq, rabbitmq.user(**{permission: f"^{queue}$"}))
    assert probe.measure(RabbitMQReference(queue)).ready == 0


def test_dead_letter_queue_that_may_not_be_counted_is_named_and_not_taken_for_missing(
    rabbitmq: RabbitMQBench, opened: Opened
) -> None:
    queue, dead = rabbitmq.declare(), rabbitmq.declare()
    rabbitmq.publish(dead, 1)
    probe = opened(rabbitmq, rabbitmq.user(read=f"^{queue}$"))
    reference = RabbitMQReference(queue, dead_letter=dead)
    if rabbitmq.server.version < PERMISSIONS_TO_MEASURE_SINCE:
        assert probe.measure(reference).dead_lettered == 1
        return
    with pytest.raises(AuthorizationFailed, match=rf"queue '{dead}' .*grant the user 'read' on"):
        probe.measure(reference)


def test_tls_with_the_brokers_ca_measures(
    rabbitmq: RabbitMQBench, opened: Opened, encrypted: RabbitMQConnection
) -> None:
    queue = rabbitmq.declare()
    assert opened(rabbitmq, encrypted).measure(RabbitMQReference(queue)).ready == 0


def test_other_ca_is_refused_with_its_field(
    rabbitmq: RabbitMQBench, encrypted: RabbitMQConnection
) -> None:
    tls = TLSSettings(ca=rabbitmq.server.certificates.other_ca)
    with pytest.raises(TLSFailed, match=r"verify failed: .*spec.queue.rabbitmq.tls.caSecretRef"):
        drive(connect(with_tls(encrypted, tls)))


def test_other_name_is_refused_with_its_field(
    rabbitmq: RabbitMQBench, encrypted: RabbitMQConnection
) -> None:
    tls = TLSSettings(ca=rabbitmq.server.certificates.ca, server_name="mq.prod.test")
    with pytest.raises(TLSFailed, match=r"verify failed: .*spec.queue.rabbitmq.tls.serverName"):
        drive(connect(with_tls(encrypted, tls)))


def test_verification_none_takes_any_certificate(
    rabbitmq: RabbitMQBench, opened: Opened, encrypted: RabbitMQConnection
) -> None:
    queue = rabbitmq.declare()
    tls = TLSSettings(server_name="mq.prod.test", verify=False)
    assert opened(rabbitmq, with_tls(encrypted, tls)).measure(RabbitMQReference(queue)).ready == 0


def test_tls_to_a_plain_port_is_named(
    encrypted: RabbitMQConnection, rabbitmq: RabbitMQBench
) -> None:
    with pytest.raises(TLSFailed, match="answers without TLS; correct the port"):
        drive(connect(replace(encrypted, port=rabbitmq.server.ports.amqp)))


def test_plain_amqp_to_a_tls_port_is_named(rabbitmq: RabbitMQBench) -> None:
    with pytest.raises(ConnectionFailed, match=r"set spec.queue.rabbitmq.tls if it is a TLS port"):
        drive(connect(replace(rabbitmq.settings(), port=rabbitmq.server.ports.amqps)))


def test_client_certificate_logs_in_by_external(
    rabbitmq: RabbitMQBench, opened: Opened, encrypted: RabbitMQConnection
) -> None:
    settings = external(rabbitmq, encrypted)
    rabbitmq.server.add_user(rabbitmq.server.certificates.client_name)
    rabbitmq.server.allow(rabbitmq.server.certificates.client_name, rabbitmq.vhost)
    queue = rabbitmq.declare()
    assert opened(rabbitmq, settings).measure(RabbitMQReference(queue)).ready == 0
    rabbitmq.server.api("DELETE", "users", rabbitmq.server.certificates.client_name)


def test_client_certificate_of_nobody_is_refused(
    rabbitmq: RabbitMQBench, encrypted: RabbitMQConnection
) -> None:
    with pytest.raises(AuthenticationFailed, match="login of the client certificate by EXTERNAL"):
        drive(connect(external(rabbitmq, encrypted)))


def test_client_certificate_of_an_other_ca_is_refused(
    rabbitmq: RabbitMQBench, encrypted: RabbitMQConnection
) -> None:
    certificates = rabbitmq.server.certificates
    tls = TLSSettings(
        ca=certificates.ca,
        client_certificate=certificates.other_client_certificate,
        client_key=certificates.other_client_key,
    )
    with pytest.raises(TLSFailed, match="clientCertificateSecretRef"):
        drive(connect(with_tls(encrypted, tls)))


def test_external_without_tls_is_not_offered(rabbitmq: RabbitMQBench) -> None:
    with pytest.raises(AuthenticationFailed, match="does not offer EXTERNAL"):
        drive(connect(replace(rabbitmq.settings(), auth_mechanism="EXTERNAL")))


def test_suspended_broker_is_a_timeout_and_not_for_ever(
    rabbitmq: RabbitMQBench, opened: Opened
) -> None:
    queue = rabbitmq.declare()
    probe = opened(rabbitmq, rabbitmq.settings())
    assert probe.measure(RabbitMQReference(queue)).ready == 0
    with rabbitmq.server.suspended(), pytest.raises(ConnectionFailed, match="timeout"):
        probe.measure(RabbitMQReference(queue))


def test_queue_that_hangs_is_told_from_a_broker_that_does(
    rabbitmq: RabbitMQBench, opened: Opened
) -> None:
    hung, well = rabbitmq.declare(), rabbitmq.declare()
    probe = opened(rabbitmq, rabbitmq.settings())
    with rabbitmq.server.hung_queue(rabbitmq.vhost, hung):
        with pytest.raises(MeasurementUnreliable, match=r"did not answer within 1 s"):
            probe.measure(RabbitMQReference(hung))
        assert probe.measure(RabbitMQReference(well)).ready == 0
    assert probe.measure(RabbitMQReference(hung)).ready == 0


def external(rabbitmq: RabbitMQBench, encrypted: RabbitMQConnection) -> RabbitMQConnection:
    certificates = rabbitmq.server.certificates
    tls = TLSSettings(
        ca=certificates.ca,
        client_certificate=certificates.client_certificate,
        client_key=certificates.client_key,
    )
    return replace(encrypted, username="", password="", auth_mechanism="EXTERNAL", tls=tls)
