"""What a user asks for: the queue, the pods, and how a run begins and ends."""

from datetime import timedelta
from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from workqueuejob.api.autoscale import Autoscale
from workqueuejob.api.base import Model, Rule, RuleReason
from workqueuejob.api.pod_failure_policy import PodFailurePolicy
from workqueuejob.api.queue import BROKER_RULES, DEAD_LETTER_ELSEWHERE, QueueSource
from workqueuejob.api.retry import FailurePolicy, OnExhausted, Retry
from workqueuejob.api.scalars import (
    Annotations,
    ContainerName,
    Count,
    Labels,
    Parallelism,
    PositiveCount,
    PositiveSeconds,
    Seconds,
)
from workqueuejob.api.spec_rules import SPEC_RULES
from workqueuejob.api.template import PodTemplate
from workqueuejob.api.worker import WorkerSource, WorkerSpec
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


class JobMetadata(Model):
    """Labels and annotations that the operator puts onto the Jobs, beside its own labels."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            rule=f"!has(self.labels) || self.labels.all(key, !key.startsWith('{GROUP}/'))",
            message=f"jobMetadata.labels must not begin with {GROUP}/; rename the label",
            field_path=".labels",
            reason=RuleReason.FORBIDDEN,
        ),
    )

    labels: Labels = Field(default_factory=dict)
    """Labels of the Jobs, such as kueue.x-k8s.io/queue-name. Labels that begin with wqj.dev/ belong
    to the operator and can't be set."""

    annotations: Annotations = Field(default_factory=dict)
    """Annotations of the Jobs."""


