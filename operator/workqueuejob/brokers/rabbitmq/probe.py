"""How deep a RabbitMQ queue is: a passive declare, and the management API where it is configured.

    ready      the declare's message count, or messages_ready of a classic queue
    in_flight  messages_unacknowledged of a classic queue; that of a quorum queue is refreshed
               every five seconds only, so it is in_flight_lately; AMQP alone does not tell
    consumers  the declare's consumer count
    delayed    the declares' message counts of the delay queues, asked before the queue itself
    dead_lettered  the dead-letter queue's messages, of a classic one the unacknowledged too
    precision  Exact when ready and in_flight were counted at one moment, else Estimated

Never consumes, declares for real, purges or changes anything. Without the management API a stream,
and a quorum queue that has lost its leader, can't be told from an empty queue: RabbitMQ answers the
declare with zeros (tried on 3.10, 4.0 and 4.3). `queues.rabbitmq_leaders` says how to tell.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from workqueuejob.api import Precision
from workqueuejob.brokers.connection import RabbitMQConnection
from workqueuejob.brokers.depth import DepthWarning, QueueDepth
from workqueuejob.brokers.rabbitmq.management import ManagementClient, QueueTotals
from workqueuejob.brokers.rabbitmq.probe_connection import DeclaredQueue, ProbeConnection
from workqueuejob.brokers.rabbitmq.quorum_leaders import check_leader, check_state
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


@dataclass(frozen=True, slots=True)
class RabbitMQReference:
    """A queue of one virtual host, and the queues beside it that hold items of the same run.

    delay_queues: where failed items rest; one that does not exist is empty.
    dead_letter: where items end that were tried too often.
    """

    queue: str
    delay_queues: tuple[str, ...] = ()
    dead_letter: str | None = None

    def __str__(self) -> str:
        return self.queue


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
        """Read the totals anew, unless the API failed a moment ago."""
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
            # Somebody will take this for the end, so nothing may rest in a queue made just now.
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
        # First, for an item may come back meanwhile: better seen twice than not at all.
        delayed = self._side.count_delayed(queue.delay_queues)
        declared = self._amqp.declare_passively(queue.queue)
        if isinstance(totals, DepthWarning):
            depth = build_depth(queue.queue, declared, None, warning=totals)
        else:
            depth = build_depth(queue.queue, declared, totals.get(queue.queue))
        if not queue.delay_queues:
            return depth
        # The totals are older than the delayed items' count.
        return replace(depth, ready=max(depth.ready, declared.messages), delayed=delayed)

    def _check_leaders(
        self, queue: RabbitMQReference, totals: Mapping[str, QueueTotals] | DepthWarning
    ) -> None:
        """Raise MeasurementUnreliable for zeros that no leader of a quorum queue said."""
        if self._management is None or isinstance(totals, DepthWarning):
            return
        for name in (queue.queue, *queue.delay_queues):
            found = totals.get(name)
            if found is not None and found.type == "quorum":
                check_state(name, found)
                check_leader(name, found, self._management.read_members(name))

    def _count_dead_lettered(
        self, queue: str | None, totals: Mapping[str, QueueTotals] | DepthWarning
    ) -> int | None:
        if queue is None:
            return None
        found = None if isinstance(totals, DepthWarning) else totals.get(queue)
        if found is not None and found.type == "classic" and found.ready is not None:
            return found.ready + (found.unacked or 0)
        try:
            return self._side.count(queue)
        except (MeasurementUnreliable, QueueTypeUnsupported):
            # Unknown, which is no reason not to know the queue's own depth.
            return None

    def _read_totals(self) -> Mapping[str, QueueTotals] | DepthWarning:
        if self._management is None:
            return {}
        if self._totals is None:
            self._totals = self._management.read_totals()
            # A failing API may take seconds to fail: don't let every round wait for it.
            self._ask_again_at = self._clock() + MANAGEMENT_RETRY_SECONDS
        return self._totals

    def _read_alarms(self) -> tuple[str, ...]:
        """Return what the cluster has run out of; only the management API tells who reads."""
        is_answering = not isinstance(self._totals, DepthWarning)
        if self._management is None or not is_answering:
            return ()
        if self._clock() >= self._ask_for_alarms_at:
            self._alarms = self._management.read_alarms()
            self._ask_for_alarms_at = self._clock() + ALARMS_SECONDS
        return self._alarms


def build_alarm_warning(address: str, alarms: tuple[str, ...]) -> DepthWarning | None:
    """Return what an alarm means: the broker delivers, and takes nothing from publishers."""
    if not alarms:
        return None
    remedies = "; ".join(ALARM_REMEDIES[one] for one in alarms)
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
    """Put both answers together.

    Raises QueueTypeUnsupported for a stream, and MeasurementUnreliable for numbers that can't be.
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


def connect(settings: RabbitMQConnection) -> RabbitMQProbe:
    """Open a probe; raise a QueueError when the broker can't be reached or refuses."""
    return RabbitMQProbe(settings)
