"""What is measured of Redis lists and streams, whoever drains them."""

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from dev.servers.redis import RedisServer, redis_server
from tests.contract.worker.redis_bench import RedisListBench, RedisStreamBench
from workqueuejob.api import Precision
from workqueuejob.brokers.redis.probe import RedisProbe, connect
from workqueuejob.brokers.redis.reference import RedisReference
from workqueuejob.contract.dead_letters import dead_key
from workqueuejob.contract.report import ItemCounts

if TYPE_CHECKING:
    import redis

__all__ = ["redis_server"]

pytestmark = pytest.mark.redis

_numbers = itertools.count(1)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture(params=[RedisListBench, RedisStreamBench], ids=["list", "stream"])
def bench(
    request: pytest.FixtureRequest, redis_server: RedisServer, stack: ExitStack
) -> RedisListBench:
    kind: Callable[[RedisServer, ExitStack], RedisListBench] = request.param
    return kind(redis_server, stack)


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator["redis.Redis"]:
    with redis_server.client() as client:
        client.flushall()
        yield client


@pytest.fixture
def probe(redis_server: RedisServer) -> Iterator[RedisProbe]:
    probe = connect(redis_server.connection)
    yield probe
    probe.close()


def taken(broker: Any) -> Any:
    item = broker.take(timeout_seconds=1)
    assert item is not None
    return item


# Our worker's queues


def test_missing_key_is_an_empty_queue(bench: RedisListBench) -> None:
    depth = bench.probe.measure(bench.reference(run="uid-1"))
    assert (depth.ready, depth.in_flight, depth.delayed, depth.dead_lettered) == (0, 0, 0, 0)
    assert (depth.consumers, depth.counts, depth.precision) == (None, None, Precision.EXACT)


def test_every_item_is_somewhere(bench: RedisListBench) -> None:
    bench.produce(*[b"%d" % number for number in range(10)])
    broker = bench.connect(run="uid-1")
    broker.ack(taken(broker))
    broker.retry(taken(broker), reason="no", delay_seconds=60)
    broker.dead_letter(taken(broker), reason="no")
    broker.release(taken(broker))
    held = taken(broker)
    depth = bench.probe.measure(bench.reference(run="uid-1"))
    assert (depth.ready, depth.in_flight, depth.delayed, depth.dead_lettered) == (6, 1, 1, 1)
    assert depth.counts == ItemCounts(succeeded=1, attempts_failed=2, dead_lettered=1, released=1)
    broker.release(held)
    broker.close()


def test_ended_lease_is_ready_again_and_counted_when_found(bench: RedisListBench) -> None:
    bench.produce(b"apple")
    killed, other = bench.connect(run="uid-1"), bench.connect(run="uid-1", pod="pod-2")
    lost = taken(killed)
    time.sleep(bench.lease_seconds)
    depth = bench.probe.measure(bench.reference(run="uid-1"))
    assert (depth.ready, depth.in_flight) == (1, 0)
    item = taken(other)
    assert killed.renew([lost]) == [lost]
    other.ack(item)
    depth = bench.probe.measure(bench.reference(run="uid-1"))
    assert (depth.ready, depth.in_flight) == (0, 0)
    assert depth.counts == ItemCounts(succeeded=1, attempts_lost=1, leases_lost=1)
    killed.close()
    other.close()


def test_item_given_up_untried_is_no_failed_attempt(bench: RedisListBench) -> None:
    bench.produce(b"poison")
    broker = bench.connect(run="uid-1")
    for _ in range(3):
        broker.retry(taken(broker), reason="no", delay_seconds=0)
    item = taken(broker)
    # As the worker says that it has not tried it this time.
    broker.dead_letter(replace(item, attempt=item.attempt - 1), reason="killed too often")
    counts = bench.probe.measure(bench.reference(run="uid-1")).counts
    assert counts == ItemCounts(attempts_failed=3, dead_lettered=1)
    broker.close()


def test_runs_are_counted_apart_and_not_for_ever(bench: RedisListBench) -> None:
    bench.produce(b"apple", b"banana")
    for run in ("uid-1", "uid-2"):
        broker = bench.connect(run=run)
        item = taken(broker)
        broker.fetch_ahead = False
        broker.ack(item)
        broker.close()
    for run in ("uid-1", "uid-2"):
        assert bench.probe.measure(bench.reference(run=run)).counts == ItemCounts(succeeded=1)
        seconds: Any = bench.client.ttl(f"{{{bench.key}}}:wqj:run:{run}")
        assert 0 < seconds <= 7 * 24 * 3600


