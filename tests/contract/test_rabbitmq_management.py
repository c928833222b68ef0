"""What the management API adds, and that a measurement succeeds without it."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.contract.conftest import Bench, RabbitMQBench
from workqueuejob.api import Precision
from workqueuejob.brokers.connection import TLSSettings
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.brokers.probe import Probe
from workqueuejob.brokers.rabbitmq.reference import RabbitMQReference
from workqueuejob.brokers.rabbitmq.settings import RabbitMQConnection
from workqueuejob.errors import MeasurementUnreliable, QueueTypeUnsupported

pytestmark = pytest.mark.rabbitmq

Opened = Callable[[Bench, RabbitMQConnection], Probe[RabbitMQReference]]


def warned(depth: QueueDepth) -> str:
    assert depth.in_flight is None
    assert depth.precision is Precision.ESTIMATED
    assert depth.warning is not None
    assert depth.warning.reason == "ManagementUnavailable"
    return depth.warning.message


def test_stream_is_refused(rabbitmq: RabbitMQBench, opened: Opened) -> None:
    queue = rabbitmq.declare("stream")
    probe = opened(rabbitmq, rabbitmq.settings(management=True))
    with pytest.raises(QueueTypeUnsupported, match="is a stream"):
        probe.measure(RabbitMQReference(queue))


def test_quorum_queue_is_measured_by_amqp_for_its_totals_lag(
    rabbitmq: RabbitMQBench, opened: Opened
) -> None:
    queue = rabbitmq.declare("quorum")
    rabbitmq.publish(queue, 3)
    depth = opened(rabbitmq, rabbitmq.settings(management=True)).measure(RabbitMQReference(queue))
    assert (depth.ready, depth.in_flight, depth.precision) == (3, None, Precision.ESTIMATED)


def test_false_zero_of_a_dead_quorum_queue_is_unreliable(
    rabbitmq: RabbitMQBench, opened: Opened
) -> None:
    queue = rabbitmq.declare("quorum")
    rabbitmq.publish(queue, 3)
    rabbitmq.server.stop_quorum_queue(rabbitmq.vhost, queue)
    with pytest.raises(MeasurementUnreliable, match="is down at the broker"):
        opened(rabbitmq, rabbitmq.settings(management=True)).measure(RabbitMQReference(queue))
    # Why management is worth configuring: AMQP alone says that it is empty.
    assert opened(rabbitmq, rabbitmq.settings()).measure(RabbitMQReference(queue)).ready == 0


def test_false_zero_of_a_dead_delay_queue_is_unreliable(
    rabbitmq: RabbitMQBench, opened: Opened
) -> None:
    queue, delay = rabbitmq.declare(), rabbitmq.declare("quorum")
    reference = RabbitMQReference(queue, (delay,))
    rabbitmq.publish(delay, 1)
    rabbitmq.server.stop_quorum_queue(rabbitmq.vhost, delay)
    with pytest.raises(MeasurementUnreliable, match=f"{delay}' is down at the broker"):
        opened(rabbitmq, rabbitmq.settings(management=True)).measure(reference)
    assert opened(rabbitmq, rabbitmq.settings()).measure(reference).delayed == 0


@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
def test_true_zero_is_believed(rabbitmq: RabbitMQBench, opened: Opened, queue_type: str) -> None:
    queue, delay = rabbitmq.declare(queue_type), rabbitmq.declare("quorum")
    probe = opened(rabbitmq, rabbitmq.settings(management=True))
    depth = probe.measure(RabbitMQReference(queue, (delay,)))
    assert (depth.ready, depth.delayed, depth.warning) == (0, 0, None)


def test_one_get_serves_all_queues_of_a_round(rabbitmq: RabbitMQBench, opened: Opened) -> None:
    first, second = rabbitmq.declare(), rabbitmq.declare()
    probe = opened(rabbitmq, rabbitmq.settings(management=True))
    probe.begin_round()
    assert probe.measure(RabbitMQReference(first)).ready == 0
    rabbitmq.publish(second, 2)
    assert probe.measure(RabbitMQReference(second)).ready == 0
    probe.begin_round()
    assert probe.measure(RabbitMQReference(second)).ready == 2


def test_user_without_the_tag_is_told_which(rabbitmq: RabbitMQBench, opened: Opened) -> None:
    queue = rabbitmq.declare()
    rabbitmq.publish(queue, 2)
    settings = replace(rabbitmq.reader(), management_url=rabbitmq.server.management_url)
    depth = opened(rabbitmq, settings).measure(RabbitMQReference(queue))
    assert depth.ready == 2
    assert "401: give the user the tag 'management' or 'monitoring'" in warned(depth)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:1", "refused; correct spec.queue.rabbitmq.management.url"),
        ("http://nowhere.invalid:15672", "unknown host"),
        ("{url}/elsewhere", "no management API there"),
        ("https://127.0.0.1:{tls_port}", "TLS failed"),
    ],
)
def test_unreachable_management_is_a_warning(
    rabbitmq: RabbitMQBench, opened: Opened, url: str, words: str
) -> None:
    queue = rabbitmq.declare()
    server = rabbitmq.server
    url = url.format(url=server.management_url, tls_port=server.ports.management_tls)
    depth = opened(rabbitmq, replace(rabbitmq.settings(), management_url=url)).measure(
        RabbitMQReference(queue)
    )
    assert words in warned(depth)


def test_https_management_uses_the_same_tls(rabbitmq: RabbitMQBench, opened: Opened) -> None:
    queue = rabbitmq.declare()
    ports = rabbitmq.server.ports
    settings = replace(
        rabbitmq.settings(),
        port=ports.amqps,
        tls=TLSSettings(ca=rabbitmq.server.certificates.ca, server_name="localhost"),
        management_url=f"https://127.0.0.1:{ports.management_tls}",
    )
    depth = opened(rabbitmq, settings).measure(RabbitMQReference(queue))
    assert (depth.in_flight, depth.warning) == (0, None)


@pytest.mark.parametrize("tags", ["administrator", "management"])
@pytest.mark.parametrize(
    ("resource", "remedy"),
    [("memory", "raise vm_memory_high_watermark"), ("disk space", "lower disk_free_limit")],
)
def test_alarm_is_named_and_the_queue_is_measured(
    rabbitmq: RabbitMQBench, opened: Opened, tags: str, resource: str, remedy: str
) -> None:
    queue, server = rabbitmq.declare(), rabbitmq.server
    rabbitmq.publish(queue, 2)
    name = f"{tags} {resource}"
    server.add_user(name, password="secret", tags=tags)
    server.allow(name, rabbitmq.vhost)
    settings = replace(rabbitmq.settings(management=True), username=name, password="secret")
    with server.alarm(resource.split(maxsplit=1)[0]):
        depth = opened(rabbitmq, settings).measure(RabbitMQReference(queue))
    assert (depth.ready, depth.in_flight) == (2, 0)
    assert depth.warning is not None
    assert depth.warning.reason == "ResourceAlarm"
    assert f"{settings.address}: RabbitMQ has an alarm for want of {resource}" in (
        depth.warning.message
    )
    assert remedy in depth.warning.message
    assert opened(rabbitmq, settings).measure(RabbitMQReference(queue)).warning is None


def test_alarm_is_not_known_without_the_management_api(
    rabbitmq: RabbitMQBench, opened: Opened
) -> None:
    queue = rabbitmq.declare()
    with rabbitmq.server.alarm("memory"):
        assert opened(rabbitmq, rabbitmq.settings()).measure(RabbitMQReference(queue)).ready == 0
