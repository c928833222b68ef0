"""The brokers that the worker's contract is held against; a bench is a fresh queue at one."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest

from dev.servers.kafka import kafka_server
from dev.servers.redis import redis_server
from tests.conftest import IN_RUNTIME
from tests.contract.worker.bench import Bench
from tests.contract.worker.kafka_bench import KafkaBench
from tests.contract.worker.memory_bench import MemoryBench
from tests.contract.worker.rabbitmq_bench import ClassicBench, QuorumBench, RabbitMQWorkerBench
from tests.contract.worker.redis_bench import RedisListBench, RedisStreamBench
from tests.contract.worker.travelled import InRuntime
from tests.worker_runtime import worker_runtime
from workqueuejob.brokers.broker import Broker

__all__ = ["kafka_server", "redis_server", "worker_runtime"]

B = TypeVar("B")
Connect = Callable[..., Broker]

SERVERS: dict[type, str] = {
    RedisListBench: "redis_server",
    RabbitMQWorkerBench: "rabbitmq_server",
    KafkaBench: "kafka_server",
}


REAL = [
    pytest.param(RedisListBench, marks=pytest.mark.redis, id="list"),
    pytest.param(RedisStreamBench, marks=pytest.mark.redis, id="stream"),
    pytest.param(ClassicBench, marks=pytest.mark.rabbitmq, id="classic"),
    pytest.param(QuorumBench, marks=pytest.mark.rabbitmq, id="quorum"),
    pytest.param(KafkaBench, marks=pytest.mark.kafka, id="kafka"),
]
ONE_OF_EACH = [
    pytest.param(*kind.values, marks=(*kind.marks, *twin), id=kind.id)
    for kind, twin in zip(
        REAL, ((), (pytest.mark.nightly,), (pytest.mark.nightly,), (), ()), strict=True
    )
]
"""The same, for what takes long; of two kinds of one server, make test leaves one out."""


@pytest.fixture(params=[pytest.param(MemoryBench, id="memory"), *REAL])
def bench(request: pytest.FixtureRequest) -> Bench:
    kind: Any = request.param
    found: Bench = MemoryBench() if kind is MemoryBench else open_bench(kind, request)
    return found


def open_bench(kind: type[B], request: pytest.FixtureRequest) -> B:
    """Return a bench at its real server, with its workers where `--in-runtime` says."""
    server = next(name for known, name in SERVERS.items() if issubclass(kind, known))
    make: Any = kind
    found: Any = make(request.getfixturevalue(server), request.getfixturevalue("stack"))
    if request.config.getoption(IN_RUNTIME):
        found.place = request.getfixturevalue("in_runtime")
    return cast("B", found)


@pytest.fixture(scope="session")
def in_runtime(worker_runtime: Path) -> Iterator[InRuntime]:
    """A process of the runtime that travels into pods, for workers' connections."""
    with closing(InRuntime(worker_runtime)) as place:
        yield place


@pytest.fixture
def connect(bench: Bench) -> Iterator[Connect]:
    """Open a worker's connection that is closed after the test, killed or not."""
    with ExitStack() as opened:

        def open_broker(**settings: Any) -> Broker:
            broker = bench.connect(**settings)
            opened.callback(broker.close)
            return broker

        yield open_broker
