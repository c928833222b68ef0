"""From a Redis queue's spec and Secrets to connection settings."""

from collections.abc import Mapping
from typing import Any

import pytest

from workqueuejob.api import QueueSource
from workqueuejob.brokers.connection import TLSSettings
from workqueuejob.brokers.hosts import ALL_HOSTS
from workqueuejob.brokers.redis.settings import RedisConnection, Sentinel
from workqueuejob.brokers.resolving import required_secrets, resolve_connection
from workqueuejob.errors import CredentialsNotURLSafe, SecretKeyMissing, TLSFailed

PEM = b"-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n"
Secrets = Mapping[str, Mapping[str, bytes] | None]


def source(**redis: Any) -> QueueSource:
    place = {} if {"uriSecretRef", "sentinel"} & redis.keys() else {"host": "redis"}
    return QueueSource.from_manifest({"redis": {"list": {"key": "job2"}, **place, **redis}})


def resolve(secrets: Secrets | None = None, **redis: Any) -> RedisConnection:
    found = resolve_connection(
        source(**redis), namespace="shop", secrets=secrets or {}, allowed_hosts=ALL_HOSTS
    )
    assert isinstance(found, RedisConnection)
    return found


def test_host_is_one_of_the_work_queue_jobs_namespace() -> None:
    assert resolve() == RedisConnection(host="redis.shop.svc", reach=ALL_HOSTS)
    assert resolve(host="redis.cache.svc").host == "redis.cache.svc"


def test_password_alone_is_that_of_the_default_user() -> None:
    secret = {"cache": {"password": b"secret", "username": b"ignored"}}

    found = resolve(secret, credentialsSecretRef={"name": "cache"})

    assert (found.username, found.password) == (None, "secret")


def test_user_name_is_read_from_the_key_that_is_named() -> None:
    secret = {"cache": {"password": b"secret", "user": b"worker"}}

    found = resolve(secret, credentialsSecretRef={"name": "cache", "usernameKey": "user"})

    assert (found.username, found.password) == ("worker", "secret")


def test_missing_key_is_named_with_its_field() -> None:
    with pytest.raises(SecretKeyMissing, match=r"spec\.queue\.redis\.credentialsSecretRef"):
        resolve({"cache": {"other": b"x"}}, credentialsSecretRef={"name": "cache"})


def test_uri_says_everything() -> None:
    secret = {"cache": {"uri": b"rediss://worker:p%40ss@redis.test:6380/3"}}

    found = resolve(secret, uriSecretRef={"name": "cache"})

    assert found == RedisConnection(
        host="redis.test",
        port=6380,
        database=3,
        username="worker",
        password="p@ss",
        tls=TLSSettings(),
        reach=ALL_HOSTS,
    )


def test_uri_that_cannot_be_parsed_is_refused_without_being_quoted() -> None:
    secret = {"cache": {"uri": b"redis://worker:p/ss@redis.test"}}

    with pytest.raises(CredentialsNotURLSafe) as refused:
        resolve(secret, uriSecretRef={"name": "cache"})

    assert "p/ss" not in str(refused.value)


def test_tls_contradicting_the_uri_is_refused() -> None:
    secret = {"cache": {"uri": b"redis://redis.test"}}

    with pytest.raises(TLSFailed, match="rediss://"):
        resolve(secret, uriSecretRef={"name": "cache"}, tls={})


def test_certificates_come_from_their_secrets() -> None:
    found = resolve({"ca": {"ca.crt": PEM}}, tls={"caSecretRef": {"name": "ca"}})

    assert found.tls == TLSSettings(ca=PEM)


def test_sentinels_are_of_the_work_queue_jobs_namespace_too() -> None:
    sentinel = {"masterName": "mymaster", "addresses": ["sentinel:26379", "s.cache.svc:26379"]}

    found = resolve(sentinel=sentinel)

    assert found.sentinel == Sentinel("mymaster", ("sentinel.shop.svc:26379", "s.cache.svc:26379"))


def test_every_secret_that_is_referred_to_is_required() -> None:
    references = {
        "credentialsSecretRef": {"name": "cache"},
        "tls": {
            "caSecretRef": {"name": "ca"},
            "clientCertificateSecretRef": {"name": "client"},
        },
    }

    assert required_secrets(source(**references)) == {"cache", "ca", "client"}
