"""Queues whose process hangs, on a real RabbitMQ: their neighbours on the login notice nothing."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from queue import Queue

import pytest

from tests.contract.conftest import RabbitMQBench
from tests.contract.worker.places import open_sockets
from tests.driving import drive
from workqueuejob.brokers.depth import Measurement, QueueDepth
from workqueuejob.brokers.rabbitmq.probe import connect
from workqueuejob.brokers.rabbitmq.reference import RabbitMQReference
from workqueuejob.brokers.rabbitmq.settings import RabbitMQConnection
from workqueuejob.errors import ConnectionFailed, MeasurementUnreliable
from workqueuejob.measuring.meter import Meter, Watch

pytestmark = pytest.mark.rabbitmq

HUNG = 10
WINDOW_SECONDS = 5.0
LEAST_RATIO = 0.9


def count_measurements(watch: Watch[RabbitMQReference]) -> int:
    """Return how often a queue is measured within the window."""
    started: set[float] = set()
    ends_at = time.monotonic() + WINDOW_SECONDS
    while time.monotonic() < ends_at:
        if watch.latest is not None:
            started.add(watch.latest.started)
        time.sleep(0.01)
    return len(started)


def test_healthy_queue_is_measured_as_often_beside_ten_that_hang(rabbitmq: RabbitMQBench) -> None:
    healthy = rabbitmq.declare()
    hung = [rabbitmq.declare() for _ in range(HUNG)]
    told: dict[str, Queue[Measurement]] = {name: Queue() for name in (healthy, *hung)}
    meter: Meter[RabbitMQConnection, RabbitMQReference] = Meter(0.1, connect=connect)
    with closing(meter), ExitStack() as stack:
        watches = {
            name: meter.watch(rabbitmq.settings(), RabbitMQReference(name), told[name].put)
            for name in told
        }
        for results in told.values():
            assert isinstance(results.get(timeout=10).result, QueueDepth)
        alone = count_measurements(watches[healthy])
        for name in hung:
            stack.enter_context(rabbitmq.server.hung_queue(rabbitmq.vhost, name))
        beside = count_measurements(watches[healthy])
        for name in hung:
            assert isinstance(told[name].get(timeout=10).result, MeasurementUnreliable)
        rabbitmq.publish(healthy, 1)
        published = time.monotonic()
        assert ready(told[healthy].get(timeout=10)) == 1
        assert time.monotonic() - published < 1.0
        assert meter.connections == 1
        stack.close()
        # The quarantine ends with the hanging.
        assert ready(told[hung[0]].get(timeout=60)) == 0
    assert beside >= LEAST_RATIO * alone


def ready(measurement: Measurement) -> int | None:
    return measurement.result.ready if isinstance(measurement.result, QueueDepth) else None


def test_question_is_answered_when_its_connection_ends(rabbitmq: RabbitMQBench) -> None:
    queue = RabbitMQReference(rabbitmq.declare())
    settings = rabbitmq.settings()
    with closing(drive(connect(settings))) as probe, ThreadPoolExecutor(1) as pool:
        assert probe.measure(queue).ready == 0
        with rabbitmq.server.hung_queue(rabbitmq.vhost, queue.queue):
            asked = pool.submit(probe.measure, queue)
            time.sleep(0.1)
            cut_off(settings.port)
            with pytest.raises(ConnectionFailed):
                asked.result(timeout=5)


def cut_off(port: int) -> None:
    """End this process' connections to a port, as a network that breaks does."""
    for number in open_sockets():
        with (
            suppress(OSError),
            socket.fromfd(number, socket.AF_INET, socket.SOCK_STREAM) as duplicate,
        ):
            if duplicate.getpeername()[1:2] == (port,):
                duplicate.shutdown(socket.SHUT_RDWR)
