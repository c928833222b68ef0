"""What happens to items that fail, and how many of them may fail for good."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field, WithJsonSchema

from workqueuejob.api.base import Model, Rule, RuleReason
from workqueuejob.api.scalars import INT32_MAX, Count
from workqueuejob.contract import exit_codes
from workqueuejob.contract.retry import DELAY_MAX_SECONDS

_TAKEN_EXIT_CODES = sorted({exit_codes.STOPPED_EARLY, exit_codes.KILLED, exit_codes.TERMINATED})
MaxAttempts = Annotated[int, Field(ge=1, le=100)]
CommandExitCode = Annotated[int, Field(ge=0, le=255, description="An exit code from 1 to 255.")]
DelaySeconds = Annotated[int, Field(ge=0, le=DELAY_MAX_SECONDS)]
_PERCENT = r"^(100|[1-9]?[0-9])%$"
PercentOrCount = Annotated[
    Annotated[Count, Field(strict=True)] | Annotated[str, Field(pattern=_PERCENT)],
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "minimum": 0,
            "maximum": INT32_MAX,
            "maxLength": 4,
            "pattern": _PERCENT,
        }
    ),
]


class OnExhausted(StrEnum):
    """What becomes of an item after its last attempt."""

    DEAD_LETTER = "DeadLetter"
    DISCARD = "Discard"


class DeadLetter(Model):
    """Where items go after their last attempt."""

    name: Annotated[str, Field(min_length=1, max_length=512)]
    """RabbitMQ: name of a queue in the same virtual host, at most 255 bytes; it must exist. Redis:
    key in the same database; it is a list if the items come from a list, and a stream if they come
    from a stream; the first dead letter creates it. Kafka: name of a topic in the same cluster; it
    must exist. It can't be the queue, list, stream or topic that the items come from."""


class Retry(Model):
    """What happens to an item after a failed attempt."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            rule="self.onExhausted != 'Discard' || !has(self.deadLetter)",
            message=("deadLetter must not be set with onExhausted Discard; remove one of the two"),
            field_path=".deadLetter",
            reason=RuleReason.FORBIDDEN,
        ),
        Rule(
            rule="self.initialDelaySeconds <= self.maxDelaySeconds",
            message=(
                "initialDelaySeconds (1 if unset) must not be more than maxDelaySeconds (300 if"
                " unset); lower the one or raise the other"
            ),
            field_path=".initialDelaySeconds",
        ),
        Rule(
            rule="!has(self.permanentExitCodes) || !(0 in self.permanentExitCodes)",
            message="permanentExitCodes must not hold 0, by which an item is done; remove 0",
            field_path=".permanentExitCodes",
        ),
        Rule(
            rule=(
                "!has(self.permanentExitCodes)"
                f" || !self.permanentExitCodes.exists(c, c in {_TAKEN_EXIT_CODES})"
            ),
            message=(
                "permanentExitCodes must not hold 75 (try again), 137 or 143 (killed, stopped),"
                " because such a command was not refused by its item; remove them"
            ),
            field_path=".permanentExitCodes",
        ),
    )

    max_attempts: MaxAttempts = 3
    """How many attempts of an item may fail, the first one included, from 1 to 100. An attempt that
    was given back because the pod had to stop does not count, and one whose worker was killed
    counts in maxLostAttempts. Default: 3."""

    max_lost_attempts: MaxAttempts | None = None
    """How many attempts of an item may be lost, from 1 to 100: its pod was killed, for example
    because memory was short or with its node, or its worker lost its hold on the item. Such
    attempts do not count in maxAttempts. After so many the item is put aside, as after its last
    failed attempt. A lower number ends an item sooner that kills its pods. A higher one is for long
    items on nodes that often go away. Unset: 10."""

    permanent_exit_codes: (
        Annotated[
            tuple[CommandExitCode, ...],
            Field(min_length=1, max_length=64, json_schema_extra={"x-kubernetes-list-type": "set"}),
        ]
        | None
    ) = None
    """Exit codes of the command after which its item is not tried again, each once, from 1 to 255:
    for example 65, which a program may use for data that is wrong. The item is put aside at once,
    as after its last attempt. Not 75 (try again later), 137 and 143 (killed, stopped). It has no
    effect on a program that uses the Python library, which says item.fail(reason, retry=False).
    Unset: none."""

    initial_delay_seconds: DelaySeconds = 1
    """Seconds between the first attempt and the second, from 0 to 86400. The delay doubles with
    each further attempt, up to maxDelaySeconds: 1, 2, 4 and so on. 0: no delay. Default: 1."""

    max_delay_seconds: DelaySeconds = 300
    """The longest delay between two attempts in seconds, from 0 to 86400. Default: 300."""

    on_exhausted: OnExhausted = OnExhausted.DEAD_LETTER
    """What happens to an item after its last attempt. DeadLetter: the item goes to deadLetter, with
    the reason, the number of attempts, the time and the pod. Discard: the item is dropped and
    counted in status.items.discarded. Default: DeadLetter."""

    dead_letter: DeadLetter | None = None
    """Where items go after their last attempt. For RabbitMQ and Kafka it must be set, unless
    onExhausted is Discard. Unset for Redis: a key beside that of the items: {job2}:dead for the key
    job2, and {app}:jobs:dead for a key with braces such as {app}:jobs."""


class FailurePolicy(Model):
    """How many items may fail for good before the run is given up."""

    max_dead_lettered: PercentOrCount
    """The most items of this run that may be dead-lettered or discarded: a number such as 10, or a
    percentage of the items settled so far, such as 5%. 0 allows none. When there are more, no new
    work is started, workers finish or give back the item in hand, and the run is Failed with the
    reason TooManyDeadLettered. Items that are left stay in the queue."""

    min_settled_items: Count = 20
    """How many items must be settled (succeeded, dead-lettered or discarded) before a percentage is
    checked, so that the first bad item does not end the run. A plain number is checked from the
    first item on. Default: 20."""

    def allows(self, *, dead_lettered: int, settled: int) -> bool:
        """Return whether a run with these numbers may go on."""
        limit = self.max_dead_lettered
        if isinstance(limit, int):
            return dead_lettered <= limit
        percent = int(limit.removesuffix("%"))
        return settled < self.min_settled_items or dead_lettered * 100 <= percent * settled
