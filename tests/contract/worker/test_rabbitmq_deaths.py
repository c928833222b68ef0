"""A RabbitMQ that is killed and started again costs no item an attempt that no worker began."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import pytest

from dev.servers.rabbitmq import RabbitMQServer, running_rabbitmq
from tests.contract.worker.rabbitmq_bench import (
    DEAD,
    ClassicBench,
    QuorumBench,
    RabbitMQWorkerBench,
)
from tests.contract.worker.test_worker_contract import surviving
from tests.unit.worker.builders import build_settings
from workqueuejob.brokers.broker import Broker
from workqueuejob.contract.report import ItemCounts
from workqueuejob.contract.retry import RetrySettings
from workqueuejob.worker.engine import Engine
from workqueuejob.worker.stop_request import StopRequest

pytestmark = [pytest.mark.rabbitmq, pytest.mark.starts_early, pytest.mark.timeout(240)]

ITEMS = tuple(b"%d" % number for number in range(200))
ACKNOWLEDGED = 10
IDLE_SECONDS = 15.0
"""A queue of a killed broker may take some seconds to deliver, once it can be reached."""
ONCE = RetrySettings(max_attempts=1, max_lost_attempts=1, dead_letter=DEAD)
RETRIED = RetrySettings(max_attempts=2, dead_letter=DEAD)


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQServer]:
    """A server of its own, to be killed."""
    with running_rabbitmq(tmp_path_factory.mktemp("mortal")) as server:
        yield server


@pytest.fixture
def benches(mortal: RabbitMQServer) -> Iterator[Sequence[RabbitMQWorkerBench]]:
    """A classic and a quorum queue: one death of their broker is enough for both."""
    with ExitStack() as stack:
        benches = (ClassicBench(mortal, stack), QuorumBench(mortal, stack))
        mortal.remember_queues()
        yield benches


def die(server: RabbitMQServer) -> None:
    """Kill the server and start it again."""
    server.stop(kill=True)
    server.start()


def drain(broker: Broker) -> ItemCounts:
    """Work on what there is as a worker does; return what it reports."""
    settings = build_settings(retry=ONCE, idle_seconds=IDLE_SECONDS)
    engine = Engine(settings, lambda: broker, stop=StopRequest(30.0))
    while (item := engine.next()) is not None:
        assert engine.settlement.succeed(item)
    return engine.report.counts


@pytest.mark.nightly
def test_death_of_the_broker_dead_letters_nothing(
    benches: Sequence[RabbitMQWorkerBench], mortal: RabbitMQServer
) -> None:
    brokers = [bench.connect(retry=ONCE) for bench in benches]
    for bench, broker in zip(benches, brokers, strict=True):
        bench.produce(*ITEMS)
        assert broker.take(timeout_seconds=10) is not None
    die(mortal)
    for bench, broker in zip(benches, brokers, strict=True):
        counts = drain(broker)
        assert (counts.succeeded, counts.dead_lettered, counts.attempts_lost) == (200, 0, 0)
        assert bench.dead_letters() == []
        broker.close()


@pytest.mark.nightly
def test_any_number_of_deaths_costs_what_waits_no_attempt(
    benches: Sequence[RabbitMQWorkerBench], mortal: RabbitMQServer
) -> None:
    for bench in benches:
        bench.produce(*ITEMS[:20])
    for _ in range(3):
        die(mortal)
        for bench in benches:
            broker = bench.connect(retry=ONCE)
            # Each time another one is looked at; it is given back, and marked by then.
            broker.release(surviving(lambda: broker.take(timeout_seconds=10)))  # noqa: B023 - called at once
            broker.close()
    for bench in benches:
        broker = bench.connect(retry=ONCE)
        counts = drain(broker)
        # What a killed broker forgets of acknowledgements comes twice.
        assert counts.succeeded >= 20
        assert counts.dead_lettered == 0
        broker.close()


@pytest.mark.nightly
def test_acknowledgement_that_a_killed_broker_forgets_is_counted_as_uncertain(
    benches: Sequence[RabbitMQWorkerBench], mortal: RabbitMQServer
) -> None:
    brokers = [bench.connect(retry=ONCE) for bench in benches]
    for bench, broker in zip(benches, brokers, strict=True):
        bench.produce(*ITEMS[:20])
        for _ in range(ACKNOWLEDGED):
            broker.ack(surviving(lambda: broker.take(timeout_seconds=10)))  # noqa: B023 - called at once
    die(mortal)
    for broker in brokers:
        counts = drain(broker)
        # A classic queue forgets some of the ten. A worker that gets one again can't know that.
        assert ACKNOWLEDGED + counts.succeeded >= 20
        assert counts.uncertain >= ACKNOWLEDGED + counts.succeeded - 20
        broker.close()


@pytest.mark.nightly
def test_item_comes_back_although_the_broker_died_right_after_the_declaration(
    mortal: RabbitMQServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RabbitMQ 3.10 has a new quorum queue that never answers then, and so may others."""
    name = "workqueuejob.brokers.rabbitmq.connection.REPLY_TIMEOUT_SECONDS"
    monkeypatch.setattr(name, 3.0)
    with ExitStack() as stack:
        bench = ClassicBench(mortal, stack)
        bench.produce(b"apple")
        # This declares the queue in which failed items rest.
        first = bench.connect(retry=RETRIED)
        die(mortal)
        first.close()
        broker = bench.connect(retry=RETRIED)
        for attempt in (1, 2, 3):
            item = surviving(lambda: broker.take(timeout_seconds=10))
            assert item.attempt == attempt
            broker.retry(item, reason="exit code 3", delay_seconds=1)
        broker.close()
