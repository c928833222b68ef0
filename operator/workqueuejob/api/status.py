"""What a run has come to. Absent means unknown, never zero.

Nothing here decides what a number or a condition should be; see `workqueuejob.planning`.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from workqueuejob.api.autoscale import ScalingStatus
from workqueuejob.api.base import Model, atomic_list, list_map
from workqueuejob.api.busy_period import BusyPeriod
from workqueuejob.api.scalars import (
    INT32_MAX,
    Generation,
    LargeCount,
    LongMessage,
    Message,
    Parallelism,
    PositiveCount,
    Timestamp,
)

JOBS_MAX = 50

Offsets = Annotated[str, Field(max_length=65_536, pattern=r"^([0-9]+(,[0-9]+)*)?$")]
DelaySeconds = Annotated[int, Field(ge=1, le=INT32_MAX, description="A delay, in seconds.")]


class ConditionStatus(StrEnum):
    """A condition's status; Unknown is neither."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Precision(StrEnum):
    """Whether the broker counted, or could only estimate."""

    EXACT = "Exact"
    ESTIMATED = "Estimated"


class Accounting(StrEnum):
    """How `items` came about."""

    COUNTED = "Counted"
    INFERRED = "Inferred"


class Condition(Model):
    """One aspect of the run's state, in the form that every Kubernetes object uses."""

    type: Annotated[str, Field(max_length=316, pattern=r"^[A-Za-z]([A-Za-z0-9]*[A-Za-z0-9])?$")]
    """Which aspect: QueueReachable, Progressing, Complete or Failed."""

    status: ConditionStatus
    """True, False or Unknown."""

    observed_generation: Generation | None = None
    """metadata.generation that the condition was decided for."""

    last_transition_time: Timestamp
    """When the status last changed."""

    reason: Annotated[
        str, Field(min_length=1, max_length=1024, pattern=r"^[A-Za-z]([A-Za-z0-9_]*[A-Za-z0-9])?$")
    ]
    """Why, in one CamelCase word that programs can rely on."""

    message: LongMessage
    """Why, in words: what was seen, where, and what to change."""


class RunOffsets(Model):
    """What a run works on of a topic, recorded when it began."""

    topic_id: Annotated[str, Field(alias="topicID", max_length=64)]
    """Kafka's id of the topic; one that is deleted and created anew has another."""

    starts: Offsets
    """Offset from which each partition is worked on if the consumer group has committed nothing, by
    their number and separated by commas. Those that are added later begin at 0."""

    ends: Offsets | None = None
    """Offset up to which each partition is worked on. Of those that are added later nothing is.
    Absent with runPolicy Continuous, which has no end."""


class QueueStatus(Model):
    """The queue as last measured."""

    address: Annotated[str, Field(max_length=1024)] | None = None
    """Kind and name of the queue, such as rabbitmq/job1; never credentials."""

    ready: LargeCount | None = None
    """Items that a pod could take now; at Kafka offsets, of which some may hold no item. Absent:
    unknown."""

    in_flight: LargeCount | None = None
    """Items that were taken and not yet settled. Absent: the broker can't say; for RabbitMQ, set
    spec.queue.rabbitmq.management."""

    delayed: LargeCount | None = None
    """Items that wait out the delay before their next attempt; they come back by themselves.
    Absent: unknown, or no worker."""

    dead_lettered: LargeCount | None = None
    """Items in spec.retry.deadLetter now, those of other runs included. Absent: unknown, or there
    is no such target."""

    retry_delays_seconds: Annotated[
        tuple[DelaySeconds, ...], Field(max_length=1024, json_schema_extra=atomic_list())
    ] = ()
    """Delays for which items may have been put to rest during the run. At RabbitMQ each is a queue
    of its own, which is measured as long as the run lasts, also when retry was changed since."""

    dead_lettered_at_start: LargeCount | None = None
    """Items in spec.retry.deadLetter that are not of this run: those that were there when it
    started, or came while none of its pods ran. Absent: unknown, or there is no such target."""

    offsets: RunOffsets | None = None
    """Kafka: what the run works on, as recorded when it began; absent as long as it has not.
    Absent as well with runPolicy Continuous and startFrom Earliest, which need no record."""

    later: LargeCount | None = None
    """Kafka: offsets that came after the run had begun, and that it leaves for the next. Absent:
    unknown, or the run has no end."""

    removed: LargeCount | None = None
    """Kafka: offsets that the topic's retention has removed before the consumer group came to them,
    and that it has not passed yet. Absent: none."""

    precision: Precision | None = None
    """Exact: the broker counted. Estimated: it could only estimate."""

    observed_time: Timestamp | None = None
    """When the queue was measured. It is not renewed as long as the numbers stay the same."""


