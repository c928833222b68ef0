"""A worker's settings: written by the operator into a pod's environment, read by the worker.

`WQJ_SETTINGS` is JSON without a secret, so that `kubectl describe pod` may show it. Credentials and
certificates come by variables of their own, which the kubelet fills in from Secrets.
"""

import json
from collections.abc import Callable
from dataclasses import Field, asdict, dataclass, field
from typing import Any, ClassVar, Protocol

from workqueuejob.contract.probes import ProbeSettings, read_probe
from workqueuejob.contract.retry import RetrySettings

BROKER_URL = "BROKER_URL"
QUEUE = "QUEUE"
"""What Kubernetes' documents call them, for a user's own program and for a worker anywhere."""

SETTINGS = "WQJ_SETTINGS"
BROKER_URI = "WQJ_BROKER_URI"
BROKER_USERNAME = "WQJ_BROKER_USERNAME"
BROKER_PASSWORD = "WQJ_BROKER_PASSWORD"  # noqa: S105 - a variable's name
TLS_CA = "WQJ_TLS_CA"
TLS_CERTIFICATE = "WQJ_TLS_CERTIFICATE"
TLS_PRIVATE_KEY = "WQJ_TLS_PRIVATE_KEY"
POD_NAME = "WQJ_POD_NAME"

PRIVATE_VARIABLES = frozenset(
    {
        SETTINGS,
        BROKER_URI,
        BROKER_USERNAME,
        BROKER_PASSWORD,
        TLS_CA,
        TLS_CERTIFICATE,
        TLS_PRIVATE_KEY,
    }
)
"""What the user's command does not inherit from the worker."""

DEFAULT_GRACE_SECONDS = 30
DEFAULT_CONSUMER_TIMEOUT_SECONDS = 1800
DEFAULT_TERMINATION_MESSAGE_PATH = "/dev/termination-log"


class Source(Protocol):
    """The queue that a worker takes items from, a dataclass of its broker's room."""

    broker: ClassVar[str]
    """The room's name."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


ReadSource = Callable[[str, dict[str, Any]], Source]


@dataclass(frozen=True, slots=True)
class TLSChoice:
    """That the connection is encrypted, and how the broker is verified."""

    server_name: str | None = None
    verify: bool = True


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """How a command gets its item: Stdin, Argument, Environment or File.

    variable: the environment variable's name, for Environment.
    """

    type: str = "Stdin"
    variable: str = "ITEM"


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """Everything that a worker must know but secrets.

    run: under which the run's items are counted at a broker that can count (the WorkQueueJob's
        UID); empty counts nowhere.
    quota: items to settle before the pod is done; None sets no limit.
    idle_seconds: how long nothing must be ready before a worker ends.
    waits_for_first: whether it waits without end for its first item, in a pod that is kept warm.
    grace_seconds: between SIGTERM and SIGKILL, the pod's terminationGracePeriodSeconds.
    deadline_seconds: the pod's activeDeadlineSeconds; None sets no limit.
    probes: the container probes that may end it; None where there are none.
    item_timeout_seconds: None sets no limit.
    prefix_output: whether each line that a command prints gets its item's id.
    """

    source: Source
    retry: RetrySettings = field(default_factory=RetrySettings)
    tls: TLSChoice | None = None
    delivery: DeliverySettings = field(default_factory=DeliverySettings)
    run: str = ""
    quota: int | None = None
    idle_seconds: float = 2.0
    waits_for_first: bool = False
    grace_seconds: int = DEFAULT_GRACE_SECONDS
    deadline_seconds: int | None = None
    probes: tuple[ProbeSettings, ...] | None = None
    item_timeout_seconds: int | None = None
    prefix_output: bool = False
    termination_message_path: str = DEFAULT_TERMINATION_MESSAGE_PATH


def write_settings(settings: WorkerSettings) -> str:
    """Return the value of `WQJ_SETTINGS`, without what is None."""
    written = _drop_unset(asdict(settings))
    written["source"] = _drop_unset(written["source"])
    return json.dumps({"broker": settings.source.broker, **written}, separators=(",", ":"))


def read_settings(text: str, read_source: ReadSource) -> WorkerSettings:
    """Return what `write_settings` wrote; raises ValueError, KeyError or TypeError otherwise.

    read_source: returns the source of the broker of that name.
    """
    written: dict[str, Any] = json.loads(text)
    source = read_source(written.pop("broker"), written.pop("source"))
    tls = written.pop("tls", None)
    if "probes" in written:
        written["probes"] = tuple(read_probe(probe) for probe in written["probes"])
    return WorkerSettings(
        source=source,
        retry=RetrySettings(**written.pop("retry")),
        delivery=DeliverySettings(**written.pop("delivery")),
        tls=None if tls is None else TLSChoice(**tls),
        **written,
    )


def _drop_unset(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}
