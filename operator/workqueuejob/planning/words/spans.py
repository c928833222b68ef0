"""The sentences about partitioned logs: where a run begins and ends, and what is no item."""

from workqueuejob.api import ItemsStatus
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.brokers.positions import TopicSpan
from workqueuejob.planning.wording import count

PROGRESS_RECORDED = (
    "recorded how far the consumer group has come, in case the broker forgets it while the run is"
    " idle"
)


def recorded(depth: QueueDepth, span: TopicSpan) -> str:
    """Say where in the log the run ends, or begins."""
    partitions = count(len(depth.log.partitions) if depth.log else 0, "partition")
    if span.ends is None:
        return f"recorded where {partitions} ended: what comes from now on is worked on"
    return (
        f"recorded where {partitions} ended, {count(depth.left, 'offset')} further: up to there the"
        " run goes, and what comes later is left for the next"
    )


def reached(depth: QueueDepth, items: ItemsStatus | None) -> str:
    """Say what a complete run has not worked on; empty if that is nothing."""
    expired = (items.expired or 0) if items else 0
    clause = f", {count(expired, 'offset')} removed by retention" if expired else ""
    if depth.later:
        clause += f"; {count(depth.later, 'offset')} came after the run had begun, and stay"
    return clause


def unreachable(depth: QueueDepth) -> str:
    """Say that what is left may be no items, and that the program doesn't commit past them."""
    return (
        f"pods exit 0, and the group stays {count(depth.left, 'offset')} behind in"
        f" {count(depth.partitions or 0, 'partition')}: either the program commits nothing, or"
        " these are no items, as the markers of transactions and what compaction removed; let it"
        " commit its position where a partition ends, or set spec.worker, which does"
    )