def test_prefetched_items_of_a_killed_worker_lose_no_attempt(bench: RedisListBench) -> None:
    bench.produce(b"poison", b"apple", b"banana")
    killed, other = bench.connect(prefetch=3), bench.connect(pod="pod-2")
    taken(killed)
    bench.kill(killed)
    time.sleep(bench.lease_seconds)
    found = {}
    while (item := other.take(timeout_seconds=0)) is not None:
        found[item.body] = (item.attempt, item.lost)
        other.ack(item)
    assert found == {b"poison": (2, True), b"apple": (1, False), b"banana": (1, False)}
    other.close()


def test_worker_with_its_quota_settled_fetches_no_more(bench: RedisListBench) -> None:
    bench.produce(b"apple", b"banana")
    broker = bench.connect()
    item = taken(broker)
    broker.fetch_ahead = False
    broker.ack(item)
    depth = bench.probe.measure(bench.reference())
    assert (depth.ready, depth.in_flight) == (1, 0)
    assert taken(broker).body == b"banana"
    broker.close()


# Others' programs


def test_foreign_programs_list_is_in_flight_as_long_as_it_is_processed(
    client: "redis.Redis", probe: RedisProbe
) -> None:
    client.rpush("job2", "apple", "banana", "cherry")
    client.lmove("job2", "job2:processing")
    client.lmove("job2", "elsewhere")
    foreign = RedisReference("job2", worker=False)
    depth = probe.measure(foreign)
    assert (depth.ready, depth.in_flight, depth.dead_lettered) == (1, 1, None)
    named = RedisReference("job2", worker=False, processing_key="elsewhere")
    assert probe.measure(named).in_flight == 1
    assert probe.measure(RedisReference("job2")).in_flight == 0


def test_foreign_groups_stream_is_lag_and_pending(client: "redis.Redis", probe: RedisProbe) -> None:
    foreign = RedisReference("orders", consumer_group="billing", worker=False)
    assert probe.measure(foreign).ready == 0
    for number in range(5):
        client.xadd("orders", {"n": number})
    assert probe.measure(foreign).ready == 5
    latest = RedisReference("orders", consumer_group="billing", start_from="Latest", worker=False)
    assert probe.measure(latest).ready == 0
    client.xgroup_create("orders", "billing", "0")
    client.xreadgroup("billing", "somebody", {"orders": ">"}, count=2)
    depth = probe.measure(foreign)
    assert (depth.ready, depth.in_flight) == (3, 2)


def test_unknown_lag_is_counted(client: "redis.Redis", probe: RedisProbe) -> None:
    ids: list[Any] = [client.xadd("orders", {"n": number}) for number in range(900)]
    client.xgroup_create("orders", "billing", "0")
    client.xreadgroup("billing", "somebody", {"orders": ">"}, count=1)
    client.xdel("orders", ids[500])
    groups: Any = client.xinfo_groups("orders")
    assert groups[0]["lag"] is None
    depth = probe.measure(RedisReference("orders", consumer_group="billing", worker=False))
    assert (depth.ready, depth.in_flight, depth.precision) == (898, 1, Precision.EXACT)


def test_large_unknown_lag_is_estimated_from_a_thousand_entries(
    client: "redis.Redis", probe: RedisProbe
) -> None:
    # As one entry a second makes them.
    with client.pipeline(transaction=False) as pipeline:
        for second in range(1, 10_001):
            pipeline.xadd("orders", {"n": second}, id=f"{second}000-0")
        pipeline.execute()
    client.xgroup_create("orders", "billing", "4000000-0")
    client.xdel("orders", "9000000-0")
    client.config_resetstat()
    depth = probe.measure(RedisReference("orders", consumer_group="billing", worker=False))
    assert depth.ready == pytest.approx(6000, rel=0.01)
    assert depth.precision is Precision.ESTIMATED
    assert calls(client, "xrange") == 10


