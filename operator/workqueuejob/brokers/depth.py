"""What a measurement of a queue says, and what it leaves open."""

from dataclasses import dataclass, replace
from datetime import datetime

from workqueuejob.api.status import Precision
from workqueuejob.brokers.positions import Lag, TopicPositions
from workqueuejob.contract.report import ItemCounts
from workqueuejob.errors import QueueError

COUNT_MAX = 1_000_000_000
"""The largest count of messages that is believed or reported. Status can hold sums of such."""


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
    log: where the group stands in each partition, where the queue is a partitioned log. There
        the numbers are of offsets, and who can't say what is in flight counts it as ready.
    partitions: in which something is left, so that more consumers are of no use; None: no bound.
    removed: what the log's retention has removed, and the group has not passed yet.
    later: what came after the run had begun, and is not waited for; None where it is.
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
    log: TopicPositions | None = None
    partitions: int | None = None
    removed: int = 0
    later: int | None = None

    def with_lag(self, lag: Lag) -> "QueueDepth":
        """Return this depth of a log with other numbers."""
        return replace(
            self,
            ready=min(lag.ready, COUNT_MAX),
            in_flight=None if self.in_flight is None else lag.in_flight,
            delayed=min(lag.delayed, COUNT_MAX),
            partitions=lag.partitions,
            removed=min(lag.removed, COUNT_MAX),
        )

    @property
    def left(self) -> int:
        """Items that are not settled; where the broker hides those held, one for each consumer.

        With a prefetch of 1 that is exact while items are ready, and an upper bound otherwise.
        """
        hidden = self.log is not None and self.in_flight is None
        return self.ready + self.delayed + (0 if hidden else self.holders or 0)

    @property
    def holders(self) -> int | None:
        """Items held as of now, or how many consumers could hold one; None: neither is known."""
        return self.consumers if self.in_flight is None else self.in_flight

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
    ended: like `started`, taken when the broker had answered.
    interval_seconds: between two measurements of the queue, roughly, where that is so long that a
        person should know it; otherwise 0.
    """

    started: float
    time: datetime
    result: QueueDepth | QueueError
    ended: float | None = None
    interval_seconds: int = 0

    @property
    def answered_at(self) -> float:
        """When the numbers were certainly true, on the monotonic clock."""
        return self.started if self.ended is None else self.ended
