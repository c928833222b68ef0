"""What a plan may ask for. Each action is idempotent, and none ends a pod that holds an item."""

from dataclasses import dataclass
from typing import TypeAlias

QUEUE_DRAINED = "QueueDrained"
TEMPLATE_CHANGED = "TemplateChanged"
BACKOFF_LIMIT_EXCEEDED = "BackoffLimitExceeded"

END_REASONS = frozenset({QUEUE_DRAINED, TEMPLATE_CHANGED})
"""The reasons for which we end a Job that nothing was wrong with. What fails because of that is
not counted; `BackoffLimitExceeded` is Kubernetes' own word too, and its failures count."""


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
    """Declare that a Job's success, or failure, is decided; its controller ends what is left."""

    job: str
    succeeded: bool
    reason: str
    message: str
    resource_version: str


@dataclass(frozen=True, slots=True)
class EndPods:
    """Delete the pods of a Job that is ending, for they ignore SIGTERM and hold nothing."""

    job: str
    grace_period_seconds: int


Action: TypeAlias = CreateWave | RaiseParallelism | SetSuspend | EndJob | EndPods
