"""How a run stands, in the vocabulary of its conditions. Nothing here decides how it stands."""

from dataclasses import dataclass
from enum import StrEnum

from workqueuejob.api.status import Condition, ConditionStatus
from workqueuejob.errors import WorkQueueJobError


class ConditionType(StrEnum):
    """The conditions of a WorkQueueJob."""

    QUEUE_REACHABLE = "QueueReachable"
    PROGRESSING = "Progressing"
    COMPLETE = "Complete"
    FAILED = "Failed"
    WORKER_OUTDATED = "WorkerOutdated"


class Progress(StrEnum):
    """The reasons of `Progressing` that planning knows; obstacles bring their own."""

    WORKING = "Working"
    WAITING_FOR_ITEMS = "WaitingForItems"
    VERIFYING_DRAINED = "VerifyingDrained"
    SUSPENDED = "Suspended"
    SUSPENDED_BY_OTHERS = "SuspendedByOthers"
    QUEUE_UNAVAILABLE = "QueueUnavailable"
    WAITING_FOR_ADMISSION = "WaitingForAdmission"
    PODS_NOT_STARTING = "PodsNotStarting"
    SURPLUS_PODS_WAITING = "SurplusPodsWaiting"
    ITEMS_ABANDONED = "ItemsAbandoned"
    NO_PROGRESS = "NoProgress"
    BACKOFF_LIMIT_EXCEEDED = "BackoffLimitExceeded"
    POD_FAILURE_POLICY = "PodFailurePolicy"
    DEAD_LETTER_TARGET_MISSING = "DeadLetterTargetMissing"
    COMPLETE = "Complete"
    FAILED = "Failed"


# Reasons for which an operator ends Jobs. Users find them in the Jobs' conditions.
QUEUE_DRAINED = "QueueDrained"
WARM_PODS_NOT_NEEDED = "WarmPodsNotNeeded"
TEMPLATE_CHANGED = "TemplateChanged"
PODS_STUCK = "PodsStuck"
WORKERS_ENDED = "WorkersEnded"
RUN_FAILED = "RunBackoffLimitExceeded"
RUN_FAILED_BY_POLICY = "RunPodFailurePolicy"
RUN_SUSPENDED = "RunSuspended"
RUN_DEADLINE = "RunDeadlineExceeded"
TOO_MANY_DEAD_LETTERED = "TooManyDeadLettered"
NAMESPACE_TERMINATING = "NamespaceTerminating"

END_REASONS = frozenset(
    {
        QUEUE_DRAINED,
        WARM_PODS_NOT_NEEDED,
        TEMPLATE_CHANGED,
        PODS_STUCK,
        WORKERS_ENDED,
        RUN_FAILED,
        RUN_FAILED_BY_POLICY,
        RUN_DEADLINE,
        RUN_SUSPENDED,
        TOO_MANY_DEAD_LETTERED,
        NAMESPACE_TERMINATING,
    }
)
"""All of them. Pods that fail because their Job was ended for one of them are not counted."""

_PROGRESSING = frozenset({Progress.WORKING, Progress.WAITING_FOR_ITEMS, Progress.VERIFYING_DRAINED})


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the run stands."""

    progress: str
    """The reason of `Progressing`."""

    message: str

    end_reason: str | None = None
    """The reason of `Complete` or `Failed`, when `progress` is one of them."""

    @property
    def is_progressing(self) -> bool:
        """Whether the run goes on by itself, with nothing for a person to do."""
        return self.progress in _PROGRESSING

    @property
    def is_end(self) -> bool:
        """Whether the run is over, and stays so."""
        return self.progress in {Progress.COMPLETE, Progress.FAILED}

    @classmethod
    def of_end(cls, condition: Condition) -> "Verdict":
        """Return the verdict that a true `Complete` or `Failed` condition records."""
        return cls(condition.type, condition.message, condition.reason)

    @classmethod
    def of_obstacle(cls, obstacle: WorkQueueJobError) -> "Verdict":
        """Return the verdict that no Job can be made, in the words of the error."""
        return cls(obstacle.reason, str(obstacle))


def find_condition(
    conditions: tuple[Condition, ...], condition_type: ConditionType
) -> Condition | None:
    """Return the condition of a type, or None."""
    return next((c for c in conditions if c.type == condition_type), None)


def find_end(conditions: tuple[Condition, ...]) -> Condition | None:
    """Return the condition that ended the run, or None."""
    for condition_type in (ConditionType.COMPLETE, ConditionType.FAILED):
        condition = find_condition(conditions, condition_type)
        if condition is not None and condition.status is ConditionStatus.TRUE:
            return condition
    return None
