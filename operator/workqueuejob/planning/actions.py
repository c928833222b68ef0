"""What a plan may ask for. Each action is idempotent, and none ends a pod that holds an item."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from workqueuejob.planning.observed import JobState, ObservedJob

QUEUE_DRAINED = "QueueDrained"
TEMPLATE_CHANGED = "TemplateChanged"
RUN_FAILED = "RunBackoffLimitExceeded"

NAMESPACE_TERMINATING = "NamespaceTerminating"

END_REASONS = frozenset({QUEUE_DRAINED, TEMPLATE_CHANGED, RUN_FAILED, NAMESPACE_TERMINATING})
"""The reasons for which we end a Job; pods that fail because of that are not counted."""


@dataclass(frozen=True, slots=True)
class CreateWave:
    """Create the Job of a wave."""

    wave: int
    completions: int
    parallelism: int


@dataclass(frozen=True, slots=True)
class RaiseParallelism:
    """Let a wave run more pods; parallelism is never lowered."""

    job: str
    parallelism: int
    resource_version: str


@dataclass(frozen=True, slots=True)
class SetSuspend:
    """Suspend a wave, which ends its pods through SIGTERM, or resume it."""

    job: str
    suspend: bool
    resource_version: str


@dataclass(frozen=True, slots=True)
class EndJob:
    """End a Job's pods, which hold nothing, and declare its success, or failure, decided."""

    job: str
    succeeded: bool
    reason: str
    message: str
    resource_version: str


def end_running_jobs(
    jobs: Iterable[ObservedJob], *, succeeded: bool, reason: str, message: str
) -> tuple[EndJob, ...]:
    """Return what ends those of the Jobs whose end is not decided yet."""
    return tuple(
        EndJob(
            job.name,
            succeeded=succeeded,
            reason=reason,
            message=message,
            resource_version=job.resource_version,
        )
        for job in jobs
        if job.state is JobState.RUNNING
    )


Action: TypeAlias = CreateWave | RaiseParallelism | SetSuspend | EndJob
