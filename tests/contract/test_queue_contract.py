"""What every broker's probe promises, and the fake with it."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.contract.conftest import Bench, eventually
from workqueuejob.api import Precision
from workqueuejob.brokers.probe import Probe
from workqueuejob.brokers.rabbitmq.reference import RabbitMQReference
from workqueuejob.brokers.rabbitmq.settings import RabbitMQConnection
from workqueuejob.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    QueueNotFound,
    VirtualHostNotFound,
)

Opened = Callable[[Bench, RabbitMQConnection], Probe[RabbitMQReference]]


def test_empty_queue_has_no_ready_items_and_no_consumers(bench: Bench, opened: Opened) -> None:
    queue = bench.declare()
    depth = opened(bench, bench.settings()).measure(RabbitMQReference(queue))
    assert (depth.ready, depth.consumers, depth.in_flight) == (0, 0, None)
    assert depth.precision is Precision.ESTIMATED


def test_published_items_are_ready_at_once(bench: Bench, opened: Opened) -> None:
    queue = bench.declare()
    probe = opened(bench, bench.settings())
    for published in (1, 2, 3):
        bench.publish(queue, 1)
        assert probe.measure(RabbitMQReference(queue)).ready == published


def test_held_items_are_not_ready_but_their_consumers_count(bench: Bench, opened: Opened) -> None:
    queue = bench.declare()
    bench.publish(queue, 10)
    for _ in range(4):
        bench.consume(queue)
    probe = opened(bench, bench.settings())
    depth = eventually(probe, queue, lambda depth: depth.ready == 6)
    assert (depth.ready, depth.consumers, depth.in_flight) == (6, 4, None)


def test_in_flight_is_exact_with_management_or_unknown(bench: Bench, opened: Opened) -> None:
    queue = bench.declare()
    bench.publish(queue, 10)
    for _ in range(4):
        bench.consume(queue)
    probe = opened(bench, bench.settings(management=True))
    depth = eventually(probe, queue, lambda depth: depth.ready == 6)
    assert (depth.ready, depth.consumers) == (6, 4)
    if bench.counts_in_flight:
        assert (depth.in_flight, depth.precision) == (4, Precision.EXACT)
    else:
        assert (depth.in_flight, depth.precision) == (None, Precision.ESTIMATED)


@pytest.mark.parametrize("management", [False, True])
def test_items_of_a_killed_consumer_are_ready_again(
    bench: Bench, opened: Opened, management: bool
) -> None:
    queue = bench.declare()
    bench.publish(queue, 5)
    kill = bench.consume(queue, prefetch=3)
    probe = opened(bench, bench.settings(management=management))
    assert eventually(probe, queue, lambda depth: depth.ready == 2).ready == 2
    kill()
    depth = eventually(probe, queue, lambda depth: depth.ready == 5 and depth.consumers == 0)
    assert (depth.ready, depth.consumers) == (5, 0)
    assert depth.in_flight in ({0} if management and bench.counts_in_flight else {None})


def test_missing_queue_is_named_and_the_probe_goes_on(bench: Bench, opened: Opened) -> None:
    queue = bench.declare()
    probe = opened(bench, bench.settings())
    with pytest.raises(QueueNotFound, match=r"'nowhere' not found on .*create it"):
        probe.measure(RabbitMQReference("nowhere"))
    assert probe.measure(RabbitMQReference(queue)).ready == 0


def test_deleted_and_created_again_queue_is_found_again(bench: Bench, opened: Opened) -> None:
    queue = bench.declare()
    bench.publish(queue, 2)
    probe = opened(bench, bench.settings())
    assert probe.measure(RabbitMQReference(queue)).ready == 2
    bench.delete(queue)
    with pytest.raises(QueueNotFound):
        probe.measure(RabbitMQReference(queue))
    bench.redeclare(queue)
    assert probe.measure(RabbitMQReference(queue)).ready == 0


def test_missing_virtual_host_is_named(bench: Bench) -> None:
    with pytest.raises(VirtualHostNotFound, match="'nowhere' not found"):
        bench.connect(replace(bench.settings(), virtual_host="nowhere"))


def test_wrong_password_fails_without_telling_it(bench: Bench) -> None:
    with pytest.raises(AuthenticationFailed) as caught:
        bench.connect(replace(bench.settings(), password="wr0ng-one"))
    assert "wr0ng-one" not in str(caught.value)


def test_measuring_needs_no_more_permission_than_to_read(bench: Bench, opened: Opened) -> None:
    queue = bench.declare()
    bench.publish(queue, 2)
    assert opened(bench, bench.reader()).measure(RabbitMQReference(queue)).ready == 2


def test_unknown_host_is_named(bench: Bench) -> None:
    with pytest.raises(ConnectionFailed, match=r"nowhere.invalid:\d+: unknown host; correct"):
        bench.connect(replace(bench.settings(), host="nowhere.invalid"))


# Of a quorum queue test_rabbitmq_meter.py proves it: a restart takes long.
@pytest.mark.parametrize(
    "bench",
    ["fake", pytest.param("classic", marks=[pytest.mark.rabbitmq, pytest.mark.nightly])],
    indirect=True,
)
def test_restarted_broker_is_lost_and_found(bench: Bench, opened: Opened) -> None:
    queue = bench.declare()
    bench.publish(queue, 3)
    probe = opened(bench, bench.settings())
    assert probe.measure(RabbitMQReference(queue)).ready == 3
    bench.restart()
    with pytest.raises(ConnectionFailed):
        probe.measure(RabbitMQReference(queue))
    again = opened(bench, bench.settings())
    assert eventually(again, queue, lambda depth: depth.ready == 3).ready == 3