class WorkQueueJobSpec(Model):
    """What you ask for."""

    rules = (*SPEC_RULES, DEAD_LETTER_ELSEWHERE, *BROKER_RULES)

    queue: QueueSource
    """The queue that holds the items. Exactly one member is set. This choice is immutable."""

    mode: Mode = Mode.COARSE
    """How pods share the items. Coarse: a pod settles itemsPerPod items and exits 0, so a run has
    many short pods. Fine: a pod works on one item after the other until the queue is drained, and
    then exits 0, so a run has few long pods. The worker does this by itself. If you set no worker,
    your program must do it. Kafka needs Fine. Default: Coarse. Immutable."""

    items_per_pod: PositiveCount | None = None
    """How many items one pod settles before it exits 0, for example 10. The worker keeps to this
    number. If you set no worker, your program must keep to it. A higher number saves pod starts.
    Without worker it also leaves more to repeat when a pod fails. Only in mode Coarse. Unset: 1."""

    run_policy: RunPolicy = RunPolicy.UNTIL_DRAINED
    """When the run ends. UntilDrained: when every Job has finished and the queue has stayed empty
    for drainedAfterSeconds. Continuous: never. While the queue is empty, a Continuous run has no
    Job, unless autoscale.minParallelism keeps pods. Items that arrive get pods at once. You may
    change the field during a run: a Continuous run that you set to UntilDrained ends when the queue
    is drained. Default: UntilDrained."""

    empty_start: EmptyStart = EmptyStart.COMPLETE
    """What the run does if the queue is empty at the start, with runPolicy UntilDrained. Complete:
    the run is complete without a pod. Wait: the run waits for the first item. Default: Complete."""

    drained_after_seconds: Seconds = 5
    """How many seconds the queue must stay empty after the last Job has finished. Then the run is
    complete or, with runPolicy Continuous, the busy period is over. Make it longer than the pauses
    of the program that fills the queue. 0: three measurements in a row are enough. Default: 5."""

    parallelism: Parallelism = 1
    """The most pods that are active at once, over all Jobs of the run, from 0 to 10000. `kubectl
    scale` sets this field. Fewer pods run when there are fewer items. 0 starts no pod. A higher
    number takes effect at once. A lower number applies to Jobs created from then on. A running Job
    keeps its pods, because Kubernetes would delete them even while they work on an item. Default:
    1."""

    autoscale: Autoscale | None = None
    """Rules for running fewer pods than parallelism allows, or for keeping some pods while the
    queue is empty. They end no pod that may hold an item. In mode Coarse the operator keeps waves
    small, so that fewer pods run soon. In mode Fine pods stay until they find nothing more to take.
    Unset: as many pods as there are items, up to parallelism."""

    container_name: ContainerName | None = None
    """Name of the only container that gets the variables of the queue, the login included, when
    worker is not set. The others, such as sidecars and init containers, then get none. Unset: all
    containers and init containers. With worker, use worker.containerName. A change applies to Jobs
    created from then on."""

    worker: WorkerSpec | None = None
    """The worker takes the items, runs the container's command once for each item, and acknowledges
    an item after its command has exited 0. restartPolicy must be Never with it. Unset: the
    containers talk to the broker themselves, and retry and failurePolicy can't be set. A change
    applies to Jobs created from then on."""

    retry: Retry | None = None
    """What happens to an item after a failed attempt. It needs worker. Unset, with Redis and
    worker: the defaults of its fields. With RabbitMQ or Kafka and worker it must be set, because it
    says where items go after their last attempt. A change applies to Jobs created from then on."""

    failure_policy: FailurePolicy | None = None
    """How many items may be dead-lettered or discarded before the run is given up. With runPolicy
    Continuous this is counted in one busy period. It needs worker. Unset: any number."""

    suspend: bool = False
    """true suspends the run: the operator suspends its Jobs, which ends their pods. A pod may
    finish its item within its grace period. Otherwise the item goes back to the queue. false starts
    or resumes the run. The counts are kept. Default: false."""

    active_deadline_seconds: PositiveSeconds | None = None
    """The most seconds that the run may take, counted from status.startTime. The operator does not
    pass it on to Jobs. After that time the run's pods are ended, with their grace period, and the
    run is Failed with the reason DeadlineExceeded. Items that are left stay in the queue. When a
    suspended run is resumed the time starts again, as it does for a Job. Not with runPolicy
    Continuous. Unset: no limit."""

    ttl_seconds_after_finished: Seconds | None = None
    """After how many seconds a run that is Complete or Failed is deleted, with its Jobs and pods.
    0: at once. Not with runPolicy Continuous. Unset: never."""

    backoff_limit: Count = 6
    """How many pods may fail in the whole run, over all of its Jobs. When more have failed, the
    operator plans no new pods, running pods finish, and the run is Failed with the reason
    BackoffLimitExceeded. With runPolicy Continuous the number applies to one busy period. The run
    then pauses instead of failing, longer each time, and tries again. With worker an item's failure
    does not fail its pod: see retry and failurePolicy. Default: 6."""

    pod_failure_policy: PodFailurePolicy | None = None
    """Which failed pods count towards backoffLimit, and which end the run at once, as in a Job.
    Only with restartPolicy Never. A change applies to Jobs created from then on. Unset: every
    failed pod counts, except evicted ones."""

    successful_jobs_history_limit: Count = 3
    """How many succeeded Jobs to keep, the newest ones. Older ones are deleted with their pods and
    logs after their results are in the status. No number in the status changes then. Default: 3."""

    failed_jobs_history_limit: Count = 1
    """How many failed Jobs to keep, the newest ones. Older ones are deleted with their pods and
    logs. Default: 1."""

    job_metadata: JobMetadata = JobMetadata()
    """Labels and annotations for the Jobs that the run creates. The operator does not copy those of
    the WorkQueueJob. A change applies to Jobs created from then on."""

    template: PodTemplate
    """The pods that work on the items: a Job's pod template with all its fields, at most 262,144
    bytes as JSON. Put larger files into a ConfigMap or into the image. restartPolicy is Never
    unless you set it to OnFailure, which worker excludes. A change applies to Jobs created from
    then on. Running pods keep the template they have."""

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
    def concurrency(self) -> int:
        """How many items a pod works on at once."""
        return (self.worker.concurrency if self.worker else None) or 1

    @property
    def retry_or_default(self) -> Retry:
        """`retry`, or what it means when it is unset."""
        return self.retry or Retry()

    @property
    def dead_letter_name(self) -> str | None:
        """The queue, key or topic for items after their last attempt; None: they are discarded."""
        retry = self.retry_or_default
        if self.worker is None or retry.on_exhausted is OnExhausted.DISCARD:
            return None
        if retry.dead_letter is not None:
            return retry.dead_letter.name
        return self.queue.source.default_dead_letter if self.queue.source else None

    @property
    def is_worker_injected(self) -> bool:
        """Whether the worker is brought into the pod."""
        return self.worker is not None and self.worker.source is WorkerSource.INJECTED
