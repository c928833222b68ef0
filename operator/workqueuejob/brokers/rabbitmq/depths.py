"""From the broker's answers to a depth and its warnings. Pure."""

from workqueuejob.api import Precision
from workqueuejob.brokers.depth import DepthWarning, QueueDepth
from workqueuejob.brokers.rabbitmq.management import QueueTotals
from workqueuejob.brokers.rabbitmq.probe_connection import DeclaredQueue
from workqueuejob.brokers.rabbitmq.quorum_leaders import check_state
from workqueuejob.errors import MeasurementUnreliable, QueueTypeUnsupported

RESOURCE_ALARM = "ResourceAlarm"
ALARM_REMEDIES = {
    "memory": "give it more memory, or raise vm_memory_high_watermark",
    "disk space": "free some, or lower disk_free_limit",
}


def build_alarm_warning(address: str, alarms: tuple[str, ...]) -> DepthWarning | None:
    """Return the warning for alarms, under which the broker takes no messages; None without any.

    alarms: keys of ALARM_REMEDIES.
    """
    if not alarms:
        return None
    remedies = "; ".join(ALARM_REMEDIES[resource] for resource in alarms)
    return DepthWarning(
        RESOURCE_ALARM,
        f"{address}: RabbitMQ has an alarm for want of {' and '.join(alarms)}, so it takes no"
        f" messages: producers, retries and dead letters wait; {remedies}",
    )


def build_depth(
    queue: str,
    declared: DeclaredQueue,
    totals: QueueTotals | None,
    *,
    warning: DepthWarning | None = None,
) -> QueueDepth:
    """Return the depth by a declare's answer, and by the API's where it knows the queue.

    warning: why the API's answer is missing.
    Raises QueueTypeUnsupported for a stream, and MeasurementUnreliable for numbers below zero.
    """
    if totals is None:
        totals = QueueTotals(type=None, state=None, ready=None, unacked=None)
    _check(queue, declared, totals)
    if totals.type == "quorum":
        return QueueDepth(
            ready=declared.messages,
            in_flight_lately=totals.unacked,
            consumers=declared.consumers,
            precision=Precision.ESTIMATED,
        )
    if totals.ready is not None and totals.unacked is not None:
        return QueueDepth(
            ready=totals.ready, in_flight=totals.unacked, consumers=declared.consumers
        )
    return QueueDepth(
        ready=declared.messages,
        consumers=declared.consumers,
        precision=Precision.ESTIMATED,
        warning=warning,
    )


def is_empty(depth: QueueDepth) -> bool:
    """Return whether no item is ready or delayed."""
    return depth.ready == depth.delayed == 0


def _check(queue: str, declared: DeclaredQueue, totals: QueueTotals) -> None:
    if totals.type == "stream":
        raise QueueTypeUnsupported(
            f"queue {queue!r} is a stream, from which nothing is ever taken; "
            "name a classic or quorum queue"
        )
    check_state(queue, totals)
    numbers = (declared.messages, declared.consumers, totals.ready or 0, totals.unacked or 0)
    if min(numbers) < 0:
        raise MeasurementUnreliable(
            f"queue {queue!r}: the broker counted below zero ({numbers}); see its log"
        )
