"""Where a Kafka topic is and how to get in, as values. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import unquote

from workqueuejob.brokers.connection import Reach, TLSSettings
from workqueuejob.brokers.uri import BrokerAddress
from workqueuejob.contract.retry import RetrySettings
from workqueuejob.contract.settings import CONSUMER_GROUP
from workqueuejob.errors import CredentialsNotURLSafe, SettingsInvalid

SCHEMES = {"kafka": False, "kafka+ssl": True}
"""Kafka's own clients know no URI; a worker outside of a pod does."""

KAFKA_PORT = 9092
DEFAULT_MECHANISM = "PLAIN"
MECHANISMS = (DEFAULT_MECHANISM, "SCRAM-SHA-256", "SCRAM-SHA-512")

DEFAULT_SESSION_TIMEOUT_SECONDS = 45
DEFAULT_MAX_POLL_INTERVAL_SECONDS = 300
FIELD = "spec.queue.kafka"

_SERVER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")


@dataclass(frozen=True, slots=True)
class KafkaSource:
    """A topic as one consumer group sees it.

    bootstrap_servers: `host:port` each; empty when the URI holds them.
    start_from: where a partition begins of which the group has committed nothing.
    starts: where they begin instead, as `contract.offsets.TopicOffsets` writes it; None
        leaves that to start_from.
    targets: the ends up to which to work, in the same form; None follows.
    session_timeout_seconds: after which the group takes a silent worker's partitions away.
    max_poll_interval_seconds: the same for one whose poll loop is stuck; also for how long a
        rebalance waits for a worker at the most.
    """

    broker: ClassVar[str] = "kafka"

    bootstrap_servers: tuple[str, ...]
    topic: str
    consumer_group: str
    start_from: str = "Earliest"
    starts: str | None = None
    targets: str | None = None
    sasl_mechanism: str | None = None
    session_timeout_seconds: float = DEFAULT_SESSION_TIMEOUT_SECONDS
    max_poll_interval_seconds: float = DEFAULT_MAX_POLL_INTERVAL_SECONDS


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """One Kafka cluster.

    bootstrap_servers: `host:port` each; they name all others.
    sasl_mechanism: one of MECHANISMS; None means no login.
    reach: where the connection may go; None sets no limits.
    """

    broker: ClassVar[str] = "kafka"

    bootstrap_servers: tuple[str, ...]
    sasl_mechanism: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: TLSSettings | None = None
    reach: Reach | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """The first of the bootstrap servers, for messages and logs."""
        return self.bootstrap_servers[0]


@dataclass(frozen=True, slots=True)
class KafkaAddress(BrokerAddress):
    """The servers of a cluster, `host:port` each, and how to log in; `host` has no meaning."""

    servers: tuple[str, ...] = ()
    sasl_mechanism: str | None = None


def read_source(written: Mapping[str, Any]) -> KafkaSource:
    """Return a source that was written as JSON; raise TypeError for anything else."""
    return KafkaSource(**{**written, "bootstrap_servers": tuple(written["bootstrap_servers"])})


def build_local(queue: str, group: str | None) -> tuple[KafkaSource, RetrySettings]:
    """Return source and retries for a worker that has `BROKER_URL` and `QUEUE` alone.

    Raises SettingsInvalid without a group.
    """
    if not group:
        raise SettingsInvalid(
            f"{CONSUMER_GROUP} is not set: a topic is read as a consumer group, whose committed"
            " offsets say what is done; set it to the group's name"
        )
    source = KafkaSource(bootstrap_servers=(), topic=queue, consumer_group=group)
    # Named as the documentation's examples do; a missing one stops the worker, nothing is lost.
    return source, RetrySettings(dead_letter=f"{queue}.dead")


def parse_uri(uri: str, *, where: str) -> KafkaAddress:
    """Return the parts of a percent-encoded URI, whose form is this project's own.

    With a login the mechanism is PLAIN, unless the URI names another one. Raises
    CredentialsNotURLSafe for anything else.
    """
    scheme, separator, rest = uri.strip().partition("://")
    rest, _, query = rest.partition("?")
    login, _, hosts = rest.rpartition("@")
    servers = [_read_server(server) for server in hosts.removesuffix("/").split(",")]
    option, _, mechanism = query.partition("=")
    is_valid = (
        scheme.lower() in SCHEMES
        and bool(separator)
        and None not in servers
        and (not query or (option == "sasl_mechanism" and mechanism in MECHANISMS))
        and not set(login) & set("/@#")
    )
    if not is_valid:
        raise CredentialsNotURLSafe(
            f"{where} is not a URI of the form"
            " kafka://user:password@host:port,host:port?sasl_mechanism=SCRAM-SHA-512, where all"
            " but one host may be missing, and the mechanism is one of"
            f" {', '.join(MECHANISMS)}; percent-encode user and password"
        )
    username, _, password = login.partition(":")
    return KafkaAddress(
        host="",
        username=unquote(username) or None,
        password=unquote(password) or None,
        encrypted=SCHEMES[scheme.lower()],
        servers=tuple(server for server in servers if server),
        sasl_mechanism=mechanism or (DEFAULT_MECHANISM if login else None),
    )


def _read_server(text: str) -> str | None:
    """Return `host:port`, or None if the text is none."""
    found = _SERVER.fullmatch(text)
    if found is None or not 0 < (port := int(found[2] or KAFKA_PORT)) < 65_536:
        return None
    return f"{found[1]}:{port}"
