"""A worker's settings: written by the operator into a pod's environment, read by the worker.

`WQJ_SETTINGS` is JSON without a secret, so that `kubectl describe pod` may show it. Credentials and
certificates come by variables of their own, which the kubelet fills in from Secrets. Settings that
came after version 0.1.0 have variables too (`contract.features`).

A setting at its default is not written, so a default may never change.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields
from typing import Any, ClassVar, Protocol

from workqueuejob.contract.features import PREFIX, added, is_added, read_features, write_features
from workqueuejob.contract.grace import AT_END_OF_GRACE
from workqueuejob.contract.probes import ProbeSettings, read_probe
from workqueuejob.contract.retry import RetrySettings

BROKER_URL = "BROKER_URL"
QUEUE = "QUEUE"
"""What Kubernetes' documents call them, for a user's own program and for a worker anywhere."""

CONSUMER_GROUP = "CONSUMER_GROUP"
"""The group of a log or stream, beside these."""

SETTINGS = "WQJ_SETTINGS"
BROKER_URI = "WQJ_BROKER_URI"
BROKER_USERNAME = "WQJ_BROKER_USERNAME"
BROKER_PASSWORD = "WQJ_BROKER_PASSWORD"  # noqa: S105 - a variable's name
LOCATOR_USERNAME = "WQJ_LOCATOR_USERNAME"
LOCATOR_PASSWORD = "WQJ_LOCATOR_PASSWORD"  # noqa: S105 - a variable's name
"""The login of the servers that say where the broker is."""
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
        LOCATOR_USERNAME,
        LOCATOR_PASSWORD,
        TLS_CA,
        TLS_CERTIFICATE,
        TLS_PRIVATE_KEY,
    }
)
"""What the user's command does not inherit from the worker, and features besides."""

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
    envelope_file: whether it also gets a file with all that the broker keeps besides the body.
    """

    type: str = "Stdin"
    variable: str = "ITEM"
    envelope_file: bool = added(False)


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
    concurrency: how many items the worker has in hand at once.
    stop_signal: when a command gets SIGTERM on a stop: AtEndOfGrace or AtOnce.
    lacks: the features that the operator asks for and this worker does not know; None if it asks
        for none. Read, and not written.
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
    deadline_seconds: int | None = added(None)
    probes: tuple[ProbeSettings, ...] | None = added(None)
    item_timeout_seconds: int | None = None
    prefix_output: bool = False
    concurrency: int = added(1)
    stop_signal: str = added(AT_END_OF_GRACE)
    termination_message_path: str = DEFAULT_TERMINATION_MESSAGE_PATH
    lacks: tuple[str, ...] | None = None


_GROUPS = ("source", "retry", "delivery", "tls")
"""The settings that have settings in them. The first three are always written, because the worker
of 0.1.0 asks for them."""


def is_private(variable: str) -> bool:
    """Return whether the user's command does not inherit a variable from the worker."""
    return variable in PRIVATE_VARIABLES or variable.startswith(PREFIX)


def write_settings(settings: WorkerSettings) -> dict[str, str]:
    """Return `WQJ_SETTINGS` and the variables of features, without what is at its default."""
    groups = {name: group for name in _GROUPS if (group := getattr(settings, name)) is not None}
    known = {name: _list_set(group, are_added=False) for name, group in groups.items()}
    others = _list_set(settings, are_added=False, besides=(*_GROUPS, "lacks"))
    text = json.dumps({"broker": settings.source.broker, **known, **others}, separators=(",", ":"))
    features = _list_set(settings, are_added=True)
    for name, group in groups.items():
        values = _list_set(group, are_added=True)
        features |= {f"{name}.{setting}": value for setting, value in values.items()}
    return {SETTINGS: text, **write_features(features)}


def read_settings(environ: Mapping[str, str], read_source: ReadSource) -> WorkerSettings:
    """Return what `write_settings` wrote; raises ValueError, KeyError or TypeError otherwise.

    read_source: returns the source of the broker of that name.
    """
    written: dict[str, Any] = json.loads(environ[SETTINGS])
    broker, features = written.pop("broker"), read_features(environ)
    groups = {name: written.pop(name) for name in _GROUPS if name in written}
    known: dict[str, Any] = {
        "source": read_source(broker, groups["source"]),
        "retry": RetrySettings,
        "delivery": DeliverySettings,
        "tls": TLSChoice,
        "": WorkerSettings,
    }
    lacks = []
    for feature, value in features.items():
        group, _, name = feature.rpartition(".")
        if group not in known or name not in _names_of_added(known[group]):
            lacks.append(feature)
        elif group:
            groups.setdefault(group, {})[name] = value
        else:
            written[name] = value
    if "permanent_exit_codes" in groups["retry"]:
        groups["retry"]["permanent_exit_codes"] = tuple(groups["retry"]["permanent_exit_codes"])
    if written.get("probes") is not None:
        written["probes"] = tuple(read_probe(probe) for probe in written["probes"])
    return WorkerSettings(
        source=read_source(broker, groups["source"]),
        retry=RetrySettings(**groups["retry"]),
        delivery=DeliverySettings(**groups["delivery"]),
        tls=TLSChoice(**groups["tls"]) if "tls" in groups else None,
        lacks=tuple(sorted(lacks)) if features else None,
        **written,
    )


def _list_set(values: Any, *, are_added: bool, besides: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the settings of a dataclass that are not at their default, as JSON has them.

    are_added: whether to return those that version 0.1.0 lacks, or the others.
    """
    plain = asdict(values)
    return {
        each.name: plain[each.name]
        for each in fields(values)
        if is_added(each) is are_added
        and each.name not in besides
        and getattr(values, each.name) != _find_default(each)
    }


def _find_default(declared: Field[Any]) -> Any:
    if declared.default_factory is not MISSING:
        return declared.default_factory()
    return declared.default


def _names_of_added(settings: Any) -> set[str]:
    return {each.name for each in fields(settings) if is_added(each)}
