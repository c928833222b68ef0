"""Forty healthy connections beside ten that hang, drip or refuse: measured as without them."""

import time
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from dev.servers.ports import find_free_ports
from tests.builders import a_work_queue_job
from tests.fake_broker import FakeBroker
from tests.hostile_server import Act, drip, flood, hostile_server, say, silent
from workqueuejob.brokers.depth import Measurement
from workqueuejob.brokers.kafka.settings import KafkaConnection
from workqueuejob.brokers.rabbitmq.reference import RabbitMQReference
from workqueuejob.brokers.rabbitmq.settings import RabbitMQConnection
from workqueuejob.brokers.redis.settings import RedisConnection
from workqueuejob.brokers.references import build_reference, connect
from workqueuejob.errors import ConnectionFailed
from workqueuejob.measuring.meter import Meter, Watch

KAFKA_LENGTH = b"\x05\x5d\x4a\x80"
HEALTHY = 40
WINDOW_SECONDS = 6.0
SETTLING_SECONDS = 2.0
LEAST_RATIO = 0.8

REDIS = build_reference(a_work_queue_job(redis={}))
KAFKA = build_reference(a_work_queue_job(kafka={}))
RABBITMQ = RabbitMQReference("a")


def count_measurements(hostile: list[tuple[Any, Any]]) -> tuple[int, list[Watch[Any]]]:
    """Return how often the healthy ones were measured, and the watches of the others."""
    broker = FakeBroker()
    broker.declare("a")

    def open_probe(settings: Any) -> Any:
        if settings.address.startswith("healthy"):
            return broker.connect(replace(settings, host=broker.host))
        return connect(settings)

    meter: Meter[Any, Any] = Meter(connect=open_probe)
    try:
        watches = [meter.watch(settings, queue, _ignore) for settings, queue in hostile]
        for number in range(HEALTHY):
            meter.watch(replace(broker.settings(), host=f"healthy-{number}"), RABBITMQ, _ignore)
        time.sleep(SETTLING_SECONDS)
        before = len(broker.measured)
        time.sleep(WINDOW_SECONDS)
        return len(broker.measured) - before, watches
    finally:
        meter.close()


def _ignore(_measurement: Measurement) -> None:
    pass


def test_neighbours_of_hostile_brokers_are_measured_as_often_as_without() -> None:
    role = b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n*100000\r\n"
    with ExitStack() as stack:

        def play(act: Act) -> int:
            return stack.enter_context(hostile_server(act))

        hostile = [
            (RedisConnection("127.0.0.1", play(silent)), REDIS),
            (RedisConnection("127.0.0.1", play(drip(role, b":1\r\n"))), REDIS),
            (RedisConnection("127.0.0.1", play(flood(b"*1000000000\r\n", b":1\r\n"))), REDIS),
            (RedisConnection("127.0.0.1", play(say(b"*1\r\n" * 200_000))), REDIS),
            (RabbitMQConnection("127.0.0.1", play(flood(b"\1\0\0\xff\xff\xff\xf0"))), RABBITMQ),
            (RabbitMQConnection("127.0.0.1", play(silent)), RABBITMQ),
            (RabbitMQConnection("127.0.0.1", play(drip(b"AMQP"))), RABBITMQ),
            (RabbitMQConnection("127.0.0.1", find_free_ports(1)[0]), RABBITMQ),
            (RedisConnection("127.0.0.1", find_free_ports(1)[0]), REDIS),
            (KafkaConnection((f"127.0.0.1:{play(flood(KAFKA_LENGTH))}",)), KAFKA),
        ]
        alone, _ = count_measurements([])
        beside, watches = count_measurements(hostile)
    assert beside / alone > LEAST_RATIO
    told = [watch.latest.result for watch in watches if watch.latest is not None]
    assert len(told) == len(hostile)
    assert all(isinstance(result, ConnectionFailed) for result in told)
