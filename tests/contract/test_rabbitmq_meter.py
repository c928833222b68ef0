"""The meter over a real RabbitMQ: new items are seen soon, and a restart is survived."""

import queue as queues
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from tests.contract.conftest import RabbitMQBench
from workqueuejob.brokers.depth import Measurement, QueueDepth
from workqueuejob.brokers.rabbitmq.probe import connect
from workqueuejob.brokers.rabbitmq.reference import RabbitMQReference
from workqueuejob.brokers.rabbitmq.settings import RabbitMQConnection
from workqueuejob.errors import ConnectionFailed
from workqueuejob.measuring.backoff import MeterPace
from workqueuejob.measuring.meter import Meter

pytestmark = pytest.mark.rabbitmq


@pytest.fixture
def meter() -> Iterator[Meter[RabbitMQConnection, RabbitMQReference]]:
    meter = Meter(connect=connect)
    yield meter
    meter.close()


def test_new_item_is_seen_within_a_second(
    rabbitmq: RabbitMQBench, meter: Meter[RabbitMQConnection, RabbitMQReference]
) -> None:
    name = rabbitmq.declare()
    told: queues.Queue[Measurement] = queues.Queue()
    meter.watch(rabbitmq.settings(management=True), RabbitMQReference(name), told.put)
    assert ready(told.get(timeout=10)) == 0
    rabbitmq.publish(name, 1)
    published = time.monotonic()
    assert ready(told.get(timeout=10)) == 1
    assert time.monotonic() - published < 1.0


@pytest.mark.nightly
def test_restarted_broker_is_measured_again_by_itself(rabbitmq: RabbitMQBench) -> None:
    told: dict[str, queues.Queue[Measurement]] = {
        "classic": queues.Queue(),
        "quorum": queues.Queue(),
    }
    with closing(Meter(connect=connect, pace=MeterPace(connection_cap_seconds=1.0))) as meter:
        for queue_type, results in told.items():
            name = rabbitmq.declare(queue_type)
            rabbitmq.publish(name, 2)
            meter.watch(rabbitmq.settings(), RabbitMQReference(name), results.put)
            await_result(results, lambda one: ready(one) == 2)
        rabbitmq.restart()
        for results in told.values():
            await_result(results, lambda one: isinstance(one.result, ConnectionFailed))
            await_result(results, lambda one: ready(one) == 2)
        assert meter.late_seconds() < 5


def ready(measurement: Measurement) -> int | None:
    return measurement.result.ready if isinstance(measurement.result, QueueDepth) else None


def await_result(
    told: queues.Queue[Measurement], holds: Callable[[Measurement], bool]
) -> Measurement:
    while True:
        measurement = told.get(timeout=30)
        if holds(measurement):
            return measurement
