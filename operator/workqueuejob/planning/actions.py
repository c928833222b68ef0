"""What a plan may ask for. Each action is idempotent, and none ends a pod that holds an item."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from workqueuejob.planning.observing.observed import JobState, ObservedJob


@dataclass(frozen=True, slots=True)
class CreateWave:
    """Create the Job of a wave.

    is_warm: its pods wait for their first item.
    """

    wave: int
    completions: int
    parallelism: int
    is_warm: bool = False


@dataclass(frozen=True, slots=True)
class RaiseParallelism:
    """Let a wave run more of the pods that its completions want."""

    job: str
    parallelism: int
    resource_version: str


@dataclass(frozen=True, slots=True)
class GrowWave:
    """Let a Fine wave run more pods: completions and parallelism grow together.

    A Job whose completions equal its parallelism may change both (KEP-3715); an idle worker's exit
    uses its index up, so completions count what has succeeded too.
    """

    job: str
    completions: int
    resource_version: str


@dataclass(frozen=True, slots=True)
class SetSuspend:
    """Suspend a wave, which ends its pods through SIGTERM, or resume it.

    parallelism: with which it is resumed, where that is less than before; None leaves it.
    """

    job: str
    suspend: bool
    resource_version: str
    parallelism: int | None = None


@dataclass(frozen=True, slots=True)
class EndJob:
    """End a Job's pods and declare its success, or failure, decided.

    with_grace: its pods may hold items, so they get the template's own grace period to finish
        them or give them back; other pods hold nothing, and are ended in seconds.
    """

    job: str
    succeeded: bool
    reason: str
    message: str
    resource_version: str
    with_grace: bool = False


@dataclass(frozen=True, slots=True)
class DeleteJob:
    """Delete a Job that has no pod at work, or whose namespace is being deleted.

    One without a pod is finished, or waits for its admission.

    never_started: it has had no pod, so nothing that one did goes with it.
    """

    job: str
    uid: str
    resource_version: str
    never_started: bool = False


def end_running_jobs(
    jobs: Iterable[ObservedJob],
    *,
    succeeded: bool,
    reason: str,
    message: str,
    with_grace: bool = False,
) -> tuple[EndJob | DeleteJob, ...]:
    """Return what ends those of the Jobs whose end is not decided yet.

    One that Kueue has not admitted is deleted once it has no pod: the API server takes no end of a
    Job that has not started.
    """
    running = [job for job in jobs if job.state is JobState.RUNNING]
    waiting = [job for job in running if job.is_queued and job.suspended]
    return (
        *(
            EndJob(
                job.name,
                succeeded=succeeded,
                reason=reason,
                message=message,
                resource_version=job.resource_version,
                with_grace=with_grace,
            )
            for job in running
            if job not in waiting
        ),
        *(
            DeleteJob(
                job.name,
                uid=job.uid,
                resource_version=job.resource_version,
                never_started=job.is_as_created,
            )
            for job in waiting
            if not job.active and job.terminating <= job.stuck
        ),
    )


def change_suspend(jobs: Iterable[ObservedJob], *, suspend: bool) -> tuple[SetSuspend, ...]:
    """Return what suspends or resumes those of the Jobs that are not so yet, but for Kueue's."""
    return tuple(
        SetSuspend(job.name, suspend=suspend, resource_version=job.resource_version)
        for job in jobs
        if job.suspended is not suspend and not job.is_queued
    )


def list_never_started(actions: Iterable["Action"]) -> frozenset[str]:
    """Return the names of the Jobs that the actions delete before they had a pod."""
    return frozenset(
        action.job for action in actions if isinstance(action, DeleteJob) and action.never_started
    )


Change: TypeAlias = RaiseParallelism | GrowWave | SetSuspend | EndJob | DeleteJob
"""What is done to a Job that exists."""

Action: TypeAlias = CreateWave | Change
