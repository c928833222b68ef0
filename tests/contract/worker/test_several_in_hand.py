"""A worker with several items in hand keeps its promises: each verb, in any order, amid deaths.

The schedule is random, and the same for a seed. Workers take, renew, and settle what they have in
hand in any order. They are killed, and frozen for longer than their leases last.
"""

import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.contract.worker.bench import Bench
from tests.contract.worker.conftest import REAL, Connect, open_bench
from tests.contract.worker.memory_bench import MemoryBench
from tests.contract.worker.rabbitmq_bench import RabbitMQWorkerBench
from workqueuejob.brokers.broker import Broker
from workqueuejob.brokers.redis.settings import RedisSource
from workqueuejob.contract.retry import RetrySettings
from workqueuejob.contract.settings import WorkerSettings
from workqueuejob.worker.engine import Engine
from workqueuejob.worker.item import Item
from workqueuejob.worker.stop_request import StopRequest

RETRY = RetrySettings(max_attempts=50, max_lost_attempts=50, initial_delay_seconds=0)
ITEMS = 40
KILLER = b"killer"
FAILURES = 2
STEPS = 150
PATIENCE_SECONDS = 60.0

_KINDS = [pytest.param(MemoryBench, id="memory"), *REAL]
_SHORT = {("memory", 1), ("memory", 8), ("list", 8), ("quorum", 8)}
"""What make test tries: the other brokers, and one item at a time, are much the same."""

CASES = [
    pytest.param(
        *kind.values,
        concurrency,
        seed,
        marks=(
            *kind.marks,
            *(() if (kind.id, concurrency) in _SHORT and seed == 1 else (pytest.mark.nightly,)),
        ),
        id=f"{kind.id}-{concurrency}-{seed}",
    )
    for kind in _KINDS
    for concurrency in (1, 8)
    for seed in (1, 2, 3)
]


@dataclass(eq=False)
class Hands:
    """A worker, and what it has in hand."""

    engine: Engine
    kill: Callable[[], None]
    items: list[Item] = field(default_factory=list)
    frozen_until: float = 0.0


