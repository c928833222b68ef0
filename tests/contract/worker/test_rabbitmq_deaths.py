"""A RabbitMQ that is killed and started again costs no item an attempt that no worker began."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.contract.worker.rabbitmq_bench import (
    DEAD,
    ClassicBench,
    QuorumBench,
    RabbitMQWorkerBench,
)
from tests.contract.worker.test_worker_contract import surviving
from tests.rabbitmq_server import RabbitMQServer, running_rabbitmq
from tests.unit.worker.builders import build_settings
from workqueuejob.protocol.report import ItemCounts
from workqueuejob.protocol.retry import RetrySettings
from workqueuejob.worker.broker import Broker
from workqueuejob.worker.engine import Engine
from workqueuejob.worker.stopping import Stop

pytestmark = [pytest.mark.rabbitmq, pytest.mark.starts_early, pytest.mark.timeout(240)]

ITEMS = tuple(b"%d" % number for number in range(200))
ONCE = RetrySettings(max_attempts=1, dead_letter=DEAD)


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQServer]:
    """A server of its own, to be killed."""
    with running_rabbitmq(tmp_path_factory.mktemp("mortal")) as server:
        yield server


@pytest.fixture(params=[ClassicBench, QuorumBench], ids=["classic", "quorum"])
def bench(request: pytest.FixtureRequest, mortal: RabbitMQServer) -> Iterator[RabbitMQWorkerBench]:
    kind: type[RabbitMQWorkerBench] = request.param
    with ExitStack() as stack:
        bench = kind(mortal, stack)
        mortal.remember_queues()
        yield bench


def die(bench: RabbitMQWorkerBench) -> None:
    """Kill the server and start it again."""
    bench.server.stop(kill=True)
    bench.server.start()


def drain(broker: Broker) -> ItemCounts:
    """Work on what there is as a worker does; return what it reports."""
    settings = build_settings(retry=ONCE, idle_seconds=5.0)
    engine = Engine(settings, lambda: broker, stop=Stop(30.0))
    while (item := engine.next()) is not None:
        assert engine.succeed(item)
    return engine.report.counts


def test_death_of_the_broker_dead_letters_nothing(bench: RabbitMQWorkerBench) -> None:
    bench.produce(*ITEMS)
    broker = bench.connect(retry=ONCE)
    assert broker.take(timeout_seconds=10) is not None
    die(bench)
    counts = drain(broker)
    assert (counts.succeeded, counts.dead_lettered, counts.attempts_lost) == (200, 0, 0)
    assert bench.dead_letters() == []
    broker.close()


def test_any_number_of_deaths_costs_what_waits_no_attempt(bench: RabbitMQWorkerBench) -> None:
    bench.produce(*ITEMS[:20])
    for _ in range(3):
        die(bench)
        broker = bench.connect(retry=ONCE)
        # Each time another one is looked at; it is given back, and marked by then.
        broker.release(surviving(lambda: broker.take(timeout_seconds=10)))  # noqa: B023
        broker.close()
    broker = bench.connect(retry=ONCE)
    counts = drain(broker)
    # What a killed broker forgets of acknowledgements comes twice.
    assert counts.succeeded >= 20
    assert counts.dead_lettered == 0
    broker.close()


def test_acknowledgement_that_a_killed_broker_forgets_is_counted_as_uncertain(
    bench: RabbitMQWorkerBench,
) -> None:
    bench.produce(*ITEMS[:20])
    broker = bench.connect(retry=ONCE)
    done = 0
    while done < 10 and (item := broker.take(timeout_seconds=10)) is not None:
        broker.ack(item)
        done += 1
    die(bench)
    counts = drain(broker)
    # A classic queue forgets some of the ten; whoever gets them again can't know that.
    assert done + counts.succeeded >= 20
    assert counts.uncertain >= done + counts.succeeded - 20
    broker.close()
