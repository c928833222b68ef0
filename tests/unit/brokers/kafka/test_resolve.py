"""From a Kafka queue's spec and Secrets to connection settings."""

from collections.abc import Mapping
from typing import Any

import pytest

from workqueuejob.api.kafka import KafkaQueue
from workqueuejob.brokers.connection import TLSSettings
from workqueuejob.brokers.hosts import ALL_HOSTS, AllowedHosts, parse_host_pattern
from workqueuejob.brokers.kafka import resolve as room
from workqueuejob.brokers.kafka.settings import KafkaConnection
from workqueuejob.brokers.secrets import SecretReader
from workqueuejob.errors import HostNotAllowed, SecretKeyMissing, SecretNotFound

PEM = b"-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n"
SASL = {"mechanism": "SCRAM-SHA-512", "credentialsSecretRef": {"name": "kafka"}}
Secrets = Mapping[str, Mapping[str, bytes] | None]


def resolve(
    secrets: Secrets | None = None, allowed_hosts: AllowedHosts = ALL_HOSTS, **kafka: Any
) -> KafkaConnection:
    manifest = {"bootstrapServers": ["kafka:9092"], "topic": "t", "consumerGroup": "g", **kafka}
    reader = SecretReader(secrets or {}, "shop")
    queue = KafkaQueue.from_manifest(manifest)
    return room.resolve(queue, reader, namespace="shop", allowed_hosts=allowed_hosts)


def test_hosts_without_a_dot_are_of_the_work_queue_jobs_namespace() -> None:
    found = resolve(bootstrapServers=["kafka:9092", "k1.cache.svc:9093", "10.0.0.7:9092"])
    servers = ("kafka.shop.svc:9092", "k1.cache.svc:9093", "10.0.0.7:9092")
    assert found == KafkaConnection(servers, reach=ALL_HOSTS)


def test_login_is_read_from_the_secret() -> None:
    found = resolve({"kafka": {"username": b"ann", "password": b"hush"}}, sasl=SASL)
    assert (found.sasl_mechanism, found.username, found.password) == (
        "SCRAM-SHA-512",
        "ann",
        "hush",
    )


def test_user_name_of_the_spec_wins_and_none_need_be_in_the_secret() -> None:
    sasl = {**SASL, "username": "strimzi-user"}
    found = resolve({"kafka": {"password": b"hush"}}, sasl=sasl)
    assert (found.username, found.password) == ("strimzi-user", "hush")
    also = resolve({"kafka": {"username": b"ann", "password": b"hush"}}, sasl=sasl)
    assert also.username == "strimzi-user"


def test_what_is_missing_is_named_with_its_field() -> None:
    with pytest.raises(SecretNotFound, match=r"spec\.queue\.kafka\.sasl\.credentialsSecretRef"):
        resolve(sasl=SASL)
    with pytest.raises(SecretKeyMissing, match="'username'"):
        resolve({"kafka": {"password": b"hush"}}, sasl=SASL)


def test_being_there_is_what_turns_tls_on() -> None:
    assert resolve().tls is None
    assert resolve(tls={}).tls == TLSSettings()
    found = resolve({"ca": {"ca.crt": PEM}}, tls={"caSecretRef": {"name": "ca"}})
    assert found.tls == TLSSettings(ca=PEM)


def test_every_bootstrap_server_must_be_allowed() -> None:
    own = AllowedHosts((parse_host_pattern("*.shop.svc"),))
    assert resolve(allowed_hosts=own).bootstrap_servers == ("kafka.shop.svc:9092",)
    with pytest.raises(HostNotAllowed, match=r"^evil.test:9092 \(spec.queue.kafka.bootstrapServ"):
        resolve(allowed_hosts=own, bootstrapServers=["kafka:9092", "evil.test:9092"])
