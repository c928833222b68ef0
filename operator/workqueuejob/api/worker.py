"""How the worker hands items to a container's command, and what happens to items that fail."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field, WithJsonSchema

from workqueuejob.api.base import Model, Rule, RuleReason
from workqueuejob.api.scalars import INT32_MAX, ContainerName, Count, PositiveSeconds
from workqueuejob.contract import exit_codes
from workqueuejob.contract.report import HELD_MAX
from workqueuejob.contract.retry import DELAY_MAX_SECONDS

_TAKEN_EXIT_CODES = sorted({exit_codes.STOPPED_EARLY, exit_codes.KILLED, exit_codes.TERMINATED})

Concurrency = Annotated[int, Field(ge=1, le=HELD_MAX)]
MaxAttempts = Annotated[int, Field(ge=1, le=100)]
CommandExitCode = Annotated[int, Field(ge=0, le=255, description="An exit code from 1 to 255.")]
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


class CommandDelivery(Model):
    """How the container's command gets an item."""

    # The API server fills in the default before it checks a rule: an explicit ITEM looks the same.
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
    """How the command gets the item. Stdin: on standard input. Argument: as the last argument.
    Environment: in the environment variable that variable names. File: in a file; its path is the
    last argument and also in the environment variable ITEM_FILE. File needs a writable /tmp or
    TMPDIR. Linux limits an argument and a variable to 128 KiB, and neither can hold a NUL byte.
    Default: Stdin."""

    variable: VariableName = "ITEM"
    """Name of the environment variable that holds the item. Only with type Environment. Default:
    ITEM."""

    envelope_file: bool | None = None
    """true also gives the command a file of JSON with all that the broker keeps of the item besides
    the body: headers, key and the broker's own properties. Its path is in the environment variable
    ITEM_ENVELOPE_FILE. ITEM_HEADERS has only headers, of at most 32768 bytes. It needs a writable
    /tmp or TMPDIR. Unset: no such file."""


class WorkerSpec(Model):
    """The program between the queue and the container's command."""

    source: WorkerSource
    """Injected: an init container brings the worker into the pod, and the worker runs the
    container's command once for each item. The image stays as it is, whatever it contains. Image:
    the image contains the worker. It runs wqj-worker run with the command behind it, or a program
    that uses the Python library."""

    container_name: ContainerName | None = None
    """Name of the container that works on the items. It must be set when the template has several
    containers. Unset: the only container."""

    delivery: CommandDelivery = CommandDelivery()
    """How the command gets an item. Every command also finds ITEM_ID, ITEM_ATTEMPT (from 1),
    ITEM_REDELIVERED and ITEM_TOMBSTONE (true or false) and ITEM_HEADERS (JSON) in its environment,
    and what else the broker knows: ITEM_KEY, ITEM_CONTENT_TYPE, ITEM_ENQUEUED_TIME, TRACEPARENT and
    TRACESTATE. It has no effect on a program that uses the Python library. Unset: on standard
    input."""

    prefix_output: bool = False
    """true puts the item's id before each line that the command prints. It has no effect on a
    program that uses the Python library. Default: false."""

    item_timeout_seconds: PositiveSeconds | None = None
    """The most seconds that an attempt may take. After that time the worker ends the command and
    all processes that it started, and the attempt has failed. In the Python library the work is
    interrupted, and the process exits if that does not end the work. Unset: no limit, because the worker renews its hold on the item while the command runs."""

    concurrency: Concurrency | None = None
    """How many items a pod works on at once, from 1 to 256, for example 8. The worker runs so many
    commands, each with its own item. A program that uses the Python library gets so many items in
    Worker().run and AsyncWorker().run. Fewer pods are started, because each takes more items. The
    pod needs memory and CPU for all of them, and a pod that is killed costs each of its items an
    attempt. In mode Coarse it is at most itemsPerPod. At Kafka a pod has one item of each of its
    partitions in hand. Unset: 1."""


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
