"""Where a consumer group stands in a partitioned log, and how much is left to do there.

Offsets are counted, of which some may be no items: the markers of transactions, and what
compaction removed. They are done when our worker has committed the end behind them.
"""

from dataclasses import dataclass

from workqueuejob.contract.offsets import FRESH, NextItem, TopicOffsets


@dataclass(frozen=True, slots=True)
class TopicSpan:
    """From where to where a run works, in each partition; ends of None follow.

    starts: where a partition begins of which the group has committed nothing.
    """

    starts: TopicOffsets
    ends: TopicOffsets | None = None


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
class TopicPositions:
    """A topic's partitions, by number; topic_id is another one when it was created anew."""

    topic_id: str
    partitions: tuple[PartitionPosition, ...]

    def span(self, *, from_latest: bool = False, follows: bool = False) -> TopicSpan:
        """Return what a run is to work on that starts now.

        from_latest: whether a group that has committed nothing begins at the end.
        follows: whether it goes on for ever.
        """
        bases = tuple(_find_base(one, begin=_begin(one, from_latest)) for one in self.partitions)
        ends = TopicOffsets(self.topic_id, tuple(one.end for one in self.partitions))
        return TopicSpan(TopicOffsets(self.topic_id, bases), None if follows else ends)


@dataclass(frozen=True, slots=True)
class Lag:
    """What is left to do, in offsets.

    ready: could be taken now. in_flight: a worker has it in hand. delayed: rests until its next
    attempt, or comes behind one that does.
    partitions: in which something is ready or in flight, so more workers than that are of no use.
    removed: what retention removed, and the group has not passed yet.
    later: behind the span's ends: came after the start, and is not waited for.
    """

    ready: int = 0
    in_flight: int = 0
    delayed: int = 0
    partitions: int = 0
    removed: int = 0
    later: int = 0


def measure_lag(
    log: TopicPositions, *, now: float, span: TopicSpan | None = None, from_latest: bool = False
) -> Lag:
    """Return what is left of a run's span or, without one, up to the ends.

    now: seconds of the wall clock. from_latest: whether, without a span, a group that has committed
    nothing is to begin at the end.
    """
    lags = []
    for number, one in enumerate(log.partitions):
        begin = _begin(one, from_latest) if span is None else span.starts.at(number)
        ends = None if span is None else span.ends
        end = one.end if ends is None else min(one.end, ends.at(number))
        lags.append(_measure_partition(one, begin=begin, end=end, now=now))
    return Lag(
        ready=sum(one.ready for one in lags),
        in_flight=sum(one.in_flight for one in lags),
        delayed=sum(one.delayed for one in lags),
        partitions=sum(one.partitions for one in lags),
        removed=sum(one.removed for one in lags),
        later=sum(one.later for one in lags),
    )


def is_same_topic(log: TopicPositions, known: TopicOffsets) -> bool:
    """Whether offsets are of this topic, and not of a namesake before it.

    A topic keeps its id and never loses partitions.
    """
    return log.topic_id == known.topic_id and len(log.partitions) >= len(known.offsets)


def _measure_partition(position: PartitionPosition, *, begin: int, end: int, now: float) -> Lag:
    base = _find_base(position, begin=begin)
    left = max(end - base, 0)
    later = max(position.end - max(base, end), 0)
    reached = begin if position.committed is None else position.committed
    removed = max(min(position.start, end) - reached, 0)
    if not left:
        return Lag(removed=removed, later=later)
    if position.next.due_at > now:
        return Lag(delayed=left, removed=removed, later=later)
    in_hand = int(position.next.is_held and position.is_owned)
    return Lag(ready=left - in_hand, in_flight=in_hand, partitions=1, removed=removed, later=later)


def _begin(position: PartitionPosition, from_latest: bool) -> int:
    return position.end if from_latest else position.start


def _find_base(position: PartitionPosition, *, begin: int) -> int:
    reached = begin if position.committed is None else position.committed
    # What retention has removed can't be done any more.
    return max(reached, position.start)
