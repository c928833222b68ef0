"""What a reconcile has seen: the resource, its Jobs, its queue and what stands in the way.

Values only. Jobs are read before the queue, so a Job's open completions may be stale and high,
never low: that is the side on which no pod too many is made.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from workqueuejob.api import WorkQueueJob
from workqueuejob.api.spec import RunPolicy
from workqueuejob.api.status import CountedItems
from workqueuejob.brokers.depth import Measurement, QueueDepth
from workqueuejob.errors import WorkQueueJobError


class JobState(Enum):
    """How far a Job's controller has come with it."""

    RUNNING = auto()
    ENDING = auto()
    """Its end is decided (SuccessCriteriaMet or FailureTarget) and its pods are being ended."""
    COMPLETE = auto()
    FAILED = auto()

    @property
    def is_terminal(self) -> bool:
        """Whether no pod of the Job runs any more, nor ever will."""
        return self in {JobState.COMPLETE, JobState.FAILED}


@dataclass(frozen=True, slots=True)
class ObservedJob:
    """One wave's Job.

    active: pods pending or running; ready: of these, the running ones that are ready.
    failed: failed pods, without those that our failure policy ignores.
    failed_indexes: completions that the Job's controller has given up.
    ending_since: when its end was decided; None while it runs.
    is_warm: its pods wait for their first item, and so need not end while the queue is empty.
    failure_reason: the reason of its Failed or FailureTarget condition.
    ended_by_us: its end was our decision, so pods that failed from then on are nobody's failure.
    template_hash: of what its pods were made from.
    items: what its pods' workers have reported; None without a worker.
    is_queued: Kueue suspends, resumes and resizes it, and nobody else.
    is_as_created: nobody has changed its spec, so one that was created suspended never had a pod.
    stuck: of the terminating pods, those that should have ended long ago, as on a lost node.
    uid: of the Job, to delete this very one.
    complaint: why a worker of it could not go on, in its own words.
    ended_by: what of the template ended a pod of it: a probe, or the pods' deadline.
    """

    name: str
    wave: int
    completions: int
    parallelism: int
    created: datetime
    active: int = 0
    ready: int = 0
    terminating: int = 0
    succeeded: int = 0
    failed: int = 0
    failed_indexes: int = 0
    suspended: bool = False
    state: JobState = JobState.RUNNING
    ending_since: datetime | None = None
    failure_reason: str | None = None
    ended_by_us: bool = False
    template_hash: str | None = None
    items: CountedItems | None = None
    complaint: str | None = None
    ended_by: str | None = None
    is_queued: bool = False
    is_warm: bool = False
    is_as_created: bool = False
    stuck: int = 0
    uid: str = ""
    resource_version: str = ""

    @property
    def open(self) -> int:
        """Completions that still want a pod, now or later."""
        if self.state is not JobState.RUNNING:
            return 0
        return max(0, self.completions - self.succeeded - self.failed_indexes)

    @property
    def share(self) -> int:
        """How many pods the Job may have at once, by its own numbers."""
        return min(self.parallelism, self.open)

    @property
    def available(self) -> int:
        """Open completions that may take an item; with a stuck pod, no more than pods at once.

        Its Job makes no pod in the place of a stuck one, so others are to take what it leaves.
        """
        if not self.stuck:
            return self.open
        return min(self.open, max(self.active, self.share - self.stuck))

    @property
    def is_quiet(self) -> bool:
        """Whether no pod of it is there that may end by itself."""
        return self.is_done and self.terminating <= self.stuck

    @property
    def is_done(self) -> bool:
        """Whether it is over, or will be as soon as its stuck pods are gone."""
        if self.state is JobState.ENDING and not self.active:
            return 0 < self.terminating <= self.stuck
        return self.state.is_terminal


@dataclass(frozen=True, slots=True)
class PodProblem:
    """Why pods that exist don't start, in the words of the scheduler or the kubelet."""

    reason: str
    message: str
    pods: int


@dataclass(frozen=True, slots=True)
class StuckPod:
    """A pod that terminates for longer than its grace period allows.

    job: the UID of its Job.
    node: where it runs or ran; empty if it was never given one.
    """

    name: str
    job: str
    node: str


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that `plan` and `build_status` may look at.

    measurement: None until the queue was measured after the Jobs were last seen to change.
    obstacle: an error that keeps new waves from being made, such as an invalid template.
    namespace_terminating: the namespace is being deleted, and waits for our pods.
    stuck_pods: those that should have ended long ago; the Jobs know how many of them are theirs.
    """

    resource: WorkQueueJob
    jobs: tuple[ObservedJob, ...]
    measurement: Measurement | None
    obstacle: WorkQueueJobError | None = None
    pod_problem: PodProblem | None = None
    namespace_terminating: bool = False
    stuck_pods: tuple[StuckPod, ...] = ()

    @property
    def depth(self) -> QueueDepth | None:
        """The queue's depth, or None while it is unknown."""
        result = self.measurement.result if self.measurement else None
        return result if isinstance(result, QueueDepth) else None

    @property
    def warm(self) -> tuple[ObservedJob, ...]:
        """The Jobs whose pods may wait for ever, as a Continuous run lets them."""
        is_continuous = self.resource.spec.run_policy is RunPolicy.CONTINUOUS
        return tuple(job for job in self.jobs if job.is_warm and is_continuous)

    @property
    def passing(self) -> tuple[ObservedJob, ...]:
        """The Jobs whose pods end by themselves, or are to be ended: all others."""
        warm = self.warm
        return tuple(job for job in self.jobs if job not in warm)

    @property
    def is_passing(self) -> bool:
        """Whether a Job is unfinished whose pods end by themselves."""
        return any(not job.is_done for job in self.passing)

    @property
    def unfinished(self) -> tuple[ObservedJob, ...]:
        """Jobs that the run has to wait for, oldest wave first."""
        return tuple(job for job in self.jobs if not job.is_done)

    @property
    def listed(self) -> tuple[ObservedJob, ...]:
        """Jobs that are not terminal, and so may have more to tell, oldest wave first."""
        return tuple(job for job in self.jobs if not job.state.is_terminal)


def count_active(jobs: Iterable[ObservedJob]) -> int:
    """Return the number of pods pending or running."""
    return sum(job.active for job in jobs)


def count_open(jobs: Iterable[ObservedJob]) -> int:
    """Return the number of completions that still want a pod."""
    return sum(job.open for job in jobs)
