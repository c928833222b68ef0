"""The rule that records where a run begins and ends in a partitioned log, before its first wave."""

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
    from the latest offset records at once where that is. Any other Continuous run needs no span.
    """
    resource, depth, log = situation.observed.resource, situation.depth, situation.depth.log
    known, from_latest = find_span(resource), _is_from_latest(resource)
    if log is None or (known is not None and is_same_topic(log, known.starts)):
        return None
    if not from_latest and (follows(resource) or not depth.left):
        return None
    span = _choose_span(resource, log)
    message = log_messages.recorded(depth, span)
    verdict = Verdict(Progress.WORKING, message)
    return Plan(verdict, decision=message, span=span, recheck_after_seconds=0.0)


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
