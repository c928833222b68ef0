"""The brokers that the worker's contract is held against; a bench is a fresh queue at one."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, cast

import pytest

from tests.contract.worker.bench import Bench
from tests.contract.worker.memory_bench import MemoryBench
from tests.contract.worker.rabbitmq_bench import ClassicBench, QuorumBench
from tests.contract.worker.redis_bench import RedisListBench, RedisStreamBench
from tests.redis_server import redis_server
from workqueuejob.worker.broker import Broker

__all__ = ["redis_server"]

Connect = Callable[..., Broker]


@pytest.fixture(
    params=[
        pytest.param(MemoryBench, id="memory"),
        pytest.param(RedisListBench, marks=pytest.mark.redis, id="list"),
        pytest.param(RedisStreamBench, marks=pytest.mark.redis, id="stream"),
        pytest.param(ClassicBench, marks=pytest.mark.rabbitmq, id="classic"),
        pytest.param(QuorumBench, marks=pytest.mark.rabbitmq, id="quorum"),
    ]
)
def bench(request: pytest.FixtureRequest, stack: ExitStack) -> Bench:
    kind: Any = request.param
    if kind is MemoryBench:
        return MemoryBench()
    server = "redis_server" if issubclass(kind, RedisListBench) else "rabbitmq_server"
    return cast("Bench", kind(request.getfixturevalue(server), stack))


@pytest.fixture
def connect(bench: Bench) -> Iterator[Connect]:
    """Open a worker's connection that is closed after the test, killed or not."""
    with ExitStack() as opened:

        def open_broker(**settings: Any) -> Broker:
            broker = bench.connect(**settings)
            opened.callback(broker.close)
            return broker

        yield open_broker
