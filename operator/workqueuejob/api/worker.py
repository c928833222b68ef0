"""How the worker hands items to a container's command, and how it ends that."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from workqueuejob.api.base import Model, Rule, RuleReason
from workqueuejob.api.scalars import ContainerName, PositiveSeconds
from workqueuejob.contract.report import HELD_MAX

Concurrency = Annotated[int, Field(ge=1, le=HELD_MAX)]
VariableName = Annotated[
    str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
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


class StopSignal(StrEnum):
    """When a command gets SIGTERM, where its pod must stop."""

    AT_END_OF_GRACE = "AtEndOfGrace"
    AT_ONCE = "AtOnce"


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
    interrupted, and the process exits if that does not end the work. Unset: no limit, because the
    worker renews its hold on the item while the command runs."""

    concurrency: Concurrency | None = None
    """How many items a pod works on at once, from 1 to 256, for example 8. The worker runs so many
    commands, each with its own item. A program that uses the Python library gets so many items in
    Worker().run and AsyncWorker().run. Fewer pods are started, because each takes more items. The
    pod needs memory and CPU for all of them, and a pod that is killed costs each of its items an
    attempt. In mode Coarse it is at most itemsPerPod. At Kafka a pod has one item of each of its
    partitions in hand. Unset: 1."""

    stop_signal: StopSignal | None = None
    """When the command gets SIGTERM, if the pod must stop. AtEndOfGrace: when its time to finish is
    over, five seconds before the end of terminationGracePeriodSeconds; so it needs to know nothing
    of stops. AtOnce: as soon as the pod gets it, so that it can save what it has done; it may go on
    until the same moment, and ITEM_STOP_SECONDS in its environment says how many seconds that are.
    After a stop any exit code but 0 gives the item back, which counts as no attempt. A program that
    uses the Python library asks worker.stopping. Unset: AtEndOfGrace."""