def test_items_that_rest_are_not_looked_through(
    redis_server: RedisServer, stack: ExitStack
) -> None:
    bench = RedisStreamBench(redis_server, stack)
    bench.produce(*[b"%d" % number for number in range(500)])
    resting, other = bench.connect(prefetch=500), bench.connect(pod="pod-2")
    for _ in range(500):
        resting.retry(taken(resting), reason="no", delay_seconds=600)
    time.sleep(bench.lease_seconds)
    bench.client.config_resetstat()
    assert other.take(timeout_seconds=0) is None
    assert bench.probe.measure(bench.reference()).delayed == 500
    assert calls(bench.client, "xpending") <= 2
    resting.close()
    other.close()


def calls(client: "redis.Redis", command: str) -> int:
    """Return how often the server ran a command since its statistics were reset."""
    found: Any = client.info("commandstats").get(f"cmdstat_{command}", {})
    return int(found.get("calls", 0))


def test_entries_that_died_with_others_are_ready_and_taken_over(
    redis_server: RedisServer, stack: ExitStack
) -> None:
    bench = RedisStreamBench(redis_server, stack)
    bench.produce(*[b"%d" % number for number in range(3)])
    group = bench.consumer_group or ""
    bench.client.xgroup_create(bench.key, group, "0")
    bench.client.xreadgroup(group, "somebody", {bench.key: ">"})
    assert bench.probe.measure(bench.reference()).in_flight == 3
    time.sleep(bench.lease_seconds)
    assert bench.probe.measure(bench.reference()).ready == 3
    broker = bench.connect()
    for _ in range(3):
        item = taken(broker)
        assert (item.attempt, item.lost) == (2, True)
        broker.ack(item)
    assert bench.count_left() == 0
    broker.close()


def test_entry_of_the_dead_is_found_behind_many_that_are_busy(
    redis_server: RedisServer, stack: ExitStack
) -> None:
    bench = RedisStreamBench(redis_server, stack)
    bench.produce(*[b"%d" % number for number in range(13)])
    group = bench.consumer_group or ""
    bench.client.xgroup_create(bench.key, group, "0")
    bench.client.xreadgroup(group, "z-dead", {bench.key: ">"}, count=1)
    time.sleep(bench.lease_seconds)
    for number in range(12):
        bench.client.xreadgroup(group, f"busy-{number:02}", {bench.key: ">"}, count=1)
    depth = bench.probe.measure(bench.reference())
    assert (depth.ready, depth.in_flight) == (1, 12)


def test_closing_leaves_no_consumer_behind(redis_server: RedisServer, stack: ExitStack) -> None:
    bench = RedisStreamBench(redis_server, stack)
    bench.produce(b"apple", b"banana")
    broker = bench.connect(pod="pod-7")
    broker.retry(taken(broker), reason="no", delay_seconds=60)
    broker.ack(taken(broker))
    broker.close()
    consumers: Any = bench.client.xinfo_consumers(bench.key, bench.consumer_group or "")
    assert [one["name"] for one in consumers] == [b"wqj-delayed"]


def test_entry_that_was_trimmed_away_is_known_to_be_gone(
    redis_server: RedisServer, stack: ExitStack
) -> None:
    bench = RedisStreamBench(redis_server, stack)
    bench.produce(b"apple", b"banana")
    broker = bench.connect()
    broker.retry(taken(broker), reason="no", delay_seconds=0)
    bench.client.xtrim(bench.key, maxlen=1, approximate=False)
    gone = taken(broker)
    assert (gone.gone, gone.body, gone.attempt) == (True, b"", 2)
    broker.dead_letter(gone, reason="gone")
    assert taken(broker).body == b"banana"
    broker.close()
    assert bench.count_left() == 1


def test_entry_of_several_fields_is_json_and_its_dead_letter_keeps_them(
    redis_server: RedisServer, stack: ExitStack
) -> None:
    bench = RedisStreamBench(redis_server, stack)
    bench.client.xadd(bench.key, {"name": "Käse", "price": "3"})
    broker = bench.connect(pod="pod-7")
    item = taken(broker)
    assert item.body == b'{"name": "K\\u00e4se", "price": "3"}'
    broker.dead_letter(item, reason="sold out")
    found: Any = bench.client.xrange(dead_key(bench.key))
    entry = {name.decode(): value.decode() for name, value in found[0][1].items()}
    assert (entry["name"], entry["price"]) == ("Käse", "3")
    assert (entry["wqj-id"], entry["wqj-reason"], entry["wqj-pod"]) == (
        item.id,
        "sold out",
        "pod-7",
    )
    broker.close()
