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
    """One aspect of the run's state, in the form that all Kubernetes objects use."""

    type: Annotated[str, Field(max_length=316, pattern=r"^[A-Za-z]([A-Za-z0-9]*[A-Za-z0-9])?$")]
    """Which aspect: QueueReachable, Progressing, Complete, Failed or WorkerOutdated."""

    status: ConditionStatus
    """True, False or Unknown."""

    observed_generation: Generation | None = None
    """The metadata.generation for which the condition was decided."""

    last_transition_time: Timestamp
    """When the status last changed."""

    reason: Annotated[
        str, Field(min_length=1, max_length=1024, pattern=r"^[A-Za-z]([A-Za-z0-9_]*[A-Za-z0-9])?$")
    ]
    """Why the condition has this status, in one CamelCase word that programs can rely on."""

    message: LongMessage
    """Why the condition has this status, in words: what the operator saw, where, and what to
    change."""


class RunOffsets(Model):
    """The part of a topic that a run works on, recorded when the run began."""

    topic_id: Annotated[str, Field(alias="topicID", max_length=64)]
    """Kafka's id of the topic. A topic that is deleted and created again gets another id."""

    starts: Offsets
    """For each partition, the offset from which the run works if the consumer group has committed
    none, or Kafka has forgotten what it committed: in the order of the partitions, separated by
    commas, such as 0,0,5. Partitions that are added later begin at 0. With runPolicy Continuous the
    operator takes over what the group has committed after each busy period."""

    ends: Offsets | None = None
    """For each partition, the offset up to which the run works, in the same form. The run takes
    nothing from partitions that are added later. Absent with runPolicy Continuous, which has no
    end."""


class QueueStatus(Model):
    """The queue as last measured."""

    address: Annotated[str, Field(max_length=1024)] | None = None
    """Kind and name of the queue, such as rabbitmq/job1. It never holds credentials."""

    ready: LargeCount | None = None
    """How many items a pod could take now. For Kafka these are offsets, and some of them may hold
    no item. Absent: unknown."""

    in_flight: LargeCount | None = None
    """How many items were taken and are not settled yet. Absent: the broker can't say. For
    RabbitMQ, set spec.queue.rabbitmq.management."""

    delayed: LargeCount | None = None
    """How many items wait for the delay before their next attempt. They become ready again by
    themselves. Absent: unknown, or no worker."""

    dead_lettered: LargeCount | None = None
    """How many items are in spec.retry.deadLetter now, including those of other runs. Absent:
    unknown, or there is no dead-letter target."""

    retry_delays_seconds: Annotated[
        tuple[DelaySeconds, ...], Field(max_length=1024, json_schema_extra=atomic_list())
    ] = ()
    """The delays, in seconds, for which items of this run may be resting. For RabbitMQ each delay
    has a queue of its own. The operator measures these queues until the run ends, even if retry has
    changed since."""

    dead_lettered_at_start: LargeCount | None = None
    """How many items in spec.retry.deadLetter are not of this run: they were there when it started,
    or came while none of its pods ran. Absent: unknown, or there is no dead-letter target."""

    offsets: RunOffsets | None = None
    """Kafka: the part of the topic that the run works on, recorded when the run began. Absent: the
    run has not begun. With runPolicy Continuous and startFrom Earliest it is absent until the end
    of the first busy period."""

    later: LargeCount | None = None
    """Kafka: how many offsets came after the run had begun. The run leaves them for the next run.
    Absent: unknown, or the run has no end."""

    removed: LargeCount | None = None
    """Kafka: how many offsets the topic's retention removed before the consumer group reached them.
    Offsets that the group has passed since then do not count. Absent: none."""

    precision: Precision | None = None
    """Exact: the broker counted the items. Estimated: it could only estimate them."""

    observed_time: Timestamp | None = None
    """When the queue was measured. It does not change while the numbers stay the same."""


