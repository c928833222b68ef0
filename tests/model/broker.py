"""What the operator learns of the queue: the truth, less than the truth, or an error.

Faults are set for the next measurements, each of which uses one up.
"""

from collections import deque
from dataclasses import replace
from enum import Enum, auto

from tests.model.clock import Clock
from tests.model.partitioned_log import PartitionedLog
from tests.model.queue import Queue
from workqueuejob.brokers.depth import Measurement, QueueDepth
from workqueuejob.errors import ConnectionFailed

REFRESH_SECONDS = 5.0
_TICK = 0.001
_MOST_FALSE_ZEROS = 2


class Detail(Enum):
    """What the broker tells of items in flight."""

    COUNTS = auto()
    """A classic queue with the management API: as of now."""
    LAGS = auto()
    """A quorum queue with the management API: as of some seconds ago."""
    HIDES = auto()
    """AMQP alone: nothing."""
    LEASES = auto()
    """Redis: everything at one moment, but no consumers."""
    LOG = auto()
    """Kafka: offsets, and nothing of what comes after the run had begun."""


RABBITMQ = (Detail.COUNTS, Detail.LAGS, Detail.HIDES)


class Fault(Enum):
    """What may be wrong with one measurement."""

    ERROR = auto()
    TIMEOUT = auto()
    NO_MANAGEMENT = auto()
    """The management API fails: in flight is unknown for once."""
    FALSE_ZERO = auto()
    """A quorum queue whose leader is away says that nothing is ready; never thrice in a row."""


class Broker:
    """Measures a queue; every measurement starts later than the one before."""

    def __init__(self, clock: Clock, queue: Queue, *, detail: Detail) -> None:
        self.clock, self.queue, self.detail = clock, queue, detail
        self.faults: deque[Fault] = deque()
        self._started = 0.0
        self._false_zeros = 0
        self._refreshed_at = 0.0
        self.holders_lately: frozenset[str] = frozenset()
        self.holders_measured: frozenset[str] = frozenset()
        self.remaining_measured = 0
        self._in_flight_lately = 0
        self.is_blind = False

    def refresh(self) -> None:
        """Bring up to date what lags, if it is due."""
        if self.clock.seconds - self._refreshed_at >= REFRESH_SECONDS:
            self._refreshed_at = self.clock.seconds
            self.holders_lately = self.queue.seen_holders
            self._in_flight_lately = len(self.queue.held) - len(self.queue.hidden)

    def measure(self) -> Measurement | None:
        """Return a measurement; None if it takes too long."""
        self._started = max(self._started + _TICK, self.clock.seconds)
        fault = self.faults.popleft() if self.faults else None
        self.is_blind = fault in {Fault.ERROR, Fault.TIMEOUT}
        if fault is Fault.TIMEOUT:
            return None
        return Measurement(self._started, self.clock.now, self._result(fault))

    def _result(self, fault: Fault | None) -> QueueDepth | ConnectionFailed:
        self.holders_measured = self.queue.holders
        self.remaining_measured = self.queue.remaining
        is_blind = fault is Fault.NO_MANAGEMENT and self.detail in RABBITMQ
        detail = Detail.HIDES if is_blind else self.detail
        queue = self.queue
        if isinstance(queue, PartitionedLog):
            return ConnectionFailed("k:9092: refused") if fault is Fault.ERROR else queue.measure()
        counts_held = detail in {Detail.COUNTS, Detail.LEASES}
        depth = QueueDepth(
            ready=queue.takeable,
            in_flight=len(queue.held) - len(queue.hidden) if counts_held else None,
            in_flight_lately=self._in_flight_lately if detail is Detail.LAGS else None,
            consumers=None if detail is Detail.LEASES else len(queue.consumers),
            delayed=len(queue.resting),
            dead_lettered=len(queue.dead),
            counts=queue.counts,
        )
        match fault:
            case Fault.ERROR:
                return ConnectionFailed("mq:5672: refused")
            case Fault.FALSE_ZERO if self._false_zeros < _MOST_FALSE_ZEROS:
                self._false_zeros += 1
                return replace(depth, ready=0)
            case _:
                self._false_zeros = 0
                return depth
