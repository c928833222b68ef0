"""Measures a RabbitMQ queue by a passive declare, and by the management API where it is configured.

    ready          the declare's message count, or messages_ready of a classic queue
    in_flight      messages_unacknowledged of a classic queue; None without the management API. That
                   of a quorum queue is up to five seconds old, so it is in_flight_lately
    consumers      the declare's consumer count
    delayed        the declares' message counts of the delay queues, asked before the queue itself
    dead_lettered  the ready messages of the dead-letter queue, with the unacknowledged ones of a
                   classic queue where the management API tells them
    precision      Exact when ready and in_flight were counted at one moment, else Estimated

It consumes, creates and changes nothing. Without the management API it can't tell a stream, or a
quorum queue that has lost its leader, from an empty queue, because RabbitMQ answers the declare
with zeros (tried on 3.10, 4.0 and 4.3). With the API, `quorum_leaders` tells.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from workqueuejob.api import Precision
from workqueuejob.brokers.depth import DepthWarning, QueueDepth
from workqueuejob.brokers.hosts import ALL_HOSTS, AllowedHosts
from workqueuejob.brokers.rabbitmq.management import ManagementClient, QueueTotals
from workqueuejob.brokers.rabbitmq.probe_connection import DeclaredQueue, ProbeConnection
from workqueuejob.brokers.rabbitmq.quorum_leaders import check_leader, check_state
from workqueuejob.brokers.rabbitmq.reference import RabbitMQReference
from workqueuejob.brokers.rabbitmq.settings import RabbitMQConnection
from workqueuejob.brokers.rabbitmq.side_queues import SideQueueCounter
from workqueuejob.errors import MeasurementUnreliable, QueueTypeUnsupported

MANAGEMENT_RETRY_SECONDS = 10.0
ALARMS_SECONDS = 5.0
"""Between two readings of the alarms, which last for minutes."""
RESOURCE_ALARM = "ResourceAlarm"
ALARM_REMEDIES = {
    "memory": "give it more memory, or raise vm_memory_high_watermark",
    "disk space": "free some, or lower disk_free_limit",
}


class RabbitMQProbe:
    """One broker and virtual host; the Probe of `workqueuejob.brokers.probe`."""

    def __init__(
        self, settings: RabbitMQConnection, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Connect; raise a QueueError when that fails."""
        self._clock = clock
        self._address = settings.address
        self._totals: Mapping[str, QueueTotals] | DepthWarning | None = None
        self._ask_again_at = 0.0
        self._alarms: tuple[str, ...] = ()
        self._ask_for_alarms_at = 0.0
        self._management: ManagementClient | None = None
        if settings.management_url is not None:
            self._management = ManagementClient(settings, settings.management_url)
        self._amqp = ProbeConnection(settings)
        self._found_empty: set[RabbitMQReference] = set()
        self._side = SideQueueCounter(self._amqp.declare_passively, clock=clock)

    def begin_round(self) -> None:
        """Forget the totals, so that they are read again; unless the API failed a moment ago."""
        if not isinstance(self._totals, DepthWarning) or self._clock() >= self._ask_again_at:
            self._totals = None

    def measure(self, queue: RabbitMQReference) -> QueueDepth:
        """Return the queue's depth; raise a QueueError when it can't be known."""
        totals, started = self._read_totals(), self._clock()
        self._amqp.begin_measurement()
        depth = self._measure(queue, totals)
        if (
            _is_empty(depth)
            and queue not in self._found_empty
            and self._side.forget_absence(queue.delay_queues, before=started)
        ):
            # A run ends on this zero, so a delay queue that was created just now must count.
            depth = self._measure(queue, totals)
        self._found_empty.discard(queue)
        if _is_empty(depth) and depth.consumers == 0:
            self._check_leaders(queue, totals)
            self._found_empty.add(queue)
        return replace(
            depth,
            dead_lettered=self._count_dead_lettered(queue.dead_letter, totals),
            warning=depth.warning or build_alarm_warning(self._address, self._read_alarms()),
        )

    def close(self) -> None:
        """Close both connections; never raises."""
        self._amqp.close()
        if self._management is not None:
            self._management.close()

    def _measure(
        self, queue: RabbitMQReference, totals: Mapping[str, QueueTotals] | DepthWarning
    ) -> QueueDepth:
        # Delay queues first: an item that moves meanwhile is counted twice, and not left out.
        delayed = self._side.count_delayed(queue.delay_queues)
        declared = self._amqp.declare_passively(queue.queue)
        if isinstance(totals, DepthWarning):
            depth = build_depth(queue.queue, declared, None, warning=totals)
        else:
            depth = build_depth(queue.queue, declared, totals.get(queue.queue))
        if not queue.delay_queues:
            return depth
        # The declare, too, because the totals are older than the count of delayed items.
        return replace(depth, ready=max(depth.ready, declared.messages), delayed=delayed)

    def _check_leaders(
        self, queue: RabbitMQReference, totals: Mapping[str, QueueTotals] | DepthWarning
    ) -> None:
        """Raise MeasurementUnreliable for zeros that do not come from a quorum queue's leader."""
        if self._management is None or isinstance(totals, DepthWarning):
            return
        for name in (queue.queue, *queue.delay_queues):
            queue_totals = totals.get(name)
            if queue_totals is not None and queue_totals.type == "quorum":
                check_state(name, queue_totals)
                check_leader(name, queue_totals, self._management.read_members(name))

    def _count_dead_lettered(
        self, queue: str | None, totals: Mapping[str, QueueTotals] | DepthWarning
    ) -> int | None:
        if queue is None:
            return None
        known = None if isinstance(totals, DepthWarning) else totals.get(queue)
        if known is not None and known.type == "classic" and known.ready is not None:
            return known.ready + (known.unacked or 0)
        try:
            return self._side.count(queue)
        except (MeasurementUnreliable, QueueTypeUnsupported):
            # Unknown dead letters are no reason to raise: the queue's own depth is known.
            return None

    def _read_totals(self) -> Mapping[str, QueueTotals] | DepthWarning:
        if self._management is None:
            return {}
        if self._totals is None:
            self._totals = self._management.read_totals()
            # A failing API may take seconds to fail, and not every round may wait for it.
            self._ask_again_at = self._clock() + MANAGEMENT_RETRY_SECONDS
        return self._totals

    def _read_alarms(self) -> tuple[str, ...]:
        """Return the resources that are short; AMQP reports them only to connections that publish.

        Empty without the management API.
        """
        is_answering = not isinstance(self._totals, DepthWarning)
        if self._management is None or not is_answering:
            return ()
        if self._clock() >= self._ask_for_alarms_at:
            self._alarms = self._management.read_alarms()
            self._ask_for_alarms_at = self._clock() + ALARMS_SECONDS
        return self._alarms


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


def _is_empty(depth: QueueDepth) -> bool:
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


def connect(
    settings: RabbitMQConnection, _allowed_hosts: AllowedHosts = ALL_HOSTS
) -> RabbitMQProbe:
    """Open a probe; raise a QueueError when the broker can't be reached or refuses.

    A broker names no other hosts, so there are none to check.
    """
    return RabbitMQProbe(settings)