class ItemsStatus(Model):
    """What happened to the run's items."""

    total: LargeCount | None = None
    """How many items the run has seen: succeeded + deadLettered + discarded + remaining."""

    succeeded: LargeCount | None = None
    """How many items succeeded."""

    dead_lettered: LargeCount | None = None
    """How many items this run moved to the dead-letter target after their last attempt. Absent:
    unknown, or no worker."""

    discarded: LargeCount | None = None
    """How many items were dropped after their last attempt, because spec.retry.onExhausted is
    Discard. Absent: unknown, or no worker."""

    remaining: LargeCount | None = None
    """How many items are still to do: ready, delayed or in flight, as measured. After a run has
    Failed: how many items it left behind."""

    attempts_failed: LargeCount | None = None
    """How many attempts failed, including those whose worker was killed."""

    expired: LargeCount | None = None
    """How many offsets the retention of a Kafka topic removed during the run before they were
    worked on. They are not part of total. Absent: none."""

    accounting: Accounting | None = None
    """How reliable the numbers are. Counted: every settled item was counted by the broker or by the
    worker that settled it. Inferred: the operator worked out at least one number from succeeded
    pods, itemsPerPod or the queue's depth. With worker, four things are inferred: items that
    running pods have settled and not reported yet; at most one item of each pod that was killed;
    items that came back to a RabbitMQ queue, because a worker may have counted them before; and all
    items of pods whose report can't be read."""


class PodsStatus(Model):
    """The pods of all Jobs of the run."""

    active: LargeCount | None = None
    """How many pods are pending or running."""

    succeeded: LargeCount | None = None
    """How many pods exited 0."""

    failed: LargeCount | None = None
    """How many pods failed. The operator compares it with spec.backoffLimit."""


class CountedItems(Model):
    """What the workers have reported. Each item is counted once."""

    succeeded: LargeCount = 0
    """How many items were acknowledged after success."""

    dead_lettered: LargeCount = 0
    """How many items were moved to the dead-letter target."""

    discarded: LargeCount = 0
    """How many items were dropped after their last attempt."""

    attempts_failed: LargeCount = 0
    """How many attempts failed, including those whose worker was killed."""

    uncertain: LargeCount = 0
    """How many pods were killed or did not report. Each of them may have settled one item more than
    was counted."""

    unreported: LargeCount = 0
    """How many pods ran and left no report that can be read. What they settled is unknown. Their
    command may have written to the termination message, or they ended without a worker."""


class JobStatus(Model):
    """A Job of the run that has not finished."""

    name: Annotated[str, Field(min_length=1, max_length=63)]
    """Name of the Job."""

    wave: PositiveCount
    """Number of the Job's wave, from 1."""

    completions: LargeCount | None = None
    """How many pods must succeed until the Job is complete."""

    parallelism: LargeCount | None = None
    """The most pods that the Job runs at once. It is the Job's share of spec.parallelism."""

    active: LargeCount | None = None
    """How many of the Job's pods are pending or running."""

    succeeded: LargeCount | None = None
    """How many of the Job's pods exited 0."""

    failed: LargeCount | None = None
    """How many of the Job's pods failed."""

    items: CountedItems | None = None
    """What the Job's workers have reported. It is part of status.counted. Absent: no worker."""

    deleted: LargeCount | None = None
    """How many of the Job's failed pods are deleted, and have their reports in items. If the
    operator is restarted, it can't read these reports again, and each such pod is uncertain.
    Absent: none."""


class Decision(Model):
    """The last decision and the numbers behind it."""

    time: Timestamp
    """When the operator decided."""

    message: Message
    """The numbers that the operator saw and what it did, such as "8 ready, 0 in flight, 0
    completions open: created fruits-7f3a-1 with 8 completions"."""


