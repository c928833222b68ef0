"""What the operator learns of the queue: the truth, less than the truth, or an error.

Faults are set for the next measurements, each of which uses one up.
"""

from collections import deque
from enum import Enum, auto

from tests.model.clock import Clock
from tests.model.queue import Queue
from workqueuejob.errors import ConnectionFailed
from workqueuejob.planning.depth import Measurement, QueueDepth

_TICK = 0.001
_MOST_FALSE_ZEROS = 2


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

    def __init__(self, clock: Clock, queue: Queue, *, has_management: bool) -> None:
        self.clock, self.queue, self.has_management = clock, queue, has_management
        self.faults: deque[Fault] = deque()
        self._started = 0.0
        self._false_zeros = 0

    def measure(self) -> Measurement | None:
        """Return a measurement; None if it takes too long."""
        self._started = max(self._started + _TICK, self.clock.seconds)
        fault = self.faults.popleft() if self.faults else None
        if fault is Fault.TIMEOUT:
            return None
        return Measurement(self._started, self.clock.now, self._result(fault))

    def _result(self, fault: Fault | None) -> QueueDepth | ConnectionFailed:
        counts = self.has_management and fault is not Fault.NO_MANAGEMENT
        depth = self.queue.measure(counts_in_flight=counts)
        match fault:
            case Fault.ERROR:
                return ConnectionFailed("mq:5672: refused")
            case Fault.FALSE_ZERO if self._false_zeros < _MOST_FALSE_ZEROS:
                self._false_zeros += 1
                return QueueDepth(
                    ready=0, in_flight=depth.in_flight, consumers=depth.consumers
                )
            case _:
                self._false_zeros = 0
                return depth
