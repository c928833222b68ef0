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
    """The container whose exit code is meant, an init container among them. Unset: any."""

    operator: ExitCodeOperator
    """In: the exit code is one of values. NotIn: it is not 0 and none of values."""

    values: Annotated[
        tuple[ExitCode, ...],
        Field(min_length=1, max_length=255, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ]
    """Exit codes, in ascending order, each once."""


class OnPodCondition(Model):
    """Matches a condition of the pod."""

    type: Annotated[str, Field(min_length=1, max_length=317)]
    """The condition's type, such as DisruptionTarget."""

    status: ConditionMatch = ConditionMatch.TRUE
    """The condition's status. Default: True."""


class PodFailureRule(Model):
    """What to do about a failed pod that matches; the first rule that does decides."""

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
    """FailJob: its Job's other pods are ended, and the run is Failed with the reason
    PodFailurePolicy. FailIndex: the pod is not replaced; what is left of its items gets another
    wave. Ignore: it is replaced, and not counted towards backoffLimit. Count: it is counted, as
    without a rule."""

    on_exit_codes: OnExitCodes | None = None
    """Match by exit code. With worker it is the worker's own that counts, not the command's."""

    on_pod_conditions: (
        Annotated[
            tuple[OnPodCondition, ...],
            Field(min_length=1, max_length=20, json_schema_extra=atomic_list()),
        ]
        | None
    ) = None
    """Match by a condition of the pod; any one of them suffices."""


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
    """The rules, in the order in which they are asked, after the operator's own: evicted pods are
    ignored, and so is a worker that gave its item back."""