class WorkQueueJobStatus(Model):
    """What the run has done so far."""

    observed_generation: Generation | None = None
    """The metadata.generation for which this status was decided. If it is lower than
    metadata.generation, the operator has not seen the latest change of the spec yet."""

    installation: Annotated[str, Field(min_length=3, max_length=317)] | None = None
    """The installation of the operator that works on the run, such as
    workqueuejob-system/workqueuejob. Any other installation leaves the run alone. Absent: the first
    installation that writes the status takes the run."""

    conditions: Annotated[
        tuple[Condition, ...], Field(max_length=16, json_schema_extra=list_map("type"))
    ] = ()
    """The state of the run. Complete or Failed is True after the run has ended. Progressing says
    what the run does or waits for. QueueReachable says whether the queue can be measured."""

    selector: Annotated[str, Field(max_length=256)] | None = None
    """Label selector of the run's pods. The scale subresource uses it."""

    progress: Annotated[str, Field(max_length=64)] | None = None
    """Items settled of items seen, such as 3/8. Dead-lettered and discarded items are settled too.
    The second number grows when items arrive. With runPolicy Continuous the numbers are those of
    the current busy period, or else of the last one."""

    queue: QueueStatus | None = None
    """The queue as last measured. A failed measurement changes no number here; the condition
    QueueReachable shows it."""

    items: ItemsStatus | None = None
    """What happened to the run's items."""

    counted: CountedItems | None = None
    """What the run's workers have reported, including those of deleted Jobs. The operator adds the
    next reports to it. items shows the result. Absent: no worker."""

    pods: PodsStatus | None = None
    """The pods of all Jobs of the run, including deleted Jobs."""

    desired_parallelism: Parallelism | None = None
    """How many pods should be active now. It is spec.parallelism, or fewer if there are fewer items
    or if spec.autoscale asks for fewer, and at least as many as autoscale.minParallelism keeps."""

    scaling: ScalingStatus | None = None
    """How desiredParallelism was calculated. Absent: spec.autoscale is unset."""

    jobs: Annotated[
        tuple[JobStatus, ...], Field(max_length=JOBS_MAX, json_schema_extra=list_map("name"))
    ] = ()
    """The run's Jobs that have not finished, at most 50."""

    waves: LargeCount | None = None
    """How many Jobs the run has created so far. Each Job is one wave. The number only grows, and
    the next Job's name contains the next number."""

    waves_without_progress: LargeCount | None = None
    """How many waves in a row left the queue as deep as before. After three the run is Failed with
    the reason NoProgress. With runPolicy Continuous the run pauses instead, and the pause grows
    with this number."""

    current_busy_period: BusyPeriod | None = None
    """What the run has done since the queue was last empty. Only with runPolicy Continuous. Absent
    while the run waits for items."""

    last_busy_period: BusyPeriod | None = None
    """The last busy period that ended. Only with runPolicy Continuous."""

    start_time: Timestamp | None = None
    """When the run was started or last resumed. Absent while it is suspended."""

    succeeded_before_start: LargeCount | None = None
    """The value of items.succeeded at startTime. itemsPerMinute is counted from it. Absent:
    zero."""

    completion_time: Timestamp | None = None
    """When the run became complete. Absent while it goes on, and if it failed."""

    spec_hash_at_end: Annotated[str, Field(max_length=64)] | None = None
    """Hash of the spec that the run ended with, without ttlSecondsAfterFinished and the history
    limits. The operator compares it to see whether the spec has changed since the end; such a
    change has no effect. Absent: the run goes on."""

    estimated_completion_time: Timestamp | None = None
    """When the run will be complete if items continue at itemsPerMinute and no item arrives.
    Absent: not enough is known, or runPolicy is Continuous."""

    items_per_minute: (
        Annotated[str, Field(max_length=32, pattern=r"^[0-9]+(\.[0-9]+)?$")] | None
    ) = None
    """How many items succeeded per minute since the start, a decimal number such as 0.4. With
    runPolicy Continuous the number is that of the current busy period, or else of the last one.
    Absent: not enough is known."""

    last_decision: Decision | None = None
    """The last decision and the numbers behind it."""
