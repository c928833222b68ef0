"""What is Redis' alone: a server that takes no writes, or nothing new because it is full."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.contract.worker.conftest import Connect, open_bench
from tests.contract.worker.redis_bench import RedisListBench, RedisStreamBench
from tests.contract.worker.test_worker_contract import PATIENCE_SECONDS, drain, take
from tests.unit.worker.builders import build_settings
from workqueuejob.contract.dead_letters import dead_key
from workqueuejob.contract.report import ItemCounts
from workqueuejob.contract.retry import RetrySettings
from workqueuejob.errors import BrokerUnavailable, LeaseLost
from workqueuejob.worker.engine import Engine
from workqueuejob.worker.stop_request import StopRequest

pytestmark = pytest.mark.redis


@pytest.fixture(params=[RedisListBench, RedisStreamBench], ids=["list", "stream"])
def bench(request: pytest.FixtureRequest) -> RedisListBench:
    kind: type[RedisListBench] = request.param
    return open_bench(kind, request)


@contextmanager
def full(bench: RedisListBench) -> Iterator[None]:
    """Have the server use more memory than it may."""
    bench.client.config_set("maxmemory", 1)
    try:
        yield
    finally:
        bench.client.config_set("maxmemory", 0)


@contextmanager
def unable_to_save(bench: RedisListBench) -> Iterator[None]:
    """Have the server fail to save its data, after which it takes no writes."""
    in_the_way = bench.server.directory / "dump.rdb" / "folder"
    in_the_way.mkdir(parents=True)
    bench.client.config_set("save", "3600 1")
    bench.client.bgsave()
    while bench.client.info("persistence")["rdb_bgsave_in_progress"]:
        pass
    try:
        yield
    finally:
        bench.client.config_set("save", "")
        in_the_way.rmdir()
        in_the_way.parent.rmdir()


@contextmanager
def demoted(bench: RedisListBench) -> Iterator[None]:
    """Have the server be a replica, as after a failover."""
    bench.client.replicaof("127.0.0.1", 1)
    try:
        yield
    finally:
        bench.client.replicaof("NO", "ONE")


FRUITS = [b"apple", b"banana", b"cherry"]


# Full: what moves an item goes on, what adds one waits


def test_queue_that_fills_the_server_can_be_drained(
    bench: RedisListBench, connect: Connect
) -> None:
    bench.produce(*FRUITS)
    with full(bench):
        assert drain(connect()) == FRUITS
    assert bench.count_left() == 0


def test_full_server_takes_back_what_is_released_or_failed(
    bench: RedisListBench, connect: Connect
) -> None:
    bench.produce(b"apple")
    broker = connect()
    with full(bench):
        broker.release(take(broker))
        broker.retry(take(broker), reason="exit code 3", delay_seconds=0)
        item = take(broker)
        assert (item.attempt, item.lost) == (2, False)
        broker.release(item)
        broker.close()
        assert bench.count_left() == 1


def test_lease_is_renewed_on_a_full_server(bench: RedisListBench, connect: Connect) -> None:
    bench.produce(b"apple")
    broker = connect()
    item = take(broker)
    with full(bench):
        assert not broker.renew([item])


def test_fetched_items_are_begun_and_given_back_on_a_full_server(
    bench: RedisListBench, connect: Connect
) -> None:
    bench.produce(*FRUITS)
    broker = connect(prefetch=3)
    with full(bench):
        take(broker)
        assert take(broker).body == b"banana"
        broker.close()


def test_full_server_tells_that_an_item_is_lost(bench: RedisListBench, connect: Connect) -> None:
    bench.produce(b"apple")
    frozen, other = connect(run="uid-1"), connect(run="uid-1", pod="pod-2")
    lost = take(frozen)
    bench.place.cut(frozen)
    item = take(other, bench.lease_seconds + PATIENCE_SECONDS)
    with full(bench):
        with pytest.raises(LeaseLost):
            frozen.dead_letter(lost, reason="no good")
        other.ack(item)


def test_dead_letter_waits_until_the_server_has_room(
    bench: RedisListBench, connect: Connect
) -> None:
    bench.produce(b"poison")
    broker = connect()
    item = take(broker)
    with full(bench):
        for _ in range(2):
            with pytest.raises(BrokerUnavailable, match="raise its maxmemory"):
                broker.dead_letter(item, reason="no good")
        assert bench.count_left() == 1
    broker.dead_letter(item, reason="no good")
    assert [letter.attempts for letter in bench.dead_letters()] == [1]
    assert bench.count_left() == 0


def test_item_is_discarded_on_a_full_server(bench: RedisListBench, connect: Connect) -> None:
    bench.produce(b"poison")
    broker = connect(retry=RetrySettings(dead_letter=None))
    item = take(broker)
    with full(bench):
        broker.dead_letter(item, reason="no good")
    assert bench.count_left() == 0


# No writes at all


@pytest.mark.parametrize(
    ("refusing", "words"),
    [
        pytest.param(unable_to_save, "can't save its data", id="MISCONF"),
        pytest.param(demoted, "is a replica", id="READONLY"),
    ],
)
def test_server_that_takes_no_writes_is_unavailable_for_a_while(
    bench: RedisListBench,
    connect: Connect,
    refusing: Callable[[RedisListBench], Any],
    words: str,
) -> None:
    bench.produce(*FRUITS)
    broker = connect()
    item = take(broker)
    with refusing(bench):
        for _ in range(2):
            with pytest.raises(BrokerUnavailable, match=words):
                broker.ack(item)
    broker.ack(item)
    assert drain(broker) == FRUITS[1:]


# Streams that a producer trims


@pytest.mark.parametrize("how", ["failed", "lost"])
def test_entry_that_is_trimmed_before_it_is_done_is_put_aside(
    request: pytest.FixtureRequest, how: str
) -> None:
    bench = open_bench(RedisStreamBench, request)
    bench.produce(b"apple")
    broker = bench.connect()
    item = take(broker)
    if how == "failed":
        broker.retry(item, reason="no good", delay_seconds=0)
    else:
        bench.kill(broker)
    bench.client.xtrim(bench.key, maxlen=0, approximate=False)
    settings = build_settings(retry=RetrySettings(dead_letter=dead_key(bench.key)), idle_seconds=2)
    engine = Engine(settings, lambda: broker, stop=StopRequest(30.0))
    assert engine.next() is None
    letters: Any = bench.client.xrange(dead_key(bench.key))
    ((_, letter),) = letters
    assert letter[b"wqj-id"].decode() == item.id
    assert letter[b"wqj-reason"].startswith(b"removed from the queue by another program after 1 ")
    assert engine.report.counts == ItemCounts(dead_lettered=1, attempts_lost=int(how == "lost"))
    assert bench.count_left() == 0
    engine.close()
