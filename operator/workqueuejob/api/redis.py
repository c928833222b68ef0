"""A Redis list or stream as the source of items: where it is and how to get in.

Nothing here connects. Unset means unset: what it stands for is filled in by who connects.
"""

from typing import Annotated, ClassVar

from pydantic import Field

from workqueuejob.api.base import (
    CREDENTIALS_NOT_WITH_URI,
    HOST_ALONE,
    Model,
    Rule,
    RuleReason,
    atomic_list,
    immutable,
    not_with_uri,
)
from workqueuejob.api.scalars import HostAndPort, HostName, Port
from workqueuejob.api.secrets import RedisCredentialsSecretReference, URISecretReference
from workqueuejob.api.tls import TLS

RedisKey = Annotated[str, Field(min_length=1, max_length=512)]
Database = Annotated[int, Field(ge=0, le=1_000_000)]
LeaseSeconds = Annotated[int, Field(ge=5, le=3600)]

_AN_OTHER_KEY = "create another WorkQueueJob for another key"


class RedisSentinel(Model):
    """The Sentinels that know where the master is."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            rule="self.addresses.all(address, address.matches('^[^/@:]+:[0-9]+$'))",
            message=(
                "sentinel.addresses must be host:port each, such as sentinel:26379; add the port,"
                " and remove scheme, user and path"
            ),
            field_path=".addresses",
        ),
    )

    master_name: Annotated[str, Field(min_length=1, max_length=253)]
    """Name under which the Sentinels watch the master, such as mymaster."""

    addresses: Annotated[
        tuple[HostAndPort, ...],
        Field(min_length=1, max_length=16, json_schema_extra=atomic_list()),
    ]
    """host:port of each Sentinel, usually port 26379. They are asked in this order, and the first
    that knows the master is believed. A host without a dot is a Service of the WorkQueueJob's
    namespace."""


class RedisList(Model):
    """A list, one item an element."""

    rules: ClassVar[tuple[Rule, ...]] = (
        immutable("key", remedy=_AN_OTHER_KEY),
        Rule(
            rule="!has(self.processingKey) || self.processingKey != self.key",
            message=(
                "processingKey must not be the list itself; name the list to which the program"
                " moves an item while it works on it"
            ),
            field_path=".processingKey",
        ),
    )

    key: RedisKey
    """Key of the list. Our worker takes from its head, so what was added with RPUSH comes first in,
    first out, and what was added with LPUSH last in, first out. A list that does not exist is
    empty. Immutable."""

    processing_key: RedisKey | None = None
    """Key of the list to which your own program moves an item while it works on it, as the rediswq
    of Kubernetes' documents does; its length is what is in flight. Unset: the key with :processing
    behind it, such as job2:processing. It can't be set with worker, which knows by leases what is
    in flight."""


class RedisStream(Model):
    """A stream, one item an entry."""

    rules: ClassVar[tuple[Rule, ...]] = (
        immutable("key", remedy=_AN_OTHER_KEY),
        immutable("consumerGroup", remedy="create another WorkQueueJob for another group"),
    )

    key: RedisKey
    """Key of the stream. A stream that does not exist is empty. Entries that are done are
    acknowledged and stay in it: trim it yourself, but never what is not done yet. Immutable."""

    consumer_group: RedisKey
    """Consumer group that reads the stream; what it has not acknowledged is still to do. Our worker
    creates one that does not exist, at the beginning of the stream; without worker, your program
    creates it. Immutable."""


class RedisQueue(Model):
    """One list or stream in one Redis database."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            rule=(
                "[has(self.host), has(self.uriSecretRef), has(self.sentinel)]"
                ".filter(member, member).size() == 1"
            ),
            message=(
                "exactly one of host, uriSecretRef and sentinel must be set; set one, remove the"
                " others"
            ),
        ),
        Rule(
            rule="has(self.list) != has(self.stream)",
            message="redis must have exactly one of list and stream; set one, remove the other",
        ),
        Rule(
            rule="has(self.list) == has(oldSelf.list)",
            message=(
                "the kind of redis, list or stream, is immutable; create another WorkQueueJob for"
                " the other kind"
            ),
            reason=RuleReason.FORBIDDEN,
        ),
        HOST_ALONE,
        Rule(
            rule="has(self.host) || !has(self.port)",
            message=(
                "port must not be set without host; put it into the URI, or into sentinel.addresses"
            ),
            field_path=".port",
            reason=RuleReason.FORBIDDEN,
        ),
        not_with_uri("database", remedy="put the database's number into the URI's path"),
        CREDENTIALS_NOT_WITH_URI,
        immutable("database", remedy="create another WorkQueueJob for another database"),
    )

    host: HostName | None = None
    """Host name or address of the server, without scheme and port. A name without a dot is a
    Service of the WorkQueueJob's namespace: redis means redis.<namespace>.svc. Exactly one of host,
    uriSecretRef and sentinel is set."""

    uri_secret_ref: URISecretReference | None = None
    """Secret with the server's whole URI, such as rediss://user:password@redis:6379/0, with every
    part percent-encoded. It holds the port, the database's number and the credentials, so port,
    database and credentialsSecretRef can't be set with it."""

    sentinel: RedisSentinel | None = None
    """Sentinels that tell which server is the master. They are asked with the TLS and the
    credentials of the server. A program without worker must know them by itself: it gets no
    BROKER_URL."""

    port: Port | None = None
    """Port of the server; only with host. Unset: 6379."""

    database: Database | None = None
    """Number of the database that the key is in. Unset: 0, or what the URI says. Immutable."""

    credentials_secret_ref: RedisCredentialsSecretReference | None = None
    """Secret with the password and, if usernameKey is set, the ACL user name. Unset: no
    authentication."""

    tls: TLS | None = None
    """TLS to the server; {} is TLS with the system's certificate authorities. Unset: no TLS, unless
    the URI in uriSecretRef says rediss."""

    list: RedisList | None = None
    """A list that holds the items. Exactly one of list and stream is set."""

    stream: RedisStream | None = None
    """A stream that holds the items, read by a consumer group. Exactly one of list and stream is
    set."""

    lease_seconds: LeaseSeconds = 30
    """Seconds for which an item stays with a worker that is not heard of any more; then another
    worker gets it. Workers renew their leases while they work, so an item may take as long as it
    likes. Without worker: how long items must be held, with no pod left, before the run calls them
    abandoned. Default: 30."""

    @property
    def key(self) -> str:
        """The key of the list or stream."""
        source = self.list or self.stream
        return source.key if source else ""
