"""What a plan may ask for: each action is one request to the API server about one Job.

An action may be carried out again after a crash: a wave's name is fixed by its number, and a change
names the version of the Job that it rests on. `CreateWave`, `RaiseParallelism` and `GrowWave` end
no pod. `SetSuspend` and `EndJob` do, by SIGTERM, and the pods may hold an item then; the rules say
when that may be. No action lowers a Job's parallelism below the pods that it has.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from workqueuejob.planning.observing.observed import JobState, ObservedJob


@dataclass(frozen=True, slots=True)
class CreateWave:
    """Create the Job of a wave."""

    wave: int
    completions: int
    parallelism: int

    is_warm: bool = False
    """Whether its pods wait for their first item."""


@dataclass(frozen=True, slots=True)
class RaiseParallelism:
    """Let a wave run more of the pods that its completions ask for."""

    job: str
    parallelism: int
    resource_version: str


@dataclass(frozen=True, slots=True)
class GrowWave:
    """Let a Fine wave run more pods: completions and parallelism grow together.

    A Job whose completions equal its parallelism may change both (KEP-3715).
    """

    job: str

    completions: int
    """The new number of both. Each pod that has succeeded, idle or not, has used one up.

    A wave of 5 of which 2 have succeeded gets 2 pods more by 7 completions.
    """

    resource_version: str


@dataclass(frozen=True, slots=True)
class SetSuspend:
    """Suspend a wave, which ends its pods by SIGTERM, or resume it."""

    job: str
    suspend: bool
    resource_version: str

    parallelism: int | None = None
    """The parallelism with which it is resumed, where that is less than before; None leaves it."""


@dataclass(frozen=True, slots=True)
class EndJob:
    """End a Job's pods and declare its success, or failure, decided."""

    job: str
    succeeded: bool
    reason: str
    message: str
    resource_version: str

    with_grace: bool = False
    """Whether pods have the template's own grace period, because they may hold items.

    In that time a worker finishes its item or gives it back. Other pods are ended in seconds.
    """


@dataclass(frozen=True, slots=True)
class DeleteJob:
    """Delete a Job that is finished or waits for its admission, or whose namespace goes."""

    job: str
    uid: str
    resource_version: str

    never_started: bool = False
    """Whether it never had a pod, so that nothing uncounted goes with it."""


def end_running_jobs(
    jobs: Iterable[ObservedJob],
    *,
    succeeded: bool,
    reason: str,
    message: str,
    with_grace: bool = False,
) -> tuple[EndJob | DeleteJob, ...]:
    """Return the actions that end those of the Jobs whose end is not decided yet.

    A Job that Kueue has not admitted is deleted once it has no pod, because the API server accepts
    no end of a Job that has not started.
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
    """Return the actions that suspend or resume the Jobs, without those that Kueue manages.

    A Job that is suspended already is not suspended again.
    """
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