class ItemsStatus(Model):
    """The run's ledger, in items."""

    total: LargeCount | None = None
    """Items seen so far: succeeded, dead-lettered, discarded and remaining together."""

    succeeded: LargeCount | None = None
    """Items that were worked on with success."""

    dead_lettered: LargeCount | None = None
    """Items that this run moved to the dead-letter target after their last attempt. Absent:
    unknown, or no worker."""

    discarded: LargeCount | None = None
    """Items that were dropped after their last attempt, as spec.retry.onExhausted Discard says.
    Absent: unknown, or no worker."""

    remaining: LargeCount | None = None
    """Items still to do: ready, delayed or in flight, as measured; once a run has Failed, what it
    left behind."""

    attempts_failed: LargeCount | None = None
    """Attempts that ended without success, those whose worker was killed included."""

    expired: LargeCount | None = None
    """Offsets of a Kafka topic that its retention removed during the run, before they were worked
    on; they are not part of total. Absent: none."""

    accounting: Accounting | None = None
    """How far the numbers can be relied on. Counted: every settled item was counted by the broker
    or by the worker that settled it. Inferred: at least one number was worked out from pods that
    succeeded, itemsPerPod or the queue's depth; with worker, that is what running pods have not
    reported yet, at most one item of each pod that was killed, items that came back to a RabbitMQ
    queue, because a worker may have counted them before, and all that pods have settled whose
    report can't be read."""


class PodsStatus(Model):
    """The pods of all the run's Jobs."""

    active: LargeCount | None = None
    """Pods that are pending or running, over all Jobs."""

    succeeded: LargeCount | None = None
    """Pods that exited 0, over all Jobs."""

    failed: LargeCount | None = None
    """Pods that failed, over all Jobs; compared with spec.backoffLimit."""


class CountedItems(Model):
    """What workers have reported, each item once."""

    succeeded: LargeCount = 0
    """Items acknowledged after success."""

    dead_lettered: LargeCount = 0
    """Items moved to the dead-letter target."""

    discarded: LargeCount = 0
    """Items dropped after their last attempt."""

    attempts_failed: LargeCount = 0
    """Attempts that failed, and those whose worker was killed."""

    uncertain: LargeCount = 0
    """Pods that were killed, each of which may have settled one item more than it reported."""

    unreported: LargeCount = 0
    """Pods whose container ran and left no report that can be read: what they settled is not
    known. Their command may have written to the termination message, or ended without a worker."""


class JobStatus(Model):
    """A Job of the run that has not finished."""

    name: Annotated[str, Field(min_length=1, max_length=63)]
    """Name of the Job."""

    wave: PositiveCount
    """Number of the wave that the Job is, from 1."""

    completions: LargeCount | None = None
    """Pods that must succeed for the Job to complete."""

    parallelism: LargeCount | None = None
    """The most pods that the Job runs at once: its share of spec.parallelism."""

    active: LargeCount | None = None
    """The Job's pods that are pending or running."""

    succeeded: LargeCount | None = None
    """The Job's pods that exited 0."""

    failed: LargeCount | None = None
    """The Job's pods that failed."""

    items: CountedItems | None = None
    """What the Job's workers have reported; it is part of status.counted. Absent: no worker."""


