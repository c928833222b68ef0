"""Measuring what rests in delay queues and what ended in the dead-letter queue."""

import time
from collections.abc import Callable
from contextlib import closing

import pytest

from tests.contract.conftest import Bench, RabbitMQBench
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.brokers.probe import Probe
from workqueuejob.brokers.rabbitmq.broker import open_broker
from workqueuejob.brokers.rabbitmq.names import classic_arguments, delay_queue, returning_arguments
from workqueuejob.brokers.rabbitmq.reference import RabbitMQReference
from workqueuejob.brokers.rabbitmq.settings import RabbitMQConnection, RabbitMQSource
from workqueuejob.contract.retry import RetrySettings

pytestmark = pytest.mark.rabbitmq

Opened = Callable[[Bench, RabbitMQConnection], Probe[RabbitMQReference]]


def declare_delay(rabbitmq: RabbitMQBench, queue: str, *, ttl_ms: int, classic: bool) -> str:
    arguments = returning_arguments(queue, ttl_ms=ttl_ms, expires_ms=60_000)
    body = {
        "durable": True,
        "auto_delete": False,
        "arguments": classic_arguments(arguments) if classic else arguments,
    }
    name = delay_queue(queue, 1)
    rabbitmq.server.api("PUT", "queues", rabbitmq.vhost, name, body=body)
    return name


@pytest.mark.parametrize("management", [False, True])
def test_resting_items_are_delayed_and_dead_letters_are_counted(
    rabbitmq: RabbitMQBench, opened: Opened, management: bool
) -> None:
    queue, dead = rabbitmq.declare(), rabbitmq.declare()
    delay = declare_delay(rabbitmq, queue, ttl_ms=60_000, classic=False)
    rabbitmq.publish(queue, 1)
    rabbitmq.publish(delay, 2)
    rabbitmq.publish(dead, 3)
    probe = opened(rabbitmq, rabbitmq.settings(management=management))
    depth = probe.measure(RabbitMQReference(queue, (delay, "never made"), dead))
    assert (depth.ready, depth.delayed, depth.dead_lettered) == (1, 2, 3)


def test_absent_dead_letter_queue_is_unknown_and_not_zero(
    rabbitmq: RabbitMQBench, opened: Opened
) -> None:
    queue = rabbitmq.declare()
    probe = opened(rabbitmq, rabbitmq.settings())
    depth = probe.measure(RabbitMQReference(queue, ("never made",), "nowhere"))
    assert (depth.ready, depth.delayed, depth.dead_lettered) == (0, 0, None)


def test_delay_queue_made_a_moment_ago_is_seen_before_the_queue_is_called_empty(
    rabbitmq: RabbitMQBench, opened: Opened
) -> None:
    queue = rabbitmq.declare()
    rabbitmq.publish(queue, 1)
    reference = RabbitMQReference(queue, (delay_queue(queue, 1),))
    probe = opened(rabbitmq, rabbitmq.settings())
    assert probe.measure(reference).delayed == 0
    # What a worker does that takes the item and fails.
    rabbitmq.publish(declare_delay(rabbitmq, queue, ttl_ms=60_000, classic=False), 1)
    rabbitmq.server.api("DELETE", "queues", rabbitmq.vhost, queue, "contents")
    depth = probe.measure(reference)
    assert (depth.ready, depth.delayed) == (0, 1)


@pytest.mark.parametrize("management", [False, True])
def test_item_that_rests_for_a_delay_that_its_work_chose_is_delayed(
    rabbitmq: RabbitMQBench, opened: Opened, management: bool
) -> None:
    queue = rabbitmq.declare()
    rabbitmq.publish(queue, 1)
    retry = RetrySettings(initial_delay_seconds=40)
    known = tuple(delay_queue(queue, delay_seconds) for delay_seconds in retry.delays_seconds)
    reference = RabbitMQReference(queue, known, may_choose_delays=True)
    probe = opened(rabbitmq, rabbitmq.settings(management=management))
    assert probe.measure(reference).delayed == 0
    source = RabbitMQSource(queue=queue, host="localhost")
    worker = open_broker(rabbitmq.settings(), source, retry=retry, run="", pod="pod-1")
    with closing(worker):
        item = worker.take(timeout_seconds=10)
        assert item is not None
        worker.retry(item, reason="not yet", delay_seconds=61)
    probe.begin_round()
    depth = probe.measure(reference)
    assert (depth.ready, depth.delayed) == (0, 1)
    names = {each["name"] for each in rabbitmq.server.api("GET", "queues", rabbitmq.vhost)}
    assert {f"{queue}.wqj-retry-chosen", f"{queue}.wqj-retry-75s"} <= names


@pytest.mark.parametrize("classic", [False, True], ids=["quorum", "classic"])
@pytest.mark.parametrize("management", [False, True])
def test_item_that_comes_back_is_never_in_neither_queue(
    rabbitmq: RabbitMQBench, opened: Opened, classic: bool, management: bool
) -> None:
    queue = rabbitmq.declare()
    delay = declare_delay(rabbitmq, queue, ttl_ms=400, classic=classic)
    rabbitmq.publish(delay, 1)
    probe = opened(rabbitmq, rabbitmq.settings(management=management))
    seen: list[QueueDepth] = []
    ends_at = time.monotonic() + 10
    while not (seen and seen[-1].ready == 1 and seen[-1].delayed == 0):
        assert time.monotonic() < ends_at
        probe.begin_round()
        seen.append(probe.measure(RabbitMQReference(queue, (delay,))))
    assert min(depth.ready + depth.delayed for depth in seen) == 1
