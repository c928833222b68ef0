"""A Redis list or stream as the source of items: where it is and how to get in.

Nothing here connects. Unset means unset: what it stands for is filled in by who connects.
"""

from typing import Annotated, ClassVar

from pydantic import Field

from workqueuejob.api.base import (
    CREDENTIALS_NOT_WITH_URI,
    HOST_ALONE,
    USERNAME_WITH_PASSWORD,
    Model,
    Rule,
    RuleReason,
    atomic_list,
    immutable,
    not_with_uri,
)
from workqueuejob.api.broker_queue import BrokerQueue
from workqueuejob.api.scalars import HostAndPort, HostName, Port, Username
from workqueuejob.api.secrets import RedisCredentialsSecretReference, URISecretReference
from workqueuejob.api.tls import TLS
from workqueuejob.contract.dead_letters import dead_key

RedisKey = Annotated[str, Field(min_length=1, max_length=512)]
Database = Annotated[int, Field(ge=0, le=1_000_000)]
LeaseSeconds = Annotated[int, Field(ge=5, le=3600)]

_AN_OTHER_KEY = "create another WorkQueueJob for another key"


class RedisSentinel(Model):
    """The Sentinels that know the address of the master."""

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
    """The name that the Sentinels use for the master, such as mymaster."""

    addresses: Annotated[
        tuple[HostAndPort, ...],
        Field(min_length=1, max_length=16, json_schema_extra=atomic_list()),
    ]
    """Addresses of 1 to 16 Sentinels, each as host:port, usually with port 26379. They are asked in
    this order, and the first one that knows the master decides. A host without a dot is a Service
    of the WorkQueueJob's namespace."""

    credentials_secret_ref: RedisCredentialsSecretReference | None = None
    """Secret with the Sentinels' password and, if usernameKey is set, their ACL user name. Unset:
    no login, and that of the server if they ask for one."""


class RedisList(Model):
    """A list. One element is one item."""

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
    """Key of the list. The worker takes items from its head. Items that were added with RPUSH are
    therefore taken in the order in which they came, and items that were added with LPUSH in reverse
    order. A list that does not exist counts as empty. Immutable."""

    processing_key: RedisKey | None = None
    """Key of the list to which your own program moves an item while it works on it, as rediswq in
    the Kubernetes documentation does. Its length is the number of items in flight. Unset: the key
    with :processing behind it, such as job2:processing. It can't be set with worker, because the
    worker's leases show the items in flight."""


class RedisStream(Model):
    """A stream. One entry is one item."""

    rules: ClassVar[tuple[Rule, ...]] = (
        immutable("key", remedy=_AN_OTHER_KEY),
        immutable("consumerGroup", remedy="create another WorkQueueJob for another group"),
    )

    key: RedisKey
    """Key of the stream. A stream that does not exist counts as empty. The worker acknowledges
    entries and leaves them in the stream. Trim the stream yourself, but never remove an entry that
    is not acknowledged yet. Immutable."""

    consumer_group: RedisKey
    """Name of the consumer group that reads the stream. Entries that it has not acknowledged are
    still to do. The worker creates a group that does not exist, at the beginning of the stream.
    Without worker, your program creates it. Immutable."""


class RedisQueue(BrokerQueue):
    """One list or stream in one Redis database."""

    name_fields = ("list.key", "stream.key")

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
        USERNAME_WITH_PASSWORD,
        Rule(
            rule=(
                "!has(self.username) || !has(self.credentialsSecretRef)"
                " || !has(self.credentialsSecretRef.usernameKey)"
            ),
            message=(
                "username must not be set with credentialsSecretRef.usernameKey, which is another"
                " place of the user name; remove one of the two"
            ),
            field_path=".username",
            reason=RuleReason.FORBIDDEN,
        ),
        immutable("database", remedy="create another WorkQueueJob for another database"),
    )

    host: HostName | None = None
    """Host name or address of the server, without scheme and port. A name without a dot is a
    Service of the WorkQueueJob's namespace: redis means redis.<namespace>.svc. Exactly one of host,
    uriSecretRef and sentinel is set."""

    uri_secret_ref: URISecretReference | None = None
    """Secret with the server's whole URI, such as rediss://user:password@redis:6379/0. Every part
    of the URI must be percent-encoded. The URI holds the port, the database number and the
    credentials, so port, database and credentialsSecretRef can't be set with it. Exactly one of
    host, uriSecretRef and sentinel is set."""

    sentinel: RedisSentinel | None = None
    """Sentinels that say which server is the master. They are asked with the TLS settings of the
    server. A program without worker must know the Sentinels itself, because it
    gets no BROKER_URL. Exactly one of host, uriSecretRef and sentinel is set."""

    port: Port | None = None
    """Port of the server, from 1 to 65535. Only with host. Unset: 6379."""

    database: Database | None = None
    """Number of the database that holds the key. Unset: 0, or the number in the URI. Immutable."""

    credentials_secret_ref: RedisCredentialsSecretReference | None = None
    """Secret with the password and, if usernameKey is set, the ACL user name. Unset: no login."""

    username: Username | None = None
    """ACL user name, for a Secret that holds only a password. It needs credentialsSecretRef. Unset:
    the user name that usernameKey names, or Redis' default user."""

    tls: TLS | None = None
    """TLS to the server. {} means TLS with the system's certificate authorities. Unset: no TLS,
    unless the URI of uriSecretRef begins with rediss."""

    list: RedisList | None = None
    """A list that holds the items. Exactly one of list and stream is set."""

    stream: RedisStream | None = None
    """A stream that holds the items. A consumer group reads it. Exactly one of list and stream is
    set."""

    lease_seconds: LeaseSeconds = 30
    """After how many seconds without a sign of life a worker loses its item to another worker, from
    5 to 3600. A worker renews its lease while it works, so an item may take longer. Without worker:
    after how many seconds without a pod the run reports items that are still held as abandoned.
    Default: 30."""

    @property
    def key(self) -> str:
        """The key of the list or stream."""
        source = self.list or self.stream
        return source.key if source else ""

    @property
    def default_dead_letter(self) -> str:
        """A list or stream beside the queue's, which Redis makes with its first entry."""
        return dead_key(self.key)
