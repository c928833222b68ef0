"""The scripts under random interleavings: no item is lost or doubled, and the counters add up.

Leases never end by waiting here: a step moves a lease's end into the past, as time would.
"""

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from dev.servers.redis import RedisServer, redis_server
from workqueuejob.brokers.broker import Delivery
from workqueuejob.brokers.redis.broker import RedisBroker, open_broker
from workqueuejob.brokers.redis.keys import build_keys
from workqueuejob.brokers.redis.probe import RedisProbe, connect
from workqueuejob.brokers.redis.reference import RedisReference
from workqueuejob.brokers.redis.settings import RedisSource
from workqueuejob.contract.dead_letters import dead_key
from workqueuejob.contract.report import ItemCounts
from workqueuejob.contract.retry import RetrySettings
from workqueuejob.errors import LeaseLost

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["redis_server"]

pytestmark = pytest.mark.redis

KEY = "work"
RUN = "uid-1"
WORKERS = st.integers(0, 2)
RETRY = RetrySettings(max_attempts=100, dead_letter=dead_key(KEY))


class Interleavings(RuleBasedStateMachine):
    """Three workers, of which one prefetches, in any order of steps."""

    server: RedisServer
    group: str | None

    def __init__(self) -> None:
        super().__init__()
        self.client = self.server.client()
        self.client.flushall()
        self.keys = build_keys(KEY, consumer_group=self.group, run=RUN)
        self.probe: RedisProbe = connect(self.server.connection)
        self.workers = [self.open_worker(number) for number in range(3)]
        self.held: list[tuple[int, Delivery]] = []
        self.lost: list[tuple[int, Delivery]] = []
        self.produced = 0
        self.failures: dict[bytes, int] = {}
        self.succeeded: list[bytes] = []
        self.buried: list[bytes] = []
        self.counts = ItemCounts()

    def open_worker(self, number: int) -> RedisBroker:
        source = RedisSource(KEY, consumer_group=self.group, lease_seconds=3600)
        return open_broker(
            self.server.connection,
            source,
            retry=RETRY,
            run=RUN,
            pod=f"pod-{number}",
            prefetch=3 if number == 2 else 1,
        )

    def teardown(self) -> None:
        for number, _ in enumerate(self.workers):
            self.release_all(number)
        for worker in self.workers:
            worker.close()
        self.drain()
        self.probe.close()
        self.client.close()

    @rule(count=st.integers(1, 4))
    def produce(self, count: int) -> None:
        for _ in range(count):
            body = b"item %d" % self.produced
            if self.group is None:
                self.client.rpush(KEY, body)
            else:
                self.client.xadd(KEY, {"item": body})
            self.produced += 1

    @rule(number=WORKERS)
    def take(self, number: int) -> None:
        item = self.workers[number].take(timeout_seconds=0)
        if item is None:
            return
        assert item.body not in self.succeeded + self.buried
        assert item.attempt == self.failures.get(item.body, 0) + 1
        assert item.body not in [other.body for _, other in self.held]
        if item.lost:
            self.counts = self.counts.plus(attempts_lost=1)
        self.held.append((number, item))

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def ack(self, data: st.DataObject) -> None:
        number, item = self.pick(data)
        self.workers[number].ack(item)
        self.succeeded.append(item.body)
        self.counts = self.counts.plus(succeeded=1)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), delay_seconds=st.sampled_from([0, 1000]))
    def retry(self, data: st.DataObject, delay_seconds: int) -> None:
        number, item = self.pick(data)
        self.workers[number].retry(item, reason="no", delay_seconds=delay_seconds)
        self.failed(item)
        self.counts = self.counts.plus(attempts_failed=1)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def dead_letter(self, data: st.DataObject) -> None:
        number, item = self.pick(data)
        self.workers[number].dead_letter(item, reason="no")
        self.buried.append(item.body)
        self.counts = self.counts.plus(dead_lettered=1, attempts_failed=1)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        number, item = self.pick(data)
        self.workers[number].release(item)
        self.counts = self.counts.plus(released=1)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def expire(self, data: st.DataObject) -> None:
        """A worker is frozen, and another takes its item over: only then is it lost."""
        number, item = self.pick(data)
        self.client.zadd(self.keys.leases, {item.id: 1})
        self.failed(item)
        other = (number + 1) % 2
        taken = self.workers[other].take(timeout_seconds=0)
        while taken is not None and taken.id != item.id:
            # It may have fetched another before.
            self.held.append((other, taken))
            taken = self.workers[other].take(timeout_seconds=0)
        assert taken is not None
        assert (taken.attempt, taken.lost) == (item.attempt + 1, True)
        self.counts = self.counts.plus(attempts_lost=1)
        self.held.append((other, taken))
        self.lost.append((number, item))

    @precondition(lambda self: self.lost)
    @rule(data=st.data(), settle=st.sampled_from(["ack", "retry", "dead_letter", "release"]))
    def settle_lost(self, data: st.DataObject, settle: str) -> None:
        number, item = self.pick(data, self.lost)
        worker = self.workers[number]
        ways: dict[str, Callable[[], None]] = {
            "ack": lambda: worker.ack(item),
            "retry": lambda: worker.retry(item, reason="no", delay_seconds=0),
            "dead_letter": lambda: worker.dead_letter(item, reason="no"),
            "release": lambda: worker.release(item),
        }
        with pytest.raises(LeaseLost):
            ways[settle]()
        self.counts = self.counts.plus(leases_lost=1)

    @rule(number=WORKERS)
    def renew(self, number: int) -> None:
        held = [item for owner, item in self.held if owner == number]
        assert not self.workers[number].renew(held)

    @rule(number=WORKERS)
    def close(self, number: int) -> None:
        """A worker is told to stop: it releases what it works on, and what it fetched."""
        self.release_all(number)
        self.workers[number].close()

    @rule()
    def pass_time(self) -> None:
        resting: Any = self.client.zrange(self.keys.delayed, 0, -1)
        for item in resting:
            self.client.zadd(self.keys.delayed, {item: 1})

    @invariant()
    def adds_up(self) -> None:
        depth = self.measure()
        left = depth.ready + (depth.in_flight or 0) + depth.delayed
        assert left + len(self.succeeded) + len(self.buried) == self.produced
        assert (depth.in_flight or 0) >= len(self.held)
        assert depth.dead_lettered == len(self.buried)
        assert (depth.counts or ItemCounts()) == self.counts

    def measure(self) -> Any:
        reference = RedisReference(
            KEY,
            consumer_group=self.group,
            dead_letter=RETRY.dead_letter,
            run=RUN,
            lease_seconds=3600,
        )
        return self.probe.measure(reference)

    def release_all(self, number: int) -> None:
        for owner, item in list(self.held):
            if owner == number:
                self.held.remove((owner, item))
                self.workers[owner].release(item)
                self.counts = self.counts.plus(released=1)

    def drain(self) -> None:
        """Whatever happened, the rest comes once each, and nothing stays behind it."""
        self.pass_time()
        while (item := self.workers[0].take(timeout_seconds=0)) is not None:
            self.workers[0].ack(item)
            self.succeeded.append(item.body)
        bodies = [b"item %d" % number for number in range(self.produced)]
        assert sorted(self.succeeded + self.buried) == sorted(bodies)
        keys = self.keys
        beside = (keys.leases, keys.delayed, keys.tokens, keys.attempts, keys.items)
        assert self.client.exists(*beside) == 0

    def failed(self, item: Delivery) -> None:
        self.failures[item.body] = self.failures.get(item.body, 0) + 1

    def pick(
        self, data: st.DataObject, among: list[tuple[int, Delivery]] | None = None
    ) -> tuple[int, Delivery]:
        choice = self.held if among is None else among
        return choice.pop(data.draw(st.integers(0, len(choice) - 1)))


@pytest.fixture(scope="module")
def machine(redis_server: RedisServer) -> type[Interleavings]:
    class Bound(Interleavings):
        server = redis_server

    return Bound


@pytest.mark.parametrize("group", [None, "workers"], ids=["list", "stream"])
def test_no_interleaving_loses_or_doubles_an_item(
    machine: type[Interleavings], group: str | None
) -> None:
    class Kind(machine):  # type: ignore[misc, valid-type]  # made by the fixture
        pass

    Kind.group = group
    run_state_machine_as_test(
        Kind,
        settings=settings(
            max_examples=40,
            stateful_step_count=30,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
