"""The span of a partitioned log that a run works on, as status records it, and what is left of it.

A log that is written to would never be drained, so a run that drains ends where the partitions
ended when it began. A span that was recorded stays, whatever is seen later.
"""

from dataclasses import replace

from workqueuejob.api import RunOffsets, WorkQueueJob
from workqueuejob.api.spec import RunPolicy
from workqueuejob.brokers.depth import COUNT_MAX, Measurement, QueueDepth
from workqueuejob.brokers.positions import TopicSpan, is_same_topic, measure_lag
from workqueuejob.brokers.traits import read_traits
from workqueuejob.contract.offsets import TopicOffsets
from workqueuejob.errors import QueueReplaced


def read_span(resource: WorkQueueJob) -> TopicSpan | None:
    """Return the recorded span, without its ends if the run has become Continuous."""
    queue = resource.status.queue
    recorded = queue.offsets if queue else None
    if recorded is None:
        return None
    topic_id, ends = recorded.topic_id, None if follows(resource) else recorded.ends
    return TopicSpan(
        TopicOffsets.read(topic_id, recorded.starts),
        None if ends is None else TopicOffsets.read(topic_id, ends),
    )


def find_span(resource: WorkQueueJob) -> TopicSpan | None:
    """Return the span that the run works on; None while it is not recorded, or need not be."""
    span = read_span(resource)
    return None if span is None or (span.ends is None and not follows(resource)) else span


def write_span(span: TopicSpan) -> RunOffsets:
    """Return a span as status keeps it."""
    return RunOffsets(
        topic_id=span.starts.topic_id,
        starts=span.starts.text,
        ends=None if span.ends is None else span.ends.text,
    )


def restrict(measurement: Measurement, resource: WorkQueueJob) -> Measurement:
    """Return the measurement of the run's span, without the records that came after it."""
    depth, span = measurement.result, find_span(resource)
    if not isinstance(depth, QueueDepth) or depth.log is None or span is None:
        return measurement
    if not is_same_topic(depth.log, span.starts):
        if span.ends is not None:
            return replace(measurement, result=_explain_replaced(resource))
        # All of it came after the run had begun.
        span = TopicSpan(TopicOffsets(depth.log.topic_id, ()))
    lag = measure_lag(depth.log, now=measurement.time.timestamp(), span=span)
    later = None if span.ends is None else min(lag.later, COUNT_MAX)
    return replace(measurement, result=replace(depth.with_lag(lag), later=later))


def follows(resource: WorkQueueJob) -> bool:
    """Return whether the run is Continuous, and so follows the log without an end."""
    return resource.spec.run_policy is RunPolicy.CONTINUOUS


def _explain_replaced(resource: WorkQueueJob) -> QueueReplaced:
    traits = read_traits(resource.spec.queue)
    return QueueReplaced(
        f"{traits.noun} {traits.name!r} was deleted and created anew since the run began,"
        " so nothing is known of how much of it is to be done; create the WorkQueueJob anew to work"
        " on what is in it now"
    )