class Decision(Model):
    """What was last decided, and from which numbers."""

    time: Timestamp
    """When it was decided."""

    message: Message
    """The numbers seen and what was done, such as "8 ready, 0 in flight, 0 completions open:
    created fruits-7f3a-1 with 8 completions"."""


class WorkQueueJobStatus(Model):
    """What a run has come to."""

    observed_generation: Generation | None = None
    """metadata.generation that this status was decided for. If it is lower than
    metadata.generation, the latest change of the spec has not been seen yet."""

    conditions: Annotated[
        tuple[Condition, ...], Field(max_length=16, json_schema_extra=list_map("type"))
    ] = ()
    """State of the run. Complete or Failed is True once it has ended; Progressing tells what it
    does or waits for; QueueReachable tells whether the queue can be measured."""

    selector: Annotated[str, Field(max_length=256)] | None = None
    """Label selector of the run's pods, for the scale subresource."""

    progress: Annotated[str, Field(max_length=64)] | None = None
    """Items settled of items seen, such as 3/8; those that were dead-lettered or discarded are
    settled too. The second number grows when items arrive. With runPolicy Continuous: of the
    current busy period, or else of the last one."""

    queue: QueueStatus | None = None
    """The queue as last measured. A failed measurement changes no number here; see the condition
    QueueReachable."""

    items: ItemsStatus | None = None
    """The run's ledger, in items."""

    counted: CountedItems | None = None
    """What the run's workers have reported, those of deleted Jobs included: from this the next
    reports are counted on. The result is in items. Absent: no worker."""

    pods: PodsStatus | None = None
    """The pods of all the run's Jobs, those of deleted Jobs included."""

    desired_parallelism: Parallelism | None = None
    """Pods that should be active now: spec.parallelism, or fewer when there are fewer items or
    spec.autoscale wants fewer; no fewer than it keeps."""

    scaling: ScalingStatus | None = None
    """How desiredParallelism came about. Absent: no spec.autoscale."""

    jobs: Annotated[
        tuple[JobStatus, ...], Field(max_length=JOBS_MAX, json_schema_extra=list_map("name"))
    ] = ()
    """The run's Jobs that have not finished, at most 50."""

    waves: LargeCount | None = None
    """Jobs that were created so far; each is one wave. It only grows, and names the next Job."""

    waves_without_progress: LargeCount | None = None
    """Consecutive waves after which the queue was as deep as before. Too many of them end the run
    as Failed, with the reason NoProgress; with runPolicy Continuous the pause before the next
    attempt grows with it."""

    current_busy_period: BusyPeriod | None = None
    """What has been done since the queue was last empty. Only with runPolicy Continuous; absent
    while it waits for items."""

    last_busy_period: BusyPeriod | None = None
    """What was done before the queue was last empty. Only with runPolicy Continuous."""

    start_time: Timestamp | None = None
    """When the run started, or was last resumed. Absent while it is suspended."""

    succeeded_before_start: LargeCount | None = None
    """Value of items.succeeded at startTime, from which itemsPerMinute is counted. Absent: zero."""

    completion_time: Timestamp | None = None
    """When the run was complete. Absent while it runs and if it failed."""

    spec_hash_at_end: Annotated[str, Field(max_length=64)] | None = None
    """Hash of the spec that the run ended with, without ttlSecondsAfterFinished and the history
    limits. It tells whether the spec was changed since, which an ended run does nothing with.
    Absent: the run goes on."""

    estimated_completion_time: Timestamp | None = None
    """When the run will be complete if items go on being done at itemsPerMinute and none arrive.
    Absent: not enough is known, or runPolicy is Continuous."""

    items_per_minute: (
        Annotated[str, Field(max_length=32, pattern=r"^[0-9]+(\.[0-9]+)?$")] | None
    ) = None
    """Items that succeeded per minute since the start, a decimal number such as 0.4; with runPolicy
    Continuous in the current busy period, or else in the last one. Absent: not enough is known."""

    last_decision: Decision | None = None
    """What was last decided, and from which numbers."""
