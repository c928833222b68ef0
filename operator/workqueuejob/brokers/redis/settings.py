"""Where a Redis list or stream is and how to get in, as values. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import SplitResult, urlsplit

from workqueuejob.brokers.connection import Reach, TLSSettings, join_address
from workqueuejob.brokers.uri import BrokerAddress, decode, is_complete
from workqueuejob.contract.dead_letters import dead_key
from workqueuejob.contract.features import added
from workqueuejob.contract.retry import RetrySettings
from workqueuejob.errors import CredentialsNotURLSafe

SCHEMES = {"redis": False, "rediss": True}
REDIS_PORT = 6379
DEFAULT_LEASE_SECONDS = 30
FIELD = "spec.queue.redis"


@dataclass(frozen=True, slots=True)
class RedisSource:
    """A Redis list, or a stream when there is a consumer group.

    start_from: where a group that does not exist yet begins: Earliest or Latest.
    sentinel_login: whether the Sentinels have a login of their own.
    """

    broker: ClassVar[str] = "redis"

    key: str
    consumer_group: str | None = None
    start_from: str = "Earliest"
    host: str | None = None
    port: int | None = None
    database: int | None = None
    sentinel_master: str | None = None
    sentinel_addresses: tuple[str, ...] = ()
    lease_seconds: int = DEFAULT_LEASE_SECONDS
    sentinel_login: bool = added(False)


@dataclass(frozen=True, slots=True)
class Sentinel:
    """Redis Sentinels, which know the host of the master; they share its TLS.

    addresses: `host:port` each.
    username: None is the default user. password: None means no AUTH, unless they ask for one: then
        the server's login is tried.
    """

    master_name: str
    addresses: tuple[str, ...]
    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class RedisConnection:
    """One Redis database; either `host` or `sentinel` says where it is.

    username: None is Redis' default user. password: None means no AUTH.
    reach: where the connection may go; None sets no limits.
    """

    broker: ClassVar[str] = "redis"

    host: str = ""
    port: int = REDIS_PORT
    database: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: TLSSettings | None = None
    sentinel: Sentinel | None = None
    reach: Reach | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """`host:port`, or the Sentinels' name of the master, for messages and logs."""
        if self.sentinel is not None:
            return f"{self.sentinel.master_name} by sentinel {self.sentinel.addresses[0]}"
        return join_address(self.host, self.port)


@dataclass(frozen=True, slots=True)
class RedisAddress(BrokerAddress):
    """A server and the number of its database, where one is named."""

    database: int | None = None


def read_source(written: Mapping[str, Any]) -> RedisSource:
    """Return a source that was written as JSON; raise TypeError for anything else."""
    addresses = tuple(written.get("sentinel_addresses", ()))
    return RedisSource(**{**written, "sentinel_addresses": addresses})


def build_local(queue: str, group: str | None) -> tuple[RedisSource, RetrySettings]:
    """Return source and retries for a worker that has `BROKER_URL` and `QUEUE` alone.

    With a consumer group the key is that of a stream.
    """
    source = RedisSource(key=queue, consumer_group=group)
    return source, RetrySettings(dead_letter=dead_key(queue))


def parse_uri(uri: str, *, where: str) -> RedisAddress:
    """Return the parts of a percent-encoded URI (https://www.iana.org/assignments/uri-schemes/).

    The path is the database's number. Raises CredentialsNotURLSafe for anything that is no such
    URI, options after a question mark included: what they would change is not for a URI to say.
    """
    try:
        address = _build_address(urlsplit(uri.strip()))
    except ValueError:
        address = None
    if address is None:
        raise CredentialsNotURLSafe(
            f"{where} is not a URI of the form redis://user:password@host:port/database; "
            "percent-encode user and password"
        ) from None
    return address


def _build_address(parts: SplitResult) -> RedisAddress | None:
    if not is_complete(parts, SCHEMES) or parts.query:
        return None
    path = parts.path.strip("/")
    return RedisAddress(
        host=parts.hostname or "",
        port=parts.port,
        # `redis://:password@host` is how a password without a user is written.
        username=decode(parts.username or None),
        password=decode(parts.password),
        encrypted=SCHEMES[parts.scheme],
        database=int(path) if path else None,
    )