class Workshop:
    """Workers at one queue, and what became of its items."""

    def __init__(self, bench: Bench, connect: Connect, *, concurrency: int, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - a schedule is no secret
        self.done: Counter[bytes] = Counter()
        self.buried: Counter[bytes] = Counter()
        self.deaths = 0
        self._bench, self._connect, self._concurrency = bench, connect, concurrency
        self._workers: list[Hands] = []

    def open(self) -> Hands:
        """Let a worker begin."""
        settings = WorkerSettings(
            source=RedisSource(key="unused"),
            retry=RETRY,
            concurrency=self._concurrency,
            termination_message_path="/nonexistent/message",
        )
        broker = self._connect(
            prefetch=self._concurrency, pod=f"pod-{len(self._workers)}-{self.deaths}"
        )
        engine = Engine(settings, lambda: broker, stop=StopRequest(30))
        hands = Hands(engine, lambda: self._bench.kill(broker))
        self._workers.append(hands)
        return hands

    def step(self) -> None:
        """Let somebody do something."""
        hands = self.chance.choice(self._workers)
        for other in self._workers:
            if other.frozen_until < time.monotonic():
                other.engine.renew()
        if hands.frozen_until > time.monotonic():
            return
        verbs = [self.take] * 6 + [self.succeed] * 3
        verbs += [self.fail, self.release, self.extend, self.bury]
        if self.chance.random() < 0.02:
            self.kill(hands)
        elif self.chance.random() < 0.02:
            # The leases of what it holds run out meanwhile.
            hands.frozen_until = time.monotonic() + 1.5 * min(self._bench.lease_seconds, 2.0)
        else:
            self.chance.choice(verbs)(hands)
        assert len(hands.items) <= self._concurrency

    def take(self, hands: Hands) -> None:
        self.begin(hands)
        item = hands.engine.look(0.05)
        if item is not None:
            assert not any(item.id == other.id for other in hands.items if not other.is_lost)
            hands.items.append(item)

    def begin(self, hands: Hands) -> None:
        """Begin with the item that waited for the end of the others."""
        if not hands.items and hands.engine.settlement.held:
            item = hands.engine.next()
            hands.items += [] if item is None else [item]

    def succeed(self, hands: Hands) -> None:
        item = self._pick(hands)
        if item is not None and item.ack():
            self.done[item.body] += 1

    def fail(self, hands: Hands) -> None:
        item = self._pick(hands)
        if item is not None:
            item.fail("no good")

    def bury(self, hands: Hands) -> None:
        item = self._pick(hands)
        if item is not None and hands.engine.settlement.give_up_on(item):
            self.buried[item.body] += 1

    def release(self, hands: Hands) -> None:
        item = self._pick(hands)
        if item is not None:
            item.release()

    def extend(self, hands: Hands) -> None:
        held = [item for item in hands.items if not item.is_lost]
        if held:
            hands.engine.renew()
            item = self.chance.choice(held)
            if not item.is_lost:
                item.extend()

    def kill(self, hands: Hands) -> None:
        self.deaths += 1
        hands.kill()
        self._workers.remove(hands)
        self.open()

    def drain(self) -> None:
        """Let all workers settle what they hold, and one of them the rest."""
        for hands in self._workers:
            hands.frozen_until = 0.0
            self.finish(hands)
            if hands is not self._workers[0]:
                hands.engine.close()
        ends = time.monotonic() + PATIENCE_SECONDS
        first = self._workers[0]
        while self._bench.count_left():
            assert time.monotonic() < ends, "items never came back"
            first.engine.renew()
            self.take(first)
            if len(first.items) == self._concurrency or not self.chance.randrange(4):
                self.succeed(first)
        self.finish(first)
        first.engine.close()

    def finish(self, hands: Hands) -> None:
        """Let a worker settle what it has in hand."""
        while hands.items or hands.engine.settlement.held:
            self.begin(hands)
            self.succeed(hands)

    def count_settled(self) -> int:
        """Return what the workers that were not killed have reported."""
        return sum(hands.engine.report.counts.settled for hands in self._workers)

    def _pick(self, hands: Hands) -> Item | None:
        if not hands.items:
            return None
        return hands.items.pop(self.chance.randrange(len(hands.items)))


def giving(broker: Broker) -> Callable[[], Broker]:
    """Return what opens a connection that is open already."""
    return lambda: broker


@pytest.mark.parametrize(("kind", "concurrency", "seed"), CASES)
def test_no_item_is_lost_whatever_order_and_whoever_dies(
    kind: Any, concurrency: int, seed: int, request: pytest.FixtureRequest
) -> None:
    bench: Any = MemoryBench() if kind is MemoryBench else open_bench(kind, request)
    opened = []

    def connect(**settings: Any) -> Any:
        opened.append(bench.connect(**settings))
        return opened[-1]

    bodies = [b"item-%d" % number for number in range(ITEMS)]
    bench.make_room(8)
    bench.produce(*bodies)
    shop = Workshop(bench, connect, concurrency=concurrency, seed=seed)
    for _ in range(2):
        shop.open()
    try:
        for _ in range(STEPS):
            shop.step()
        shop.drain()
    finally:
        for broker in opened:
            broker.close()
    assert {*shop.done, *shop.buried} == set(bodies)
    assert set(shop.buried) <= {letter.body for letter in bench.dead_letters()}
    # Where a broker was not sure that an acknowledgement came through, its item comes again.
    assert shop.done.total() + shop.buried.total() - ITEMS <= shop.deaths * concurrency
    assert bench.count_left() == 0


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(
            *kind.values,
            marks=(*kind.marks, *(() if (kind.id, 8) in _SHORT else (pytest.mark.nightly,))),
            id=kind.id,
        )
        for kind in _KINDS
    ],
)
def test_item_that_kills_its_worker_costs_the_others_one_attempt_at_most(
    kind: Any, request: pytest.FixtureRequest
) -> None:
    bench: Any = MemoryBench() if kind is MemoryBench else open_bench(kind, request)
    if kind is MemoryBench:
        # On a busy machine its shorter lease ends although nobody was killed.
        bench.queue.lease_seconds = 2.0
    # RabbitMQ delivers as many as may be in hand, and more would be lost with it than were begun.
    prefetch = 4 if isinstance(bench, RabbitMQWorkerBench) else 1
    bench.make_room(8)
    bench.produce(b"a", b"b", KILLER, *(b"%c" % letter for letter in b"cdefgh"))
    settings = WorkerSettings(
        source=RedisSource(key="unused"),
        retry=RetrySettings(max_lost_attempts=3, initial_delay_seconds=0),
        concurrency=4,
        idle_seconds=0.2,
        termination_message_path="/nonexistent/message",
    )
    beside: list[int] = []
    attempts: dict[bytes, int] = defaultdict(int)
    broker: Any = None
    ends = time.monotonic() + 2 * PATIENCE_SECONDS
    while bench.count_left():
        assert time.monotonic() < ends, "items never came back"
        if broker is None:
            broker = bench.connect(prefetch=prefetch, pod=f"pod-{len(beside)}")
            engine = Engine(settings, giving(broker), stop=StopRequest(30))
            hands: list[Item] = []
        engine.renew()
        item = engine.look(0.05) if hands else engine.next()
        if item is not None:
            hands.append(item)
            attempts[item.body] = item.attempt
        if item is not None and engine.has_room:
            continue
        if any(held.body == KILLER for held in hands):
            beside.append(len(hands) - 1)
            bench.kill(broker)
            broker = None
        elif hands:
            assert hands.pop(0).ack()
    engine.close()
    assert [letter.body for letter in bench.dead_letters()] == [KILLER]
    assert len(beside) == settings.retry.max_lost_attempts + bench.free_losses
    # From the first attempt on of which the broker says that it was lost, it was alone.
    assert not any(beside[1 + bench.free_losses :])
    assert beside[0] == settings.concurrency - 1 or not bench.shares_every_item
    del attempts[KILLER]
    assert max(attempts.values()) <= 1 + 1


