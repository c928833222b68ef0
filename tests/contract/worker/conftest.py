"""The brokers that the worker's contract is held against; a bench is a fresh queue at one."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, cast

import pytest

from tests.contract.worker.bench import Bench
from tests.contract.worker.kafka_bench import KafkaBench
from tests.contract.worker.memory_bench import MemoryBench
from tests.contract.worker.rabbitmq_bench import ClassicBench, QuorumBench, RabbitMQWorkerBench
from tests.contract.worker.redis_bench import RedisListBench, RedisStreamBench
from tests.kafka_server import kafka_server
from tests.redis_server import redis_server
from workqueuejob.worker.broker import Broker

__all__ = ["kafka_server", "redis_server"]

Connect = Callable[..., Broker]

SERVERS: dict[type, str] = {
    RedisListBench: "redis_server",
    RabbitMQWorkerBench: "rabbitmq_server",
    KafkaBench: "kafka_server",
}


@pytest.fixture(
    params=[
        pytest.param(MemoryBench, id="memory"),
        pytest.param(RedisListBench, marks=pytest.mark.redis, id="list"),
        pytest.param(RedisStreamBench, marks=pytest.mark.redis, id="stream"),
        pytest.param(ClassicBench, marks=pytest.mark.rabbitmq, id="classic"),
        pytest.param(QuorumBench, marks=pytest.mark.rabbitmq, id="quorum"),
        pytest.param(KafkaBench, marks=pytest.mark.kafka, id="kafka"),
    ]
)
def bench(request: pytest.FixtureRequest, stack: ExitStack) -> Bench:
    kind: Any = request.param
    if kind is MemoryBench:
        return MemoryBench()
    server = next(name for known, name in SERVERS.items() if issubclass(kind, known))
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
