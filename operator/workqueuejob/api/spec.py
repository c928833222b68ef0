"""What a user asks for: the queue, the pods, and how a run begins and ends."""

from datetime import timedelta
from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from workqueuejob.api.autoscale import Autoscale
from workqueuejob.api.base import Model, Rule, RuleReason
from workqueuejob.api.kafka import KAFKA_RULES, KafkaQueue
from workqueuejob.api.pod_failure_policy import PodFailurePolicy
from workqueuejob.api.rabbitmq import RabbitMQQueue
from workqueuejob.api.redis import RedisQueue
from workqueuejob.api.scalars import (
    Annotations,
    Count,
    Labels,
    Parallelism,
    PositiveCount,
    PositiveSeconds,
    Seconds,
)
from workqueuejob.api.spec_rules import SPEC_RULES
from workqueuejob.api.template import PodTemplate
from workqueuejob.api.worker import FailurePolicy, OnExhausted, Retry, Worker, WorkerSource
from workqueuejob.contract.dead_letters import dead_key
from workqueuejob.names import GROUP


class Mode(StrEnum):
    """How many items a pod takes."""

    COARSE = "Coarse"
    FINE = "Fine"


class RunPolicy(StrEnum):
    """When a run ends."""

    UNTIL_DRAINED = "UntilDrained"
    CONTINUOUS = "Continuous"


class EmptyStart(StrEnum):
    """What a run does that finds its queue empty."""

    COMPLETE = "Complete"
    WAIT = "Wait"


class QueueSource(Model):
    """Where the items come from: one member per broker, exactly one of them set."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            rule=(
                "[has(self.rabbitmq), has(self.redis), has(self.kafka)]"
                ".filter(member, member).size() == 1"
            ),
            message="spec.queue must have exactly one member; set rabbitmq, redis or kafka",
            reason=RuleReason.REQUIRED,
        ),
        Rule(
            rule=(
                "has(self.rabbitmq) == has(oldSelf.rabbitmq)"
                " && has(self.redis) == has(oldSelf.redis)"
                " && has(self.kafka) == has(oldSelf.kafka)"
            ),
            message=(
                "the kind of spec.queue is immutable; create another WorkQueueJob for another"
                " broker"
            ),
            reason=RuleReason.FORBIDDEN,
        ),
    )

    rabbitmq: RabbitMQQueue | None = None
    """A RabbitMQ queue. Which queue it is (queue and vhost) is immutable; how to get there (host,
    credentials, TLS) may change during a run."""

    redis: RedisQueue | None = None
    """A Redis list or stream. Which one it is (key, consumer group, database) is immutable; how to
    get there (host, credentials, TLS) may change during a run."""

    kafka: KafkaQueue | None = None
    """A Kafka topic, read by a consumer group; only in mode Fine. Which ones they are (topic,
    consumerGroup, startFrom) is immutable; how to get there (bootstrapServers, SASL, TLS) may
    change during a run."""


class JobMetadata(Model):
    """What is put onto the Jobs, besides our own labels."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            rule=f"!has(self.labels) || self.labels.all(key, !key.startsWith('{GROUP}/'))",
            message=f"jobMetadata.labels must not begin with {GROUP}/; rename the label",
            field_path=".labels",
            reason=RuleReason.FORBIDDEN,
        ),
    )

    labels: Labels = Field(default_factory=dict)
    """Labels of the Jobs, such as Kueue's queue name. Those that begin with wqj.dev/ are ours and
    can't be set."""

    annotations: Annotations = Field(default_factory=dict)
    """Annotations of the Jobs."""


