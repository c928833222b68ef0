"""What a person reads when Redis can't be reached or refuses, tried on a real one."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
from redis import Redis

from dev.servers.redis import (
    RedisServer,
    Sentinels,
    redis_server,
    require,
    running_sentinels,
)
from tests.reach import allow
from workqueuejob.brokers.connection import TLSSettings
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.brokers.redis.broker import RedisBroker, open_broker
from workqueuejob.brokers.redis.probe import connect
from workqueuejob.brokers.redis.reference import RedisReference
from workqueuejob.brokers.redis.scripts import LIST_SCRIPTS
from workqueuejob.brokers.redis.settings import RedisConnection, RedisSource, Sentinel
from workqueuejob.contract.dead_letters import dead_key
from workqueuejob.contract.report import ItemCounts
from workqueuejob.contract.retry import RetrySettings
from workqueuejob.errors import (
    AuthenticationFailed,
    AuthorizationFailed,
    BrokerUnavailable,
    ConnectionFailed,
    HostNotAllowed,
    MeasurementUnreliable,
    QueueNotFound,
    QueueTypeUnsupported,
    TLSFailed,
)

__all__ = ["redis_server"]

pytestmark = pytest.mark.redis

KEY = "job2"
RETRY = RetrySettings(dead_letter=dead_key(KEY))


@pytest.fixture
def server(redis_server: RedisServer) -> Iterator[RedisServer]:
    with redis_server.client() as client:
        client.flushall()
        client.rpush(KEY, "apple", "banana")
    yield redis_server
    with redis_server.client() as client:
        client.execute_command("REPLICAOF", "NO", "ONE")
        client.config_set("tls-auth-clients", "optional")
        client.acl_deluser("ann")


def measured(connection: RedisConnection, reference: RedisReference | None = None) -> QueueDepth:
    probe = connect(connection)
    try:
        return probe.measure(reference or RedisReference(KEY, dead_letter=dead_key(KEY)))
    finally:
        probe.close()


def opened(connection: RedisConnection, source: RedisSource | None = None) -> RedisBroker:
    return open_broker(connection, source or RedisSource(KEY), retry=RETRY, run="uid", pod="pod-1")


def settling(server: RedisServer) -> RedisBroker:
    """Open a worker whose first `ack` is one round trip: the server knows the script already."""
    with server.client() as client:
        client.script_load(LIST_SCRIPTS.ack)
    return opened(server.connection)


def user(server: RedisServer, *, commands: list[str], keys: list[str]) -> RedisConnection:
    with server.client() as client:
        client.acl_setuser(
            "ann", enabled=True, reset=True, passwords=["+s3cret"], commands=commands, keys=keys
        )
    return replace(server.connection, username="ann", password="s3cret")


def encrypted(server: RedisServer, **settings: Any) -> RedisConnection:
    tls = TLSSettings(**{"ca": server.certificates.ca, **settings})
    return replace(server.connection, port=server.tls_port, tls=tls)


# Reaching it


def test_refused_port_is_named() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        nowhere = RedisConnection("127.0.0.1", port)
        with pytest.raises(ConnectionFailed, match=f"127.0.0.1:{port}: refused; correct spec"):
            connect(nowhere)
        with pytest.raises(BrokerUnavailable, match="refused"):
            opened(nowhere)


def test_unknown_host_is_named() -> None:
    with pytest.raises(ConnectionFailed, match=r"nowhere.invalid:6379: unknown host; correct"):
        connect(RedisConnection("nowhere.invalid"))


def test_missing_database_is_named(server: RedisServer) -> None:
    with pytest.raises(QueueNotFound, match=r"database 99 not found .*spec.queue.redis.database"):
        connect(replace(server.connection, database=99))


def test_suspended_server_is_a_timeout_and_not_for_ever(server: RedisServer) -> None:
    probe = connect(server.connection)
    began = time.monotonic()
    with server.suspended(), pytest.raises(ConnectionFailed, match="timeout"):
        probe.measure(RedisReference(KEY))
    assert time.monotonic() - began < 10
    probe.close()


def test_replica_is_not_measured(server: RedisServer) -> None:
    with server.client() as client:
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(MeasurementUnreliable, match=r"is a replica.*master in spec.queue.redis"):
        connect(server.connection)
    with pytest.raises(BrokerUnavailable, match="is a replica, which takes no writes"):
        opened(server.connection).take(timeout_seconds=0)


def test_worker_survives_a_restart_with_what_it_holds(server: RedisServer) -> None:
    broker = opened(server.connection)
    item = broker.take(timeout_seconds=0)
    assert item is not None
    server.restart()
    with pytest.raises(BrokerUnavailable, match="connection lost"):
        broker.renew([item])
    assert not broker.renew([item])
    broker.ack(item)
    assert broker.take(timeout_seconds=0) is not None
    broker.close()


def test_repeated_ack_whose_answer_was_lost_is_not_a_lost_lease(server: RedisServer) -> None:
    broker = settling(server)
    item = broker.take(timeout_seconds=0)
    assert item is not None
    broker.fetch_ahead = False
    with server.suspended(), pytest.raises(BrokerUnavailable, match="timeout"):
        broker.ack(item)
    # What was sent is in the server's hands, and done before anything that follows.
    depth = measured(server.connection, RedisReference(KEY, run="uid"))
    assert (depth.ready, depth.in_flight) == (1, 0)
    broker.ack(item)
    assert measured(server.connection, RedisReference(KEY, run="uid")).counts == depth.counts
    assert depth.counts == ItemCounts(succeeded=1)
    broker.close()


def test_item_that_was_claimed_with_a_lost_answer_loses_no_attempt(server: RedisServer) -> None:
    broker = settling(server)
    item = broker.take(timeout_seconds=0)
    assert item is not None
    with server.suspended(), pytest.raises(BrokerUnavailable, match="timeout"):
        broker.ack(item)
    assert measured(server.connection).in_flight == 1
    broker.ack(item)
    following = broker.take(timeout_seconds=0)
    assert following is not None
    assert (following.body, following.attempt, following.lost) == (b"banana", 1, False)
    broker.close()


# Logging in


def test_acl_user_with_the_documented_rights_works_and_measures(server: RedisServer) -> None:
    ann = user(
        server,
        commands=["+@read", "+@write", "+@scripting", "+time"],
        keys=[KEY, f"{{{KEY}}}:*", "orders", "{orders}:*"],
    )
    with server.client() as client:
        client.xadd("orders", {"fruit": "fig"})
    for source in (RedisSource(KEY), RedisSource("orders", consumer_group="workers")):
        retry = RetrySettings(dead_letter=dead_key(source.key))
        broker = open_broker(ann, source, retry=retry, run="uid", pod="pod-1")
        item = broker.take(timeout_seconds=0)
        assert item is not None
        broker.retry(item, reason="no", delay_seconds=0)
        item = broker.take(timeout_seconds=0)
        assert item is not None
        broker.dead_letter(item, reason="no")
        broker.close()
    assert measured(ann).ready == 1


def test_wrong_password_fails_without_telling_it(server: RedisServer) -> None:
    wrong = replace(user(server, commands=["+@all"], keys=["*"]), password="wr0ng-one")
    with pytest.raises(AuthenticationFailed, match="login of user 'ann' refused") as caught:
        connect(wrong)
    assert "wr0ng-one" not in str(caught.value)
    with pytest.raises(AuthenticationFailed):
        opened(wrong)


def test_missing_password_is_asked_for(server: RedisServer) -> None:
    with server.client() as client:
        client.config_set("requirepass", "s3cret")
    try:
        with pytest.raises(AuthenticationFailed, match="demands a password; set spec"):
            connect(server.connection)
        assert measured(replace(server.connection, password="s3cret")).ready == 2
    finally:
        with server.client(password="s3cret") as client:
            client.config_set("requirepass", "")


@pytest.mark.parametrize(
    ("commands", "keys"),
    [
        (["+@all"], ["other"]),
        (["+@all"], [KEY]),
        (["+@all", "-@scripting"], ["*"]),
        (["+@scripting"], ["*"]),
    ],
    ids=["no key", "only the queue's key", "no scripts", "nothing within scripts"],
)
def test_missing_permission_is_named(
    server: RedisServer, commands: list[str], keys: list[str]
) -> None:
    ann = user(server, commands=commands, keys=keys)
    with pytest.raises(AuthorizationFailed, match=r"user 'ann' may not .*; grant it the keys ~KEY"):
        measured(ann)
    with pytest.raises(AuthorizationFailed, match=r"\+@read \+@write \+@scripting \+time"):
        opened(ann)


@pytest.mark.parametrize("command", ["hset", "hincrby", "zadd", "ltrim", "expire"])
def test_no_item_is_lost_for_want_of_a_permission(server: RedisServer, command: str) -> None:
    ann = user(server, commands=["+@all", f"-{command}"], keys=["*"])
    broker = opened(ann)
    # Without `expire` it fails after the item was settled: the count is what is missing.
    with pytest.raises(AuthorizationFailed):
        take_and_ack(broker)
    broker.disconnect()
    with server.client() as client:
        left = client.lrange(KEY, 0, -1)
    assert left == ([b"banana"] if command == "expire" else [b"apple", b"banana"])


def take_and_ack(broker: RedisBroker) -> None:
    item = broker.take(timeout_seconds=0)
    assert item is not None
    broker.ack(item)


# Keys of another type


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        (RedisReference("set"), "key 'set' on .* is a set, not a list; .*redis.list.key"),
        (
            RedisReference(KEY, consumer_group="g"),
            "key 'job2' on .* is a list, not a stream; .*redis.stream.key",
        ),
        (RedisReference(KEY, dead_letter="set"), "is a set, not a list; .*retry.deadLetter.name"),
        (
            RedisReference(KEY, worker=False, processing_key="set"),
            "is a set, not a list; .*redis.list.processingKey",
        ),
    ],
    ids=["list", "stream", "dead letter", "processing"],
)
def test_key_of_another_type_is_named_with_its_field(
    server: RedisServer, reference: RedisReference, words: str
) -> None:
    with server.client() as client:
        client.sadd("set", "x")
    with pytest.raises(QueueTypeUnsupported, match=words):
        measured(server.connection, reference)


def test_worker_names_the_key_of_another_type(server: RedisServer) -> None:
    with server.client() as client:
        client.sadd("set", "x")
    with pytest.raises(QueueTypeUnsupported, match=r"key 'set' .* is no list; .*redis.list.key"):
        opened(server.connection, RedisSource("set"))
    retry = RetrySettings(dead_letter="set")
    broker = open_broker(server.connection, RedisSource(KEY), retry=retry)
    item = broker.take(timeout_seconds=0)
    assert item is not None
    with pytest.raises(QueueTypeUnsupported, match=r"key 'set' .* spec.retry.deadLetter.name"):
        broker.dead_letter(item, reason="no")
    assert not broker.renew([item])
    broker.close()


# TLS


def test_tls_with_the_servers_ca_works(server: RedisServer) -> None:
    assert measured(encrypted(server)).ready == 2
    broker = opened(encrypted(server))
    assert broker.take(timeout_seconds=0) is not None
    broker.close()


def test_other_ca_is_refused_with_its_field(server: RedisServer) -> None:
    other = encrypted(server, ca=server.certificates.other_ca)
    for opening in (connect, opened):
        with pytest.raises(TLSFailed, match=r"verify failed: .*spec.queue.redis.tls.caSecretRef"):
            opening(other)


def test_other_name_is_refused_with_its_field(server: RedisServer) -> None:
    with pytest.raises(TLSFailed, match=r"verify failed: .*spec.queue.redis.tls.serverName"):
        connect(encrypted(server, server_name="redis.prod.test"))


def test_verification_none_takes_any_certificate(server: RedisServer) -> None:
    assert measured(encrypted(server, ca=None, verify=False)).ready == 2


def test_client_certificate_lets_in(server: RedisServer) -> None:
    with server.client() as client:
        client.config_set("tls-auth-clients", "yes")
    certificate, key = server.certificates.client
    settings = encrypted(server, client_certificate=certificate, client_key=key)
    assert measured(settings).ready == 2
    with pytest.raises(TLSFailed, match="clientCertificateSecretRef"):
        connect(encrypted(server))


def test_client_certificate_of_an_other_ca_is_refused(server: RedisServer) -> None:
    certificate, key = server.certificates.other_client
    with pytest.raises(TLSFailed, match="clientCertificateSecretRef"):
        connect(encrypted(server, client_certificate=certificate, client_key=key))


def test_plain_connection_to_a_tls_port_is_named(server: RedisServer) -> None:
    with pytest.raises(ConnectionFailed, match=r"set spec.queue.redis.tls if it is a TLS port"):
        connect(replace(server.connection, port=server.tls_port))


def test_tls_to_a_plain_port_is_named(server: RedisServer) -> None:
    with pytest.raises(ConnectionFailed, match=r"no answer to the TLS handshake; correct spec"):
        connect(replace(encrypted(server), port=server.port))


# Sentinel


@pytest.fixture(scope="module")
def sentinels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sentinels]:
    require("sentinel")
    directory = tmp_path_factory.mktemp("sentinel")
    with running_sentinels(directory) as sentinels:
        yield sentinels


def test_unknown_master_is_named(sentinels: Sentinels) -> None:
    assert sentinels.connection.sentinel is not None
    settings = RedisConnection(sentinel=replace(sentinels.connection.sentinel, master_name="no"))
    with pytest.raises(ConnectionFailed, match=r"no master 'no'; .*sentinel.masterName"):
        connect(settings)


def test_sentinel_that_is_down_is_passed_over(sentinels: Sentinels) -> None:
    settings = sentinels.connection
    assert settings.sentinel is not None
    addresses = ("127.0.0.1:1", *settings.sentinel.addresses)
    measured(replace(settings, sentinel=replace(settings.sentinel, addresses=addresses)))
    with pytest.raises(ConnectionFailed, match=r"refused; correct spec.queue.redis.sentinel"):
        connect(RedisConnection(sentinel=Sentinel("mymaster", ("127.0.0.1:1",))))


@pytest.mark.parametrize("database", [0, 1])
def test_sentinel_as_host_is_called_a_sentinel(sentinels: Sentinels, database: int) -> None:
    sentinel = sentinels.connection.sentinel
    assert sentinel is not None
    host, _, port = sentinel.addresses[0].rpartition(":")
    with pytest.raises(ConnectionFailed, match=r"is a Sentinel, .*name it in spec.queue.redis.sen"):
        connect(RedisConnection(host, int(port), database=database))


def test_server_among_the_sentinels_is_called_no_sentinel(sentinels: Sentinels) -> None:
    address = sentinels.master.connection.address
    with pytest.raises(ConnectionFailed, match=r"is no Sentinel; correct spec.queue.redis.sentin"):
        connect(RedisConnection(sentinel=Sentinel("mymaster", (address,))))


def test_master_that_is_not_allowed_is_not_connected_to(sentinels: Sentinels) -> None:
    settings = sentinels.connection
    assert settings.sentinel is not None
    reach = allow(*settings.sentinel.addresses)
    host, port = sentinels.master.connection.host, sentinels.master.connection.port

    with pytest.raises(HostNotAllowed, match=rf"{host}:{port} \(the answer of .*sentinel\)"):
        connect(replace(settings, reach=reach))
    connect(replace(settings, reach=allow(host))).close()


def test_worker_and_probe_follow_the_master(sentinels: Sentinels) -> None:
    with sentinels.master.client() as client:
        client.rpush(KEY, "apple")
        client.wait(1, 5000)
    probe, broker = connect(sentinels.connection), opened(sentinels.connection)
    item = broker.take(timeout_seconds=0)
    assert item is not None
    with sentinels.master.client() as client:
        client.wait(1, 5000)
    sentinels.fail_over()
    with pytest.raises((ConnectionFailed, MeasurementUnreliable)):
        probe.begin_round()
    probe.close()
    for _ in range(20):
        with suppress(BrokerUnavailable):
            broker.ack(item)
            break
    depth = measured(sentinels.connection, RedisReference(KEY, run="uid"))
    assert (depth.ready, depth.in_flight) == (0, 0)
    assert depth.counts is not None
    assert depth.counts.succeeded == 1
    broker.close()


@contextmanager
def demanding(execute: Callable[..., object], password: str) -> Iterator[None]:
    """Have a server or Sentinel ask its clients for a password. execute: runs a command there."""
    execute("ACL", "SETUSER", "default", "resetpass", f">{password}")
    try:
        yield
    finally:
        execute("ACL", "SETUSER", "default", "nopass")


@pytest.mark.parametrize(
    ("of_server", "of_sentinel", "login"),
    [
        pytest.param("hush", None, {"password": None}, id="the server alone"),
        pytest.param(None, "sesame", {"password": "sesame"}, id="the Sentinel alone"),
        pytest.param("hush", "sesame", {"password": "sesame"}, id="each its own"),
        pytest.param("hush", "hush", {"password": None}, id="the same"),
        pytest.param("hush", "sesame", {"username": "default", "password": "sesame"}, id="a user"),
    ],
)
def test_sentinels_have_a_login_of_their_own(
    sentinels: Sentinels, of_server: str | None, of_sentinel: str | None, login: dict[str, Any]
) -> None:
    settings, master = sentinels.connection, sentinels.master
    assert settings.sentinel is not None
    with ExitStack() as stack:
        server = stack.enter_context(master.client())
        sentinel = stack.enter_context(Redis(port=sentinels.port))
        for client, password in ((server, of_server), (sentinel, of_sentinel)):
            if password is not None:
                stack.enter_context(demanding(client.execute_command, password))
        named = replace(settings, password=of_server, sentinel=replace(settings.sentinel, **login))
        measured(named)
        opened(named).close()


def test_wrong_password_of_a_sentinel_is_told(sentinels: Sentinels) -> None:
    settings = sentinels.connection
    assert settings.sentinel is not None
    with Redis(port=sentinels.port) as client, demanding(client.execute_command, "sesame"):
        for password in (None, "wrong"):
            wrong = replace(settings.sentinel, password=password)
            with pytest.raises(AuthenticationFailed, match="sentinel"):
                connect(replace(settings, sentinel=wrong))
