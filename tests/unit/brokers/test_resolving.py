"""From spec and Secrets to connection settings."""

from collections.abc import Mapping
from typing import Any

import pytest

from workqueuejob.api import QueueSource
from workqueuejob.brokers.hosts import ALL_HOSTS, resolve_host
from workqueuejob.brokers.kafka.settings import KafkaConnection
from workqueuejob.brokers.rabbitmq.settings import RabbitMQConnection
from workqueuejob.brokers.resolving import (
    required_secrets,
    resolve_connection,
)
from workqueuejob.errors import (
    CredentialsNotURLSafe,
    QueueTypeUnsupported,
    SecretKeyMissing,
    SecretNotFound,
    TLSFailed,
)

PEM = b"-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n"
KEY = b"-----BEGIN PRIVATE KEY-----\nxyz\n-----END PRIVATE KEY-----\n"
Secrets = Mapping[str, Mapping[str, bytes] | None]


def source(**rabbitmq: Any) -> QueueSource:
    if "uriSecretRef" not in rabbitmq:
        rabbitmq = {"host": "mq", **rabbitmq}
    return QueueSource.from_manifest({"rabbitmq": {"queue": "job1", **rabbitmq}})


def resolve(secrets: Secrets | None = None, **rabbitmq: Any) -> RabbitMQConnection:
    found = resolve_connection(
        source(**rabbitmq), namespace="shop", secrets=secrets or {}, allowed_hosts=ALL_HOSTS
    )
    assert isinstance(found, RabbitMQConnection)
    return found


def resolve_uri(uri: bytes, **rabbitmq: Any) -> RabbitMQConnection:
    return resolve({"mq": {"uri": uri}}, uriSecretRef={"name": "mq"}, **rabbitmq)


def test_what_is_not_said_is_rabbitmqs_default() -> None:
    assert resolve() == RabbitMQConnection(
        host="mq.shop.svc",
        port=5672,
        virtual_host="/",
        username="guest",
        password="guest",
        reach=ALL_HOSTS,
    )


def test_tls_moves_the_default_port() -> None:
    assert resolve(tls={}).port == 5671
    assert resolve(tls={}, port=5673).port == 5673


@pytest.mark.parametrize(
    ("host", "resolved"),
    [
        ("rabbitmq-service", "rabbitmq-service.shop.svc"),
        ("mq.other.svc", "mq.other.svc"),
        ("localhost", "localhost"),
        ("10.0.0.1", "10.0.0.1"),
        ("fd00::1", "fd00::1"),
    ],
)
def test_host_without_a_dot_is_of_the_objects_namespace(host: str, resolved: str) -> None:
    assert resolve_host(host, "shop") == resolved


@pytest.mark.parametrize(
    ("url", "resolved"),
    [
        ("https://mq:15671/", "https://mq.shop.svc:15671"),
        ("http://mq.example/rabbit/", "http://mq.example/rabbit"),
        ("http://[fd00::1]:15672", "http://[fd00::1]:15672"),
        ("http://mq:99999", "http://mq.shop.svc:99999"),
        ("http://[::::]:15672", "http://[::::]:15672"),
    ],
)
def test_management_host_is_resolved_too(url: str, resolved: str) -> None:
    assert resolve(management={"url": url}).management_url == resolved


def test_credentials_come_from_the_keys_that_the_spec_names() -> None:
    reference = {"name": "mq", "usernameKey": "user", "passwordKey": "pass"}
    settings = resolve({"mq": {"user": b"ann", "pass": b"s3cret"}}, credentialsSecretRef=reference)
    assert (settings.username, settings.password) == ("ann", "s3cret")


def test_uri_is_decoded_part_by_part() -> None:
    settings = resolve_uri(b"amqps://ann%40x:p%2Fw%40d@mq:5679/team%2Fa\n")
    assert (settings.host, settings.port) == ("mq.shop.svc", 5679)
    assert (settings.username, settings.password) == ("ann@x", "p/w@d")
    assert settings.virtual_host == "team/a"
    assert settings.tls is not None
    assert settings.tls.verify


@pytest.mark.parametrize("uri", [b"amqp://mq", b"amqp://mq/", b"amqp://mq/%2F"])
def test_uri_without_a_path_is_the_default_virtual_host(uri: bytes) -> None:
    settings = resolve_uri(uri)
    assert (settings.virtual_host, settings.port, settings.username) == ("/", 5672, "guest")


@pytest.mark.parametrize(
    "uri",
    [
        b"amqp://ann:h/ush@mq:5672/",
        b"http://ann:hush@mq/",
        b"mq:5672",
        b"amqp://ann:h#ush@mq",
        b"amqp://ann:hush@mq:0",
        b"amqp://ann:hush@mq/" + b"%C3%A9" * 128,
        b"amqp://ann:hush@mq:65536",
        b"amqp://ann:hush@[::::]",
    ],
)
def test_malformed_uri_is_refused_without_quoting_it(uri: bytes) -> None:
    with pytest.raises(CredentialsNotURLSafe, match="key 'uri' of Secret 'mq'") as caught:
        resolve_uri(uri)
    assert "ush" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_tls_with_an_unencrypted_uri_is_refused() -> None:
    with pytest.raises(TLSFailed, match="write amqps://"):
        resolve_uri(b"amqp://mq", tls={})


def test_missing_secret_is_named_with_its_field() -> None:
    with pytest.raises(SecretNotFound) as caught:
        resolve({"mq": None}, credentialsSecretRef={"name": "mq"})
    assert str(caught.value) == (
        "Secret 'mq' not found in namespace 'shop' (spec.queue.rabbitmq.credentialsSecretRef); "
        "create it or correct the reference"
    )


