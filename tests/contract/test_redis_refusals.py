"""A Redis that refuses writes is read as well as ever: what it refuses is named."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from dev.servers.redis import RedisServer, redis_server
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.brokers.redis.probe import connect
from workqueuejob.brokers.redis.reference import RedisReference
from workqueuejob.brokers.redis.settings import RedisConnection
from workqueuejob.errors import MeasurementUnreliable

__all__ = ["redis_server"]

pytestmark = pytest.mark.redis

LIST = RedisReference("job2")
STREAM = RedisReference("events", consumer_group="workers")
KINDS = pytest.mark.parametrize("queue", [LIST, STREAM], ids=["list", "stream"])


@pytest.fixture
def server(redis_server: RedisServer) -> Iterator[RedisServer]:
    with redis_server.client() as client:
        client.flushall()
        client.rpush(LIST.key, "apple", "banana")
        for fruit in ("apple", "banana"):
            client.xadd(STREAM.key, {"fruit": fruit})
    yield redis_server
    with redis_server.client() as client:
        client.acl_deluser("ann")


@contextmanager
def configured(server: RedisServer, **settings: str) -> Iterator[None]:
    with server.client() as client:
        before = {name.replace("_", "-"): "0" for name in settings}
        for name, value in settings.items():
            client.config_set(name.replace("_", "-"), value)
    try:
        yield
    finally:
        with server.client() as client:
            for name, value in before.items():
                client.config_set(name, value)


def measured(connection: RedisConnection, queue: RedisReference) -> QueueDepth:
    probe = connect(connection)
    try:
        probe.begin_round()
        return probe.measure(queue)
    finally:
        probe.close()


@KINDS
@pytest.mark.parametrize("worker", [True, False])
def test_full_server_is_named_and_its_queue_measured_because_it_can_be_drained(
    server: RedisServer, queue: RedisReference, *, worker: bool
) -> None:
    with configured(server, maxmemory="1"):
        depth = measured(server.connection, replace(queue, worker=worker))
    assert depth.ready == 2
    assert depth.warning is not None
    assert depth.warning.reason == "MemoryFull"
    assert f"{server.connection.address}: the server's memory is full" in depth.warning.message
    assert "raise its maxmemory" in depth.warning.message
    assert measured(server.connection, queue).warning is None


@KINDS
@pytest.mark.parametrize("worker", [True, False])
def test_server_without_its_replicas_is_unreliable_for_everybody(
    server: RedisServer, queue: RedisReference, *, worker: bool
) -> None:
    with (
        configured(server, min_replicas_to_write="1"),
        pytest.raises(MeasurementUnreliable, match="too few replicas to take writes"),
    ):
        measured(server.connection, replace(queue, worker=worker))


@KINDS
def test_trying_changes_nothing(server: RedisServer, queue: RedisReference) -> None:
    with server.client() as client:
        keys, before = set(client.keys()), client.info("persistence")["rdb_changes_since_last_save"]
        assert measured(server.connection, queue).ready == 2
        assert set(client.keys()) == keys
        assert client.info("persistence")["rdb_changes_since_last_save"] == before


def test_user_who_may_not_write_is_measured_and_asked_once(server: RedisServer) -> None:
    with server.client() as client:
        commands = ["+@read", "+@scripting", "+time", "+select"]
        client.acl_setuser(
            "ann", enabled=True, reset=True, passwords=["+s3cret"], commands=commands, keys=["*"]
        )
        client.execute_command("ACL", "LOG", "RESET")
        probe = connect(replace(server.connection, username="ann", password="s3cret"))
        for _ in range(3):
            assert probe.measure(LIST).ready == 2
        probe.close()
        denied = [one for one in client.acl_log() if one["object"] == "zadd"]
    assert [one["count"] for one in denied] == [1]
