"""What a measurement of a queue says, and what it leaves open."""

from dataclasses import dataclass
from datetime import datetime

from workqueuejob.api.status import Precision
from workqueuejob.errors import QueueError
from workqueuejob.planning.log_positions import LogPositions
from workqueuejob.protocol.report import ItemCounts


@dataclass(frozen=True, slots=True)
class DepthWarning:
    """Something that a person should know although the measurement succeeded."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """How much work a queue holds, in items.

    ready: items that a consumer could take now.
    in_flight: items taken and not yet settled, as of now; None where the broker can't say.
    in_flight_lately: the same as of some seconds ago, where the broker knows no better.
    consumers: consumers registered at the broker; None where it has no such notion.
    delayed: items that become ready by themselves later, such as delayed retries.
    dead_lettered: items in the dead-letter target; None where there is none, or it is unknown.
    counts: what the run's workers have settled, where the broker itself counts that.
    log: where the group stands in each partition, where the queue is a partitioned log.
    """

    ready: int
    in_flight: int | None = None
    in_flight_lately: int | None = None
    consumers: int | None = None
    delayed: int = 0
    dead_lettered: int | None = None
    precision: Precision = Precision.EXACT
    counts: ItemCounts | None = None
    warning: DepthWarning | None = None
    log: LogPositions | None = None

    @property
    def holders(self) -> int | None:
        """Items held as of now, or how many consumers could hold one; None: neither is known."""
        return self.consumers if self.in_flight is None else self.in_flight

    @property
    def left(self) -> int:
        """Items ready, delayed and held.

        Where the broker hides what is held, each consumer counts as one item: with a prefetch of 1
        that is exact while items are ready, and an upper bound otherwise.
        """
        return self.ready + self.delayed + (self.holders or 0)

    @property
    def left_beside_waiting(self) -> int:
        """Items that are not settled, where consumers may be waiting for their first one.

        As long as items are ready, every consumer holds one.
        """
        held = self.holders if self.ready else self.in_flight_known
        return self.ready + self.delayed + (held or 0)

    @property
    def in_flight_known(self) -> int | None:
        """Items in flight as of now or, failing that, of some seconds ago."""
        return self.in_flight_lately if self.in_flight is None else self.in_flight


@dataclass(frozen=True, slots=True)
class Measurement:
    """One attempt to measure a queue.

    started: seconds on the monotonic clock, taken before the broker was asked: what the
        operator knew of Jobs and pods before this moment is older than the numbers.
    time: wall-clock time in UTC, for people.
    result: the depth, or the error that kept us from knowing it.
    """

    started: float
    time: datetime
    result: QueueDepth | QueueError
