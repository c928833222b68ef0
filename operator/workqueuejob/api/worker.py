"""How our worker runs a container's command: one item after the other, retried, then set aside."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field, WithJsonSchema

from workqueuejob.api.base import Model, Rule, RuleReason
from workqueuejob.api.scalars import INT32_MAX, Count, PositiveSeconds

DELAY_MAX_SECONDS = 86_400

MaxAttempts = Annotated[int, Field(ge=1, le=100)]
DelaySeconds = Annotated[int, Field(ge=0, le=DELAY_MAX_SECONDS)]
VariableName = Annotated[
    str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
]
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


class WorkerSource(StrEnum):
    """Where the worker in the container comes from."""

    INJECTED = "Injected"
    IMAGE = "Image"


class DeliveryType(StrEnum):
    """How a command gets its item."""

    STDIN = "Stdin"
    ARGUMENT = "Argument"
    ENVIRONMENT = "Environment"
    FILE = "File"


class OnExhausted(StrEnum):
    """What becomes of an item after its last attempt."""

    DEAD_LETTER = "DeadLetter"
    DISCARD = "Discard"


class Delivery(Model):
    """How the container's command gets an item."""

    # The default is filled in before a rule is looked at, so it can't be told from one's own word.
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            rule="self.type == 'Environment' || self.variable == 'ITEM'",
            message=(
                "variable must not be set unless type is Environment; remove it, or set type to"
                " Environment"
            ),
            field_path=".variable",
            reason=RuleReason.FORBIDDEN,
        ),
    )

    type: DeliveryType = DeliveryType.STDIN
    """Stdin: on standard input. Argument: as the last argument. Environment: in the environment
    variable that variable names. File: in a file, whose path is the last argument and stands in
    the environment variable ITEM_FILE; it needs a writable /tmp or TMPDIR. Linux limits an argument
    and a variable to 128 KiB, and neither can hold a NUL byte. Default: Stdin."""

    variable: VariableName = "ITEM"
    """Name of the environment variable that holds the item; only with the type Environment.
    Default: ITEM."""


class Worker(Model):
    """Our worker between the queue and the container's command."""

    source: WorkerSource
    """Injected: the worker is brought into the pod by an init container and runs the container's
    command once per item; the image stays as it is, whatever is in it. Image: the image brings the
    worker, as wqj-worker run with the command behind it, or as a program that uses the Python
    library."""

    container_name: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """Name of the container that works on the items. Unset: the only one; it must be set when the
    template has several."""

    delivery: Delivery = Delivery()
    """How the command gets an item. Beside it every command finds ITEM_ID, ITEM_ATTEMPT (from 1)
    and ITEM_REDELIVERED (true or false) in its environment. It has no bearing on a program that
    uses the Python library. Unset: on standard input."""

    prefix_output: bool = False
    """true puts the item's id before each line that the command prints. It has no bearing on a
    program that uses the Python library. Default: false."""

    item_timeout_seconds: PositiveSeconds | None = None
    """The most seconds that an attempt may take; then the command and all that it started are
    ended, and the attempt has failed. It has no bearing on a program that uses the Python library.
    Unset: no limit, for the worker renews its hold on an item for as long as the command runs."""


class DeadLetter(Model):
    """Where items go after their last attempt."""

    name: Annotated[str, Field(min_length=1, max_length=512)]
    """Name of the RabbitMQ queue, in the same virtual host and of at most 255 bytes; it must exist.
    Or key in the same Redis database, of a list if the items come from a list, and of a stream if
    they come from a stream; it is created with the first item. Or name of a topic of the same
    Kafka cluster, which must exist. It can't be the queue, list, stream or topic that the items
    come from."""


class Retry(Model):
    """What becomes of an item whose attempt failed."""

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
    )

    max_attempts: MaxAttempts = 3
    """How often an item is tried, the first time included. An attempt whose worker was killed
    counts too; one that was given back because the pod had to stop does not. Default: 3."""

    initial_delay_seconds: DelaySeconds = 1
    """Seconds between the first attempt and the second; the delay doubles with each further one, up
    to maxDelaySeconds. 0: no delay at all. At most a day. Default: 1."""

    max_delay_seconds: DelaySeconds = 300
    """The longest delay between two attempts, in seconds; at most a day. Default: 300."""

    on_exhausted: OnExhausted = OnExhausted.DEAD_LETTER
    """What becomes of an item after its last attempt. DeadLetter: it goes to deadLetter, with the
    reason, the number of attempts, the time and the pod. Discard: it is dropped, and counted in
    status.items.discarded. Default: DeadLetter."""

    dead_letter: DeadLetter | None = None
    """Where items go after their last attempt. For RabbitMQ and Kafka it must be set, unless
    onExhausted is Discard. Unset for Redis: a key beside that of the items, {job2}:dead for the
    key job2, and {app}:jobs:dead for a key that has braces, such as {app}:jobs."""


class FailurePolicy(Model):
    """When so much has failed that the run should not go on."""

    max_dead_lettered: PercentOrCount
    """The most items of this run that may be dead-lettered or discarded: a number such as 10, or a
    percentage of the items settled so far, such as 5%. 0 allows none. Beyond it no new work is
    started, workers finish or give back the item in hand, what is left stays in the queue, and the
    run is Failed with the reason TooManyDeadLettered."""

    min_settled_items: Count = 20
    """Items that must be settled (succeeded, dead-lettered or discarded) before a percentage is
    looked at, so that the first bad item does not end the run. It has no bearing on a number.
    Default: 20."""

    def allows(self, *, dead_lettered: int, settled: int) -> bool:
        """Return whether a run with these numbers may go on."""
        limit = self.max_dead_lettered
        if isinstance(limit, int):
            return dead_lettered <= limit
        percent = int(limit.removesuffix("%"))
        return settled < self.min_settled_items or dead_lettered * 100 <= percent * settled
