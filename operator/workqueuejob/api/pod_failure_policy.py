"""What becomes of a failed pod, as in a Job: which failures count, and which end the run."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from workqueuejob.api.base import Model, Rule, RuleReason, atomic_list
from workqueuejob.api.scalars import INT32_MAX

_RULES_OF_A_JOB = 20
_RULES_OF_OURS = 2

ExitCode = Annotated[int, Field(ge=-INT32_MAX - 1, le=INT32_MAX, description="An exit code.")]


class FailureAction(StrEnum):
    """What a rule does."""

    FAIL_JOB = "FailJob"
    FAIL_INDEX = "FailIndex"
    IGNORE = "Ignore"
    COUNT = "Count"


class ExitCodeOperator(StrEnum):
    """How exit codes are compared."""

    IN = "In"
    NOT_IN = "NotIn"


class ConditionMatch(StrEnum):
    """The status that a condition must have."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class OnExitCodes(Model):
    """Matches the exit codes of containers."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            rule="self.operator != 'In' || !(0 in self.values)",
            message="values must not hold 0 with operator In, for it is no failure; remove 0",
            field_path=".values",
        ),
        Rule(
            rule="self.values.isSorted()",
            message="values must be in ascending order; sort them",
            field_path=".values",
        ),
    )

    container_name: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """Name of the container whose exit code is compared. It may be an init container. Unset: any
    container."""

    operator: ExitCodeOperator
    """In: the exit code is one of values. NotIn: the exit code is neither 0 nor one of values."""

    values: Annotated[
        tuple[ExitCode, ...],
        Field(min_length=1, max_length=255, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ]
    """1 to 255 exit codes in ascending order, each once."""


class OnPodCondition(Model):
    """Matches a condition of the pod."""

    type: Annotated[str, Field(min_length=1, max_length=317)]
    """The condition's type, such as DisruptionTarget."""

    status: ConditionMatch = ConditionMatch.TRUE
    """The condition's status. Default: True."""


class PodFailureRule(Model):
    """What to do about a failed pod that matches. The first rule that matches decides."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            rule="has(self.onExitCodes) != has(self.onPodConditions)",
            message=(
                "each of rules must match by exactly one of onExitCodes and onPodConditions; set"
                " one"
            ),
            reason=RuleReason.REQUIRED,
        ),
    )

    action: FailureAction
    """FailJob: the other pods of the Job are ended, and the run is Failed with the reason
    PodFailurePolicy. FailIndex: the pod is not replaced, and another wave gets its remaining items.
    Ignore: the pod is replaced and does not count towards backoffLimit. Count: the pod counts
    towards backoffLimit, as it does without a rule."""

    on_exit_codes: OnExitCodes | None = None
    """Match by exit code. With worker, this is the exit code of the worker and not of the
    command."""

    on_pod_conditions: (
        Annotated[
            tuple[OnPodCondition, ...],
            Field(min_length=1, max_length=20, json_schema_extra=atomic_list()),
        ]
        | None
    ) = None
    """Match by a condition of the pod. One matching condition is enough."""


class PodFailurePolicy(Model):
    """Rules for failed pods."""

    # `rules` itself is taken by what the API server checks of a model.
    failure_rules: Annotated[
        tuple[PodFailureRule, ...],
        Field(
            alias="rules",
            min_length=1,
            max_length=_RULES_OF_A_JOB - _RULES_OF_OURS,
            json_schema_extra=atomic_list(),
        ),
    ]
    """1 to 18 rules, which are asked in this order. The operator's own two rules come first: an
    evicted pod is ignored, and so is a worker that gave its item back."""
