"""The rule that records where a run begins and ends in a partitioned log, and how far it has come.

The broker forgets what a group has committed when the group had no member for a time
(`offsets.retention.minutes`, a week by default). A Continuous run may be idle for longer. So
while the run has no pods the status takes over what the group has committed, and the run goes on
from there.
"""

from workqueuejob.api import WorkQueueJob
from workqueuejob.brokers.positions import TopicPositions, TopicSpan, is_same_topic
from workqueuejob.brokers.traits import read_traits
from workqueuejob.contract.offsets import TopicOffsets
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.ledger.spans import find_span, follows, read_span
from workqueuejob.planning.situation import Situation
from workqueuejob.planning.verdict import Progress, Verdict
from workqueuejob.planning.words import spans as log_messages


def record_span(situation: Situation) -> Plan | None:
    """Record what the run works on, and do nothing else before that is in status.

    A run that drains records its span when there is something to do. A Continuous run that starts
    from the latest offset records at once where that is. Any other Continuous run records only how
    far its group has come.
    """
    resource, depth, log = situation.observed.resource, situation.depth, situation.depth.log
    known, from_latest = find_span(resource), _is_from_latest(resource)
    if log is None:
        return None
    if known is not None and is_same_topic(log, known.starts):
        return _record_progress(situation, log, known.starts)
    if not from_latest and follows(resource):
        return _record_progress(situation, log, TopicOffsets(log.topic_id, ()))
    if not from_latest and not depth.left:
        return None
    span = _choose_span(resource, log)
    message = log_messages.recorded(depth, span)
    verdict = Verdict(Progress.WORKING, message)
    return Plan(verdict, decision=message, span=span, recheck_after_seconds=0.0)


def _record_progress(
    situation: Situation, log: TopicPositions, recorded: TopicOffsets
) -> Plan | None:
    """Record how far the group of a Continuous run has come, unless status has that already.

    While a Job is unfinished nothing is recorded, because its pods have the former offsets.
    """
    if not follows(situation.observed.resource) or situation.observed.unfinished:
        return None
    reached = tuple(
        recorded.at(number) if position.committed is None else position.committed
        for number, position in enumerate(log.partitions)
    )
    if all(offset == recorded.at(number) for number, offset in enumerate(reached)):
        return None
    message = log_messages.PROGRESS_RECORDED
    return Plan(
        Verdict(Progress.WORKING, message),
        decision=message,
        span=TopicSpan(TopicOffsets(log.topic_id, reached)),
        recheck_after_seconds=0.0,
    )


def _choose_span(resource: WorkQueueJob, log: TopicPositions) -> TopicSpan:
    """Return the span from now on; a run that has begun before goes on from there."""
    recorded, is_endless = read_span(resource), follows(resource)
    fresh = log.span(from_latest=_is_from_latest(resource), follows=is_endless)
    if recorded is None:
        return fresh
    if is_same_topic(log, recorded.starts):
        return TopicSpan(recorded.starts, fresh.ends)
    # All records of a topic that was created again came after the run had begun.
    return TopicSpan(TopicOffsets(log.topic_id, ()), fresh.ends)


def _is_from_latest(resource: WorkQueueJob) -> bool:
    return read_traits(resource.spec.queue).starts_at_end
