"""The meter over a real RabbitMQ: new items are seen soon, and a restart is survived."""

import queue as queues
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from tests.contract.conftest import RabbitMQBench
from tests.driving import DrivenProbe
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


def test_idle_queue_wakes_up_within_a_second_and_its_side_queues_are_counted_then(
    rabbitmq: RabbitMQBench, meter: Meter[RabbitMQConnection, RabbitMQReference]
) -> None:
    name, delay, dead = rabbitmq.declare(), rabbitmq.declare(), rabbitmq.declare()
    told: queues.Queue[Measurement] = queues.Queue()
    reference = RabbitMQReference(name, (delay,), dead)
    watch = meter.watch(rabbitmq.settings(management=True), reference, told.put)
    first = told.get(timeout=10)
    watch.be_idle(True)
    rabbitmq.publish(delay, 2)
    rabbitmq.publish(dead, 3)
    # A glance is at the queue alone, and brings no new measurement.
    with pytest.raises(queues.Empty):
        told.get(timeout=2)
    assert watch.latest is not None
    assert watch.latest.started - first.started < 1.5
    rabbitmq.publish(name, 1)
    published = time.monotonic()
    depth = told.get(timeout=10).result
    assert time.monotonic() - published < 1.0
    assert isinstance(depth, QueueDepth)
    assert (depth.ready, depth.delayed, depth.dead_lettered) == (1, 2, 3)


def test_equal_names_in_two_virtual_hosts_are_never_taken_for_one_another(
    rabbitmq: RabbitMQBench,
    meter: Meter[RabbitMQConnection, RabbitMQReference],
    stack: ExitStack,
) -> None:
    other = RabbitMQBench(rabbitmq.server, "classic", stack)
    results: list[queues.Queue[Measurement]] = []
    for bench, count in ((rabbitmq, 1), (other, 2)):
        bench.redeclare("same")
        bench.publish("same", count)
        results.append(queues.Queue())
        meter.watch(bench.settings(), RabbitMQReference("same"), results[-1].put)
    assert [ready(each.get(timeout=10)) for each in results] == [1, 2]
    assert meter.connections == 2


def test_forgotten_queue_can_not_be_glanced_at_before_it_is_measured_again(
    rabbitmq: RabbitMQBench,
) -> None:
    queue = RabbitMQReference(rabbitmq.declare())
    probe = connect(rabbitmq.settings())
    with closing(DrivenProbe(probe)) as driven:
        for _ in range(2):
            assert not probe.glance(queue, lambda _: None)
            assert driven.measure(queue).ready == 0
            assert probe.glance(queue, lambda _: None)
            probe.forget(queue)


def ready(measurement: Measurement) -> int | None:
    return measurement.result.ready if isinstance(measurement.result, QueueDepth) else None


def await_result(
    told: queues.Queue[Measurement], holds: Callable[[Measurement], bool]
) -> Measurement:
    while True:
        measurement = told.get(timeout=30)
        if holds(measurement):
            return measurement
