"""A worker's settings: written by the operator into a pod's environment, read by the worker.

`WQJ_SETTINGS` is JSON without a secret, so that `kubectl describe pod` may show it. Credentials and
certificates come by variables of their own, which the kubelet fills in from Secrets.
"""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from workqueuejob.contract.probes import ProbeSettings, read_probe
from workqueuejob.contract.retry import RetrySettings

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

DEFAULT_LEASE_SECONDS = 30
DEFAULT_GRACE_SECONDS = 30
DEFAULT_CONSUMER_TIMEOUT_SECONDS = 1800
DEFAULT_SESSION_TIMEOUT_SECONDS = 45
DEFAULT_MAX_POLL_INTERVAL_SECONDS = 300
DEFAULT_TERMINATION_MESSAGE_PATH = "/dev/termination-log"


@dataclass(frozen=True, slots=True)
class RabbitMQSource:
    """A RabbitMQ queue. The virtual host is None when the URI holds it.

    consumer_timeout_seconds: after which the broker takes an unacknowledged item back.
    """

    queue: str
    host: str | None = None
    port: int | None = None
    virtual_host: str | None = None
    auth_mechanism: str = "PLAIN"
    consumer_timeout_seconds: int = DEFAULT_CONSUMER_TIMEOUT_SECONDS


@dataclass(frozen=True, slots=True)
class RedisSource:
    """A Redis list, or a stream when there is a consumer group.

    start_from: where a group that does not exist yet begins: Earliest or Latest.
    """

    key: str
    consumer_group: str | None = None
    start_from: str = "Earliest"
    host: str | None = None
    port: int | None = None
    database: int | None = None
    sentinel_master: str | None = None
    sentinel_addresses: tuple[str, ...] = ()
    lease_seconds: int = DEFAULT_LEASE_SECONDS


@dataclass(frozen=True, slots=True)
class KafkaSource:
    """A topic as one consumer group sees it.

    start_from: where a partition begins of which the group has committed nothing.
    starts: where they begin instead, as `kafka_offsets.LogOffsets` writes it; from Latest on.
    targets: the ends up to which to work, in the same form; None follows.
    session_timeout_seconds: after which the group takes a silent worker's partitions away.
    max_poll_interval_seconds: the same for one whose poll loop is stuck; also for how long a
        rebalance waits for a worker at the most.
    """

    bootstrap_servers: tuple[str, ...]
    topic: str
    consumer_group: str
    start_from: str = "Earliest"
    starts: str | None = None
    targets: str | None = None
    sasl_mechanism: str | None = None
    session_timeout_seconds: float = DEFAULT_SESSION_TIMEOUT_SECONDS
    max_poll_interval_seconds: float = DEFAULT_MAX_POLL_INTERVAL_SECONDS


Source = RabbitMQSource | RedisSource | KafkaSource


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
    quota: items to settle before the pod is done; None works until the queue is drained.
    idle_seconds: how long nothing must be ready before a worker takes the queue for drained.
    waits_for_first: whether it waits without end for its first item, in a pod that is kept warm.
    grace_seconds: between SIGTERM and SIGKILL, the pod's terminationGracePeriodSeconds.
    deadline_seconds: the pod's activeDeadlineSeconds; None sets no limit.
    probes: those that may end the worker's container; None where there are none.
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


_SOURCES: dict[str, type[RabbitMQSource] | type[RedisSource] | type[KafkaSource]] = {
    "rabbitmq": RabbitMQSource,
    "redis": RedisSource,
    "kafka": KafkaSource,
}
_LISTS = ("sentinel_addresses", "bootstrap_servers")


def write_settings(settings: WorkerSettings) -> str:
    """Return the value of `WQJ_SETTINGS`."""
    broker = next(name for name, kind in _SOURCES.items() if isinstance(settings.source, kind))
    said = {key: value for key, value in asdict(settings).items() if value is not None}
    said["source"] = {key: value for key, value in said["source"].items() if value is not None}
    return json.dumps({"broker": broker, **said}, separators=(",", ":"))


def read_settings(text: str) -> WorkerSettings:
    """Return what `write_settings` wrote; raises ValueError, KeyError or TypeError otherwise."""
    found: dict[str, Any] = json.loads(text)
    kind = _SOURCES[found.pop("broker")]
    source = found.pop("source")
    for name in _LISTS:
        if name in source:
            source[name] = tuple(source[name])
    tls = found.pop("tls", None)
    if "probes" in found:
        found["probes"] = tuple(read_probe(probe) for probe in found["probes"])
    return WorkerSettings(
        source=kind(**source),
        retry=RetrySettings(**found.pop("retry")),
        delivery=DeliverySettings(**found.pop("delivery")),
        tls=None if tls is None else TLSChoice(**tls),
        **found,
    )
