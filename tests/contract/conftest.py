"""The brokers that the contract is held against."""

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any, Protocol

import pika
import pytest
from pika.exceptions import AMQPError

from dev.servers.rabbitmq import ADMIN, RabbitMQServer, rabbitmq_server
from dev.servers.redis import redis_server
from tests.driving import drive
from tests.fake_broker import FakeBroker
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.brokers.probe import Probe
from workqueuejob.brokers.rabbitmq.probe import connect
from workqueuejob.brokers.rabbitmq.reference import RabbitMQReference
from workqueuejob.brokers.rabbitmq.settings import RabbitMQConnection

__all__ = ["rabbitmq_server", "redis_server"]

_numbers = itertools.count(1)


class Bench(Protocol):
    """A broker under test, with one queue type: what the contract does to it."""

    counts_in_flight: bool

    def settings(self, *, management: bool = False) -> RabbitMQConnection: ...
    def connect(self, settings: RabbitMQConnection) -> Probe[RabbitMQReference]: ...
    def declare(self) -> str: ...
    def redeclare(self, queue: str) -> None: ...
    def delete(self, queue: str) -> None: ...
    def publish(self, queue: str, count: int) -> None: ...
    def consume(self, queue: str, *, prefetch: int = 1) -> Callable[[], None]: ...
    def reader(self) -> RabbitMQConnection: ...
    def restart(self) -> None: ...


class FakeBench:
    counts_in_flight = True

    def __init__(self) -> None:
        self.broker = FakeBroker()

    def settings(self, *, management: bool = False) -> RabbitMQConnection:
        return replace(
            self.broker.settings(), management_url="http://fake.test" if management else None
        )

    def connect(self, settings: RabbitMQConnection) -> Probe[RabbitMQReference]:
        return self.broker.connect(settings)

    def declare(self) -> str:
        name = f"queue-{next(_numbers)}"
        self.broker.declare(name)
        return name

    def redeclare(self, queue: str) -> None:
        self.broker.declare(queue)

    def delete(self, queue: str) -> None:
        self.broker.delete(queue)

    def publish(self, queue: str, count: int) -> None:
        self.broker.queues[queue].publish(*(str(number) for number in range(count)))

    def consume(self, queue: str, *, prefetch: int = 1) -> Callable[[], None]:
        return self.broker.queues[queue].consume(prefetch=prefetch).close

    def reader(self) -> RabbitMQConnection:
        return self.settings()

    def restart(self) -> None:
        self.broker.restart()


class RabbitMQBench:
    """One virtual host of the real server, with a name that must be percent-encoded."""

    def __init__(self, server: RabbitMQServer, queue_type: str, stack: ExitStack) -> None:
        self.server = server
        self.vhost = f"team/a {next(_numbers)}%"
        self.counts_in_flight = queue_type == "classic"
        self._queue_type = queue_type
        self._stack = stack
        server.add_vhost(self.vhost)
        stack.callback(server.api, "DELETE", "vhosts", self.vhost)

    def settings(self, *, management: bool = False) -> RabbitMQConnection:
        return RabbitMQConnection(
            host=self.server.host,
            port=self.server.ports.amqp,
            virtual_host=self.vhost,
            username=ADMIN[0],
            password=ADMIN[1],
            management_url=self.server.management_url if management else None,
        )

    def connect(self, settings: RabbitMQConnection) -> Probe[RabbitMQReference]:
        return drive(connect(settings))

    def declare(self, queue_type: str | None = None) -> str:
        name = f"queue/{next(_numbers)}"
        self.redeclare(name, queue_type)
        return name

    def redeclare(self, queue: str, queue_type: str | None = None) -> None:
        arguments = {"x-queue-type": queue_type or self._queue_type}
        body = {"durable": True, "auto_delete": False, "arguments": arguments}
        self.server.api("PUT", "queues", self.vhost, queue, body=body)

    def delete(self, queue: str) -> None:
        self.server.api("DELETE", "queues", self.vhost, queue)

    def publish(self, queue: str, count: int) -> None:
        connection = self._open()
        channel = connection.channel()
        channel.confirm_delivery()
        for number in range(count):
            persistent = pika.BasicProperties(delivery_mode=2)
            channel.basic_publish("", queue, str(number).encode(), persistent)
        connection.close()

    def consume(self, queue: str, *, prefetch: int = 1) -> Callable[[], None]:
        connection = self._open()
        self._stack.callback(_close, connection)
        channel = connection.channel()
        channel.basic_qos(prefetch_count=prefetch)
        channel.basic_consume(queue, lambda *_: None)
        connection.process_data_events(0.1)
        return lambda: _close(connection)

    def reader(self) -> RabbitMQConnection:
        """Return settings of a user who may read every queue, and nothing else."""
        return self.user(read=".*")

    def user(self, **permissions: str) -> RabbitMQConnection:
        """Return settings of a user with these permissions, and no others."""
        name = f"user-{next(_numbers)}"
        self.server.add_user(name, password="secret")
        self.server.allow(name, self.vhost, pattern="^$", **permissions)
        return replace(self.settings(), username=name, password="secret")

    def restart(self) -> None:
        self.server.restart()

    def _open(self) -> Any:
        settings = self.settings()
        return pika.BlockingConnection(
            pika.ConnectionParameters(
                settings.host, settings.port, self.vhost, pika.PlainCredentials(*ADMIN)
            )
        )


def _close(connection: Any) -> None:
    with suppress(AMQPError):
        if connection.is_open:
            connection.close()


def eventually(
    probe: Probe[RabbitMQReference],
    queue: str,
    holds: Callable[[QueueDepth], bool],
    seconds: float = 10.0,
) -> QueueDepth:
    """Measure until the broker has settled; return the last depth, whether or not it holds."""
    deadline = time.monotonic() + seconds
    while True:
        probe.begin_round()
        depth = probe.measure(RabbitMQReference(queue))
        if holds(depth) or time.monotonic() > deadline:
            return depth
        time.sleep(0.02)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture(
    params=[
        "fake",
        pytest.param("classic", marks=pytest.mark.rabbitmq),
        pytest.param("quorum", marks=pytest.mark.rabbitmq),
    ]
)
def bench(request: pytest.FixtureRequest, stack: ExitStack) -> Bench:
    if request.param == "fake":
        return FakeBench()
    return RabbitMQBench(request.getfixturevalue("rabbitmq_server"), request.param, stack)


@pytest.fixture
def rabbitmq(rabbitmq_server: RabbitMQServer, stack: ExitStack) -> RabbitMQBench:
    return RabbitMQBench(rabbitmq_server, "classic", stack)


@pytest.fixture
def opened(stack: ExitStack) -> Callable[[Bench, RabbitMQConnection], Probe[RabbitMQReference]]:
    """Open a probe that is closed after the test."""

    def open_probe(bench: Bench, settings: RabbitMQConnection) -> Probe[RabbitMQReference]:
        probe = bench.connect(settings)
        stack.callback(probe.close)
        return probe

    return open_probe
