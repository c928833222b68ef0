"""The tests' own Kafka lets in by every listener, and keeps what it is given."""

from collections.abc import Mapping
from typing import Any

import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient

from dev.servers.kafka import ADMIN, KafkaServer, kafka_server

__all__ = ["kafka_server"]

pytestmark = pytest.mark.kafka


def brokers_seen(settings: Mapping[str, Any], *, timeout_seconds: float = 20) -> int:
    client = AdminClient({"log_level": 0, **settings})
    return len(client.list_topics(timeout=timeout_seconds).brokers)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "tls"])
def test_administrator_logs_in(kafka_server: KafkaServer, mechanism: str, encrypted: bool) -> None:
    ports = kafka_server.ports
    settings = {
        "bootstrap.servers": f"{kafka_server.host}:{ports.sasl_tls if encrypted else ports.sasl}",
        "security.protocol": "SASL_SSL" if encrypted else "SASL_PLAINTEXT",
        "ssl.ca.pem": kafka_server.certificates.ca.decode(),
        "sasl.mechanism": mechanism,
        "sasl.username": ADMIN[0],
        "sasl.password": ADMIN[1],
    }
    assert brokers_seen(settings) == 1


def test_encrypted_listener_has_a_certificate_of_its_ca(kafka_server: KafkaServer) -> None:
    settings = {
        "bootstrap.servers": f"{kafka_server.host}:{kafka_server.ports.tls}",
        "security.protocol": "SSL",
    }
    certificates = kafka_server.certificates
    assert brokers_seen(settings | {"ssl.ca.pem": certificates.ca.decode()}) == 1
    other = settings | {"ssl.ca.pem": certificates.other_ca.decode()}
    with pytest.raises(KafkaException):
        brokers_seen(other, timeout_seconds=3)


@pytest.mark.nightly
def test_restarted_node_keeps_what_it_held(kafka_server: KafkaServer) -> None:
    producer = Producer({"bootstrap.servers": kafka_server.bootstrap})
    producer.produce("kept", b"apple")
    assert producer.flush(10) == 0
    kafka_server.restart()
    assert "kept" in kafka_server.admin().list_topics(timeout=10).topics
