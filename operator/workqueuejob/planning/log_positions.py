"""Where a consumer group stands in a partitioned log, and how much is left to do there.

Offsets are counted, of which some may be no items: the markers of transactions, and what
compaction removed. They are done when our worker has committed the end behind them.
"""

from dataclasses import dataclass

from workqueuejob.protocol.kafka_offsets import FRESH, LogEnds, NextItem


@dataclass(frozen=True, slots=True)
class PartitionPosition:
    """One partition.

    start, end: the offsets of the first record and behind the last that may be read.
    committed: the group's offset; None where it has committed nothing.
    next: what our worker has noted of the item that comes next.
    is_owned: whether a member of the group has the partition.
    """

    start: int
    end: int
    committed: int | None = None
    next: NextItem = FRESH
    is_owned: bool = False


@dataclass(frozen=True, slots=True)
class LogPositions:
    """A topic's partitions, by number; topic_id is another one when it was created anew."""

    topic_id: str
    partitions: tuple[PartitionPosition, ...]

    @property
    def ends(self) -> LogEnds:
        """The targets of a run that starts now."""
        return LogEnds(self.topic_id, tuple(one.end for one in self.partitions))


@dataclass(frozen=True, slots=True)
class Lag:
    """What is left to do, in offsets.

    ready: could be taken now. in_flight: a worker has it in hand. delayed: rests until its next
    attempt, or comes behind one that does.
    partitions: in which something is ready or in flight, so more workers than that are of no use.
    expired: what retention removed before the group came to it.
    added: behind the targets: came later, and is not waited for.
    """

    ready: int = 0
    in_flight: int = 0
    delayed: int = 0
    partitions: int = 0
    expired: int = 0
    added: int = 0


def measure_lag(
    log: LogPositions, *, now: float, targets: LogEnds | None = None, from_latest: bool = False
) -> Lag:
    """Return what is left up to the targets, or up to the ends.

    now: seconds of the wall clock. from_latest: whether a group that has committed nothing is to
    begin at the end.
    """
    lags = [
        _measure_partition(
            one,
            end=one.end if targets is None else min(one.end, targets.end_of(number)),
            now=now,
            from_latest=from_latest,
        )
        for number, one in enumerate(log.partitions)
    ]
    return Lag(
        ready=sum(one.ready for one in lags),
        in_flight=sum(one.in_flight for one in lags),
        delayed=sum(one.delayed for one in lags),
        partitions=sum(one.partitions for one in lags),
        expired=sum(one.expired for one in lags),
        added=sum(one.added for one in lags),
    )


def has_reached(log: LogPositions, targets: LogEnds, *, from_latest: bool = False) -> bool:
    """Whether the group has everything before the targets behind it."""
    lag = measure_lag(log, now=0.0, targets=targets, from_latest=from_latest)
    return not (lag.ready or lag.in_flight or lag.delayed)


def is_same_topic(log: LogPositions, targets: LogEnds) -> bool:
    """Whether the targets are those of this topic, and not of a namesake before it.

    A topic keeps its id and never loses partitions.
    """
    return log.topic_id == targets.topic_id and len(log.partitions) >= len(targets.offsets)


def _measure_partition(
    position: PartitionPosition, *, end: int, now: float, from_latest: bool
) -> Lag:
    base = _find_base(position, from_latest=from_latest)
    left = max(end - base, 0)
    added = max(position.end - max(base, end), 0)
    expired = 0 if position.committed is None else max(position.start - position.committed, 0)
    if not left:
        return Lag(expired=expired, added=added)
    if position.next.due_at > now:
        return Lag(delayed=left, expired=expired, added=added)
    in_hand = int(position.next.is_held and position.is_owned)
    return Lag(ready=left - in_hand, in_flight=in_hand, partitions=1, expired=expired, added=added)


def _find_base(position: PartitionPosition, *, from_latest: bool) -> int:
    if position.committed is None:
        return position.end if from_latest else position.start
    # What retention has removed can't be done any more.
    return max(position.committed, position.start)