class WorkQueueJobSpec(Model):
    """What a user asks for."""

    rules = (*SPEC_RULES, *KAFKA_RULES)

    queue: QueueSource
    """The queue that holds the items. Exactly one member is set, and which one is immutable."""

    mode: Mode = Mode.COARSE
    """How items are shared out. Coarse: a pod settles itemsPerPod items and exits 0, so a run has
    many short pods. Fine: a pod works on one item after the other until the queue is drained, and
    exits 0, so a run has few long pods; a program of your own must do the same; with Kafka it is
    the only one. Default: Coarse. Immutable."""

    items_per_pod: PositiveCount | None = None
    """Items that one pod settles before it exits 0; our worker keeps to it, and a program of your
    own must. More saves pod starts, and, without worker, leaves more to repeat when a pod fails.
    Only in mode Coarse. Unset: 1."""

    run_policy: RunPolicy = RunPolicy.UNTIL_DRAINED
    """When the run ends. UntilDrained: once every Job has finished and the queue stayed empty for
    drainedAfterSeconds. Continuous: never; while the queue is empty there is no Job, unless
    autoscale.minParallelism keeps pods, and items that arrive get pods at once. May be changed: set
    to UntilDrained, a continuous run ends once the queue is drained. Default: UntilDrained."""

    empty_start: EmptyStart = EmptyStart.COMPLETE
    """What to do if the queue is empty at the start, with runPolicy UntilDrained. Complete: the run
    is complete, with no pod. Wait: wait for the first item. Default: Complete."""

    drained_after_seconds: Seconds = 5
    """Seconds for which the queue must stay empty, measured after the last Job has finished, before
    the run is complete or, with runPolicy Continuous, the busy period is over. Make it longer than
    the pauses of whatever fills the queue. 0: three measurements in a row. Default: 5."""

    parallelism: Parallelism = 1
    """The most pods that are active at once, over all Jobs of the run; it is what `kubectl scale`
    sets. Fewer run when there are fewer items. 0 starts no pod. Raising it takes effect at once.
    Lowering it holds for Jobs created from then on: one that runs keeps its pods, for Kubernetes
    would delete them whatever they hold. Default: 1."""

    autoscale: Autoscale | None = None
    """Run fewer pods than parallelism allows, where fewer do, or keep some although nothing is
    ready. It ends no pod that may hold an item: in mode Coarse waves are kept small, so that fewer
    run before long; in mode Fine pods stay until they find nothing more to take. Unset: as many
    pods as there are items, up to parallelism."""

    worker: Worker | None = None
    """Our worker, which takes the items, runs the container's command for each, and acknowledges an
    item once its command has exited 0. restartPolicy OnFailure can't be had with it. Unset: the
    containers talk to the broker themselves, and retry and failurePolicy can't be set. A change
    applies to Jobs created from then on."""

    retry: Retry | None = None
    """What becomes of an item whose attempt failed; it needs worker. Unset: with Redis and worker,
    the defaults of its fields; with RabbitMQ or Kafka and worker it must be set, for it says where
    items go after their last attempt. A change applies to Jobs created from then on."""

    failure_policy: FailurePolicy | None = None
    """When to give the run up because too many items were dead-lettered or discarded, with
    runPolicy Continuous in one busy period; it needs worker. Unset: never."""

    suspend: bool = False
    """true suspends the run: its Jobs are suspended, which ends their pods, and an item in work
    goes back to the queue. false starts or resumes it; what was done stays counted. Default:
    false."""

    active_deadline_seconds: PositiveSeconds | None = None
    """Seconds that the run may take, from status.startTime on; it is not passed on to Jobs. After
    that its pods are ended, with their grace period, and the run is Failed with the reason
    DeadlineExceeded; items that are left stay in the queue. A suspended run begins anew when it is
    resumed, as a Job does. Not with runPolicy Continuous. Unset: no limit."""

    ttl_seconds_after_finished: Seconds | None = None
    """Seconds after which a run that is Complete or Failed is deleted, with its Jobs and pods. Not
    with runPolicy Continuous. Unset: never."""

    backoff_limit: Count = 6
    """Failed pods that the whole run may have, not each Job. Once there are more, no new pods are
    planned, those that run finish, and the run is Failed with the reason BackoffLimitExceeded. With
    runPolicy Continuous it is for one busy period, and the run pauses instead, longer each time,
    before it tries again. With worker an item's failure fails no pod: see retry and failurePolicy.
    Default: 6."""

    pod_failure_policy: PodFailurePolicy | None = None
    """Which failed pods count towards backoffLimit, and which end the run at once, as in a Job;
    only with restartPolicy Never. A change applies to Jobs created from then on. Unset: every
    failed pod counts, but for those that were evicted."""

    successful_jobs_history_limit: Count = 3
    """Finished Jobs to keep that succeeded, the newest ones. Older ones are deleted with their pods
    and logs, once their results are in the status; it does not change any number there. Default:
    3."""

    failed_jobs_history_limit: Count = 1
    """Finished Jobs to keep that failed, the newest ones. Default: 1."""

    job_metadata: JobMetadata = JobMetadata()
    """Labels and annotations for the Jobs that the run creates. The WorkQueueJob's own are not
    copied. A change applies to Jobs created from then on."""

    template: PodTemplate
    """The pods that work on the items: a Job's pod template, with all its fields, of at most
    262,144 bytes as JSON. Larger files belong into a ConfigMap or into the image. restartPolicy is
    Never unless set to OnFailure, which can't be had with worker. A change applies to Jobs created
    from then on; running pods keep the template they have."""

    @property
    def active_deadline(self) -> timedelta | None:
        """`activeDeadlineSeconds` as a span of time; None: no limit."""
        seconds = self.active_deadline_seconds
        return None if seconds is None else timedelta(seconds=seconds)

    @property
    def items_settled_per_pod(self) -> int:
        """`itemsPerPod`, or what it means when it is unset."""
        return self.items_per_pod or 1

    @property
    def retry_or_default(self) -> Retry:
        """`retry`, or what it means when it is unset."""
        return self.retry or Retry()

    @property
    def dead_letter_name(self) -> str | None:
        """Where our worker puts items after their last attempt; None discards them."""
        retry = self.retry_or_default
        if self.worker is None or retry.on_exhausted is OnExhausted.DISCARD:
            return None
        if retry.dead_letter is not None:
            return retry.dead_letter.name
        return dead_key(self.queue.redis.key) if self.queue.redis else None

    @property
    def is_worker_injected(self) -> bool:
        """Whether the worker is brought into the pod."""
        return self.worker is not None and self.worker.source is WorkerSource.INJECTED
