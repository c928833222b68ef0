"""How deep a RabbitMQ queue is: a passive declare, and the management API where it is configured.

    ready      the declare's message count, or messages_ready of a classic queue
    in_flight  messages_unacknowledged of a classic queue; that of a quorum queue is refreshed
               every five seconds only, so it is in_flight_lately; AMQP alone does not tell
    consumers  the declare's consumer count
    precision  Exact when ready and in_flight were counted at one moment, else Estimated

Never consumes, declares for real, purges or changes anything. Without the management API a stream,
and a quorum queue that has lost its leader, can't be told from an empty queue: RabbitMQ answers the
declare with zeros (tried on 3.10).
"""

import time
from collections.abc import Callable, Mapping

from workqueuejob.api import Precision
from workqueuejob.errors import MeasurementUnreliable, QueueTypeUnsupported
from workqueuejob.planning.depth import DepthWarning, QueueDepth
from workqueuejob.protocol.connection import RabbitMQConnection
from workqueuejob.queues.amqp import AMQPConnection, DeclaredQueue
from workqueuejob.queues.rabbitmq_management import ManagementClient, QueueTotals

MANAGEMENT_RETRY_SECONDS = 10.0
UNAVAILABLE_STATES = frozenset({"down", "crashed", "stopped", "minority"})


class RabbitMQProbe:
    """One broker and virtual host; the Probe of `workqueuejob.queues.protocol`."""

    def __init__(
        self, settings: RabbitMQConnection, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Connect; raise a QueueError when that fails."""
        self._clock = clock
        self._totals: Mapping[str, QueueTotals] | DepthWarning | None = None
        self._ask_again_at = 0.0
        self._management: ManagementClient | None = None
        if settings.management_url is not None:
            self._management = ManagementClient(settings, settings.management_url)
        self._amqp = AMQPConnection(settings)

    def begin_round(self) -> None:
        """Read the totals anew, unless the API failed a moment ago."""
        if not isinstance(self._totals, DepthWarning) or self._clock() >= self._ask_again_at:
            self._totals = None

    def measure(self, queue: str) -> QueueDepth:
        """Return the queue's depth; raise a QueueError when it can't be known."""
        totals = self._read_totals()
        declared = self._amqp.declare_passively(queue)
        if isinstance(totals, DepthWarning):
            return build_depth(queue, declared, None, warning=totals)
        return build_depth(queue, declared, totals.get(queue))

    def close(self) -> None:
        """Close both connections; never raises."""
        self._amqp.close()
        if self._management is not None:
            self._management.close()

    def _read_totals(self) -> Mapping[str, QueueTotals] | DepthWarning:
        if self._management is None:
            return {}
        if self._totals is None:
            self._totals = self._management.read_totals()
            # A failing API may take seconds to fail: don't let every round wait for it.
            self._ask_again_at = self._clock() + MANAGEMENT_RETRY_SECONDS
        return self._totals


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


def _check(queue: str, declared: DeclaredQueue, totals: QueueTotals) -> None:
    if totals.type == "stream":
        raise QueueTypeUnsupported(
            f"queue {queue!r} is a stream, from which nothing is ever taken; "
            "name a classic or quorum queue"
        )
    if totals.state in UNAVAILABLE_STATES:
        raise MeasurementUnreliable(
            f"queue {queue!r} is {totals.state} at the broker, so its numbers mean nothing; "
            "bring its broker nodes back"
        )
    numbers = (declared.messages, declared.consumers, totals.ready or 0, totals.unacked or 0)
    if min(numbers) < 0:
        raise MeasurementUnreliable(
            f"queue {queue!r}: the broker counted below zero ({numbers}); see its log"
        )


def connect(settings: RabbitMQConnection) -> RabbitMQProbe:
    """Open a probe; raise a QueueError when the broker can't be reached or refuses."""
    return RabbitMQProbe(settings)
