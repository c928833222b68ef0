"""What a reconcile has seen: the resource, its Jobs, its queue and what stands in the way.

Values only. Jobs are read first, so open completions may be too many by then, and never too few.
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
from workqueuejob.planning.observing.failed_pods import PodFailure
from workqueuejob.planning.observing.worker_containers import RunningWorker


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
    """One wave's Job."""

    name: str
    wave: int
    completions: int
    parallelism: int
    created: datetime

    active: int = 0
    """Pods pending or running."""

    ready: int = 0
    """Of the active pods, those that run and are ready."""

    terminating: int = 0
    """Pods that are being deleted and have not ended."""

    succeeded: int = 0
    failed: int = 0
    """Failed pods, without those that the Job's failure policy ignores."""

    failed_indexes: int = 0
    """Completions that the Job's controller has given up."""

    suspended: bool = False
    state: JobState = JobState.RUNNING

    ending_since: datetime | None = None
    """When its end was decided; None while it runs."""

    failure_reason: str | None = None
    """The reason of its Failed or FailureTarget condition."""

    ended_by_us: bool = False
    """Whether the operator decided its end. Pods that fail from then on are not counted."""

    template_hash: str | None = None
    """The hash of what its pods were made from."""

    items: CountedItems | None = None
    """What its pods' workers have reported; None without a worker."""

    deleted: int = 0
    """Failed pods that are deleted, and whose reports are in `items`."""

    complaint: str | None = None
    """Why one of its workers could not go on, in the worker's words."""

    ended_by: str | None = None
    """What of the template ended one of its pods: a container probe, or the pods' deadline."""

    lacks: tuple[str, ...] | None = None
    """The features that its workers do not know; None if that is unknown."""

    failure: PodFailure | None = None
    """How one of its pods failed, in the words of the pod's status."""

    workers: tuple[RunningWorker, ...] = ()
    """Those of its pods whose workers run, as far as the watch has shown them."""

    left: int = 0
    """Active pods whose worker has exited 0, and which go on because of another container."""

    is_queued: bool = False
    """Whether Kueue suspends, resumes and resizes it; the operator doesn't then."""

    installation: str | None = None
    """The label that names the installation which made it; None for a Job of earlier versions."""

    is_warm: bool = False
    """Whether its pods wait for their first item, and so need not end while the queue is empty."""

    is_as_created: bool = False
    """Whether its spec was never changed. If it was created suspended, it never had a pod."""

    stuck: int = 0
    """Of the terminating pods, those that should have ended long ago, as on a lost node."""

    concurrency: int = 1
    """How many items each of its pods works on at once."""

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
        """Open completions that may take an item.

        A Job makes no pod in the place of a stuck one. So with a stuck pod only those completions
        count that have a pod or may get one now; other Jobs are to take the rest.
        """
        if not self.stuck:
            return self.open
        return min(self.open, max(self.active, self.share - self.stuck))

    @property
    def is_left(self) -> bool:
        """Whether it runs, and the worker of every one of its pods has exited 0."""
        is_running = self.state is JobState.RUNNING and not self.suspended
        return is_running and 0 < self.active <= self.left

    @property
    def is_quiet(self) -> bool:
        """Whether it has no pod any more but stuck ones, and gets none."""
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
    """A pod that terminates for longer than its grace period allows."""

    name: str

    job: str
    """The UID of its Job."""

    node: str
    """The name of its node; empty if it was never given one."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What one look at the cluster and the queue has shown."""

    resource: WorkQueueJob

    jobs: tuple[ObservedJob, ...]
    """The run's Jobs, oldest wave first."""

    measurement: Measurement | None
    """None until the queue was measured after the Jobs were last seen to change."""

    obstacle: WorkQueueJobError | None = None
    """An error that keeps new waves from being made, such as an invalid template."""

    pod_problem: PodProblem | None = None
    """Why pods don't start; None where nothing is known to keep them from it."""

    namespace_terminating: bool = False
    """Whether the namespace is being deleted, and waits for the run's pods."""

    stuck_pods: tuple[StuckPod, ...] = ()
    """The pods that should have ended long ago. Each Job's `stuck` is how many of them it has."""

    @property
    def depth(self) -> QueueDepth | None:
        """The queue's depth, or None while it is unknown."""
        result = self.measurement.result if self.measurement else None
        return result if isinstance(result, QueueDepth) else None

    @property
    def warm(self) -> tuple[ObservedJob, ...]:
        """The Jobs whose pods wait for items without an end, as a Continuous run lets them."""
        is_continuous = self.resource.spec.run_policy is RunPolicy.CONTINUOUS
        return tuple(job for job in self.jobs if job.is_warm and is_continuous)

    @property
    def passing(self) -> tuple[ObservedJob, ...]:
        """All other Jobs: their pods end by themselves, or are to be ended."""
        warm = self.warm
        return tuple(job for job in self.jobs if job not in warm)

    @property
    def is_passing(self) -> bool:
        """Whether a Job is unfinished that is not kept warm."""
        return any(not job.is_done for job in self.passing)

    @property
    def unfinished(self) -> tuple[ObservedJob, ...]:
        """Jobs that the run has to wait for, oldest wave first."""
        return tuple(job for job in self.jobs if not job.is_done)

    @property
    def listed(self) -> tuple[ObservedJob, ...]:
        """Jobs that are not terminal, and so stay listed in status, oldest wave first."""
        return tuple(job for job in self.jobs if not job.state.is_terminal)


def count_active(jobs: Iterable[ObservedJob]) -> int:
    """Return the number of pods pending or running."""
    return sum(job.active for job in jobs)


def count_open(jobs: Iterable[ObservedJob]) -> int:
    """Return the number of completions that still want a pod."""
    return sum(job.open for job in jobs)