@pytest.mark.parametrize("data", [{"username": b"ann"}, {"username": b"ann", "password": b""}])
def test_missing_key_is_named_and_no_other(data: dict[str, bytes]) -> None:
    secret = data | {"billing-token": b"x"}
    with pytest.raises(SecretKeyMissing, match=r"key 'password' of Secret 'mq'") as refused:
        resolve({"mq": secret}, credentialsSecretRef={"name": "mq"})
    assert "username" not in str(refused.value)
    assert "billing-token" not in str(refused.value)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_line_break_at_the_end_belongs_to_no_value(end: bytes) -> None:
    login = {"username": b"ann" + end, "password": b"s3cret" + end}
    settings = resolve({"mq": login}, credentialsSecretRef={"name": "mq"})
    assert (settings.username, settings.password) == ("ann", "s3cret")
    assert resolve_uri(b"amqp://ann:s3cret@mq/team" + end).virtual_host == "team"


def test_only_the_last_line_break_is_dropped() -> None:
    login = {"username": b"a\nn ", "password": b" s3cret\n\n"}
    settings = resolve({"mq": login}, credentialsSecretRef={"name": "mq"})
    assert (settings.username, settings.password) == ("a\nn ", " s3cret\n")


def test_value_of_nothing_but_a_line_break_is_missing() -> None:
    with pytest.raises(SecretKeyMissing, match=r"key 'password' .*nothing but a line break"):
        resolve(
            {"mq": {"username": b"ann", "password": b"\n"}}, credentialsSecretRef={"name": "mq"}
        )


def test_value_that_is_no_text_is_refused_without_showing_it() -> None:
    with pytest.raises(SecretKeyMissing, match="not UTF-8 text") as caught:
        resolve(
            {"mq": {"username": b"ann", "password": b"\xffhush"}},
            credentialsSecretRef={"name": "mq"},
        )
    assert "hush" not in str(caught.value)


def test_tls_material_is_read_and_stays_out_of_repr() -> None:
    tls = {
        "caSecretRef": {"name": "ca"},
        "clientCertificateSecretRef": {"name": "pair"},
        "serverName": "mq.prod",
        "verification": "None",
    }
    secrets: Secrets = {"ca": {"ca.crt": PEM}, "pair": {"tls.crt": PEM, "tls.key": KEY}}
    settings = resolve(secrets, tls=tls, authMechanism="EXTERNAL")
    assert settings.tls is not None
    assert (settings.tls.ca, settings.tls.client_key) == (PEM, KEY)
    assert (settings.tls.server_name, settings.tls.verify) == ("mq.prod", False)
    assert (settings.username, settings.password) == ("", "")
    assert "xyz" not in repr(settings)
    assert "abc" not in repr(settings)


def test_material_that_is_no_pem_is_refused_with_its_key() -> None:
    with pytest.raises(TLSFailed, match=r"key 'ca.crt' of Secret 'ca'.* is not PEM"):
        resolve({"ca": {"ca.crt": b"nonsense"}}, tls={"caSecretRef": {"name": "ca"}})


def test_external_without_a_certificate_is_refused() -> None:
    with pytest.raises(TLSFailed, match=r"set spec.queue.rabbitmq.tls.clientCertificateSecretRef"):
        resolve(tls={}, authMechanism="EXTERNAL")


def test_equal_settings_are_one_key_and_show_no_password() -> None:
    secrets: Secrets = {"mq": {"username": b"ann", "password": b"s3cret"}}
    one = resolve(secrets, credentialsSecretRef={"name": "mq"})
    other = resolve(secrets, credentialsSecretRef={"name": "mq"})
    assert {one: 1}[other] == 1
    assert "s3cret" not in repr(one)


def test_required_secrets_are_all_that_the_spec_names() -> None:
    assert required_secrets(source()) == frozenset()
    queue = source(
        credentialsSecretRef={"name": "mq"},
        tls={"caSecretRef": {"name": "ca"}, "clientCertificateSecretRef": {"name": "pair"}},
    )
    assert required_secrets(queue) == {"mq", "ca", "pair"}
    assert required_secrets(source(uriSecretRef={"name": "uri"})) == {"uri"}


def test_queue_without_a_broker_is_refused() -> None:
    with pytest.raises(QueueTypeUnsupported):
        resolve_connection(
            QueueSource.from_manifest({}), namespace="shop", secrets={}, allowed_hosts=ALL_HOSTS
        )


def test_secrets_of_a_topic_are_those_of_login_and_tls() -> None:
    login = {"mechanism": "PLAIN", "credentialsSecretRef": {"name": "login"}}
    tls = {"caSecretRef": {"name": "ca"}, "clientCertificateSecretRef": {"name": "client"}}
    topic = {"bootstrapServers": ["kafka:9092"], "topic": "t", "consumerGroup": "g"}

    def secrets_of(**kafka: Any) -> frozenset[str]:
        return required_secrets(QueueSource.from_manifest({"kafka": topic | kafka}))

    assert secrets_of() == frozenset()
    assert secrets_of(sasl=login, tls=tls) == {"login", "ca", "client"}


def test_topic_is_a_connection_of_its_own_kind() -> None:
    topic = {"bootstrapServers": ["kafka:9092"], "topic": "t", "consumerGroup": "g"}
    queue = QueueSource.from_manifest({"kafka": topic})
    found = resolve_connection(queue, namespace="shop", secrets={}, allowed_hosts=ALL_HOSTS)
    assert found == KafkaConnection(bootstrap_servers=("kafka.shop.svc:9092",), reach=ALL_HOSTS)
