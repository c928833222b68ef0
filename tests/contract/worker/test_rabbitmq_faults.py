"""A RabbitMQ that answers a worker's first words with a fault of its own is tried again."""

import queue as queues
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.contract.worker.conftest import open_bench
from tests.contract.worker.rabbitmq_bench import ClassicBench, RabbitMQWorkerBench
from tests.unit.worker.builders import build_settings
from workqueuejob.brokers.broker import Broker
from workqueuejob.contract import exit_codes
from workqueuejob.errors import BrokerUnavailable
from workqueuejob.worker.engine import Engine
from workqueuejob.worker.stop_request import StopRequest

pytestmark = pytest.mark.rabbitmq

PATIENCE_SECONDS = 30


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> RabbitMQWorkerBench:
    return open_bench(ClassicBench, request)


def test_worker_whose_first_declaration_fails_in_the_broker_goes_on_when_it_works(
    bench: RabbitMQWorkerBench,
) -> None:
    bench.produce(b"apple")
    refusals: queues.Queue[str] = queues.Queue()

    def connect() -> Broker:
        try:
            return bench.connect()
        except BrokerUnavailable as error:
            refusals.put(str(error))
            raise

    engine = Engine(build_settings(quota=1), connect, stop=StopRequest(30.0))
    with ThreadPoolExecutor() as pool:
        with bench.server.refusing_quorum_queues():
            taken = pool.submit(engine.next)
            assert "541 INTERNAL_ERROR" in refusals.get(timeout=PATIENCE_SECONDS)
        item = taken.result(PATIENCE_SECONDS)
    assert item is not None
    assert engine.settlement.succeed(item)
    assert engine.exit_code == exit_codes.DONE
    engine.close()


def test_limit_of_queues_in_the_virtual_host_is_named(bench: RabbitMQWorkerBench) -> None:
    limits = ("vhost-limits", bench.vhost, "max-queues")
    bench.server.api("PUT", *limits, body={"value": 1})
    try:
        with pytest.raises(BrokerUnavailable, match=r"queue limit .*reached.*set_vhost_limits"):
            bench.connect()
    finally:
        bench.server.api("DELETE", *limits)