@pytest.mark.parametrize("kind", _KINDS)
def test_worker_holds_no_more_than_its_quota_lacks(
    kind: Any, request: pytest.FixtureRequest
) -> None:
    bench: Any = MemoryBench() if kind is MemoryBench else open_bench(kind, request)
    bench.make_room(8)
    bench.produce(*[b"item-%d" % number for number in range(24)])
    settings = WorkerSettings(
        source=RedisSource(key="unused"),
        retry=RETRY,
        concurrency=4,
        quota=10,
        termination_message_path="/nonexistent/message",
    )
    engine = Engine(settings, lambda: bench.connect(retry=RETRY, prefetch=4), stop=StopRequest(30))
    held: list[Item] = []
    failed: set[bytes] = set()
    most = 0
    while not engine.is_done:
        item = engine.look(0.2) if held else engine.next()
        if item is not None:
            held.append(item)
        most = max(most, len(held))
        assert len(held) + engine.report.settled <= 10
        if item is None or not engine.has_room:
            first = held.pop(0)
            if first.attempt == 1 and len(failed) < FAILURES:
                failed.add(first.body)
                first.fail("no good")
            else:
                first.ack()
    engine.close()
    assert (most, engine.report.settled, bench.count_left()) == (4, 10, 14)
    if bench.shares_every_item:
        other = bench.connect(retry=RETRY, pod="pod-2")
        for _ in range(14):
            # What the worker had fetched and not taken was given back, and counts no attempt.
            left = other.take(timeout_seconds=2.0)
            assert left is not None
            assert (left.attempt, left.lost) == (1 + (left.body in failed), False)
            other.ack(left)
        other.close()
