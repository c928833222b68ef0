"""A RabbitMQ queue as the source of items: where it is and how to get in.

Nothing here connects. Unset means unset: what it stands for is filled in by who connects, from the
constants below.
"""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from workqueuejob.api.base import (
    CREDENTIALS_NOT_WITH_URI,
    HOST_ALONE,
    USERNAME_WITH_PASSWORD,
    Model,
    Rule,
    RuleReason,
    immutable,
    not_with_uri,
)
from workqueuejob.api.broker_queue import BrokerQueue
from workqueuejob.api.scalars import HostName, PlainURL, Port, PositiveSeconds, Username
from workqueuejob.api.secrets import CredentialsSecretReference, URISecretReference
from workqueuejob.api.tls import TLS

# AMQP's short string: 255 bytes.
ShortString = Annotated[str, Field(min_length=1, max_length=255)]

ConsumerTimeout = Annotated[int, Field(ge=10, le=2**31 - 1)]

_AN_OTHER_QUEUE = "create another WorkQueueJob for another queue"


class AuthMechanism(StrEnum):
    """The SASL mechanism of the AMQP connection."""

    PLAIN = "PLAIN"
    EXTERNAL = "EXTERNAL"


class ManagementAPI(Model):
    """RabbitMQ's management API. It says how many items are in flight."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            rule="!self.url.contains('@')",
            message=(
                "management.url must not hold credentials; remove the part before the @: those of"
                " credentialsSecretRef or uriSecretRef are used"
            ),
            field_path=".url",
            reason=RuleReason.FORBIDDEN,
        ),
    )

    url: PlainURL
    """URL of the management API, such as https://mq:15671: http or https, host, port (usually
    15672, with TLS 15671) and, if the API has one, a path prefix. Leave out user name and password,
    because the operator uses those of the queue. It must be https when
    tls is set. A host without a dot is a Service of the
    WorkQueueJob's namespace. https uses the certificates of tls."""


class RabbitMQQueue(BrokerQueue):
    """One queue in one virtual host of a RabbitMQ."""

    name_fields = ("queue",)

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            rule="has(self.host) != has(self.uriSecretRef)",
            message="exactly one of host and uriSecretRef must be set; set one, remove the other",
        ),
        HOST_ALONE,
        not_with_uri("port", remedy="put the port into the URI"),
        not_with_uri("vhost", remedy="put the virtual host into the URI, percent-encoded"),
        CREDENTIALS_NOT_WITH_URI,
        USERNAME_WITH_PASSWORD,
        Rule(
            rule=(
                "!has(self.tls) || !has(self.management)"
                " || self.management.url.startsWith('https:')"
            ),
            message=(
                "management.url must begin with https when tls is set, because the password would"
                " go to it unencrypted; write https and its port (usually 15671), or remove"
                " management"
            ),
            field_path=".management.url",
        ),
        Rule(
            rule=(
                "self.authMechanism != 'EXTERNAL'"
                " || (has(self.tls) && has(self.tls.clientCertificateSecretRef))"
            ),
            message=(
                "authMechanism EXTERNAL needs a client certificate; set"
                " tls.clientCertificateSecretRef, or use PLAIN"
            ),
            field_path=".authMechanism",
        ),
        Rule(
            rule="bytes(self.queue).size() <= 255",
            message="queue must be at most 255 bytes in UTF-8, as RabbitMQ's queue names are",
            field_path=".queue",
        ),
        Rule(
            rule="!has(self.vhost) || bytes(self.vhost).size() <= 255",
            message="vhost must be at most 255 bytes in UTF-8, as AMQP's short strings are",
            field_path=".vhost",
        ),
        immutable("queue", remedy=_AN_OTHER_QUEUE),
        immutable("vhost", remedy=_AN_OTHER_QUEUE),
    )

    host: HostName | None = None
    """Host name or address of the broker, without scheme and port. A name without a dot is a
    Service of the WorkQueueJob's namespace: mq means mq.<namespace>.svc. Exactly one of host and
    uriSecretRef is set."""

    uri_secret_ref: URISecretReference | None = None
    """Secret with the broker's whole URI, such as amqps://user:password@mq:5671/vhost. Every part
    of the URI must be percent-encoded. The URI holds the port, the virtual host and the
    credentials, so port, vhost and credentialsSecretRef can't be set with it. Exactly one of host
    and uriSecretRef is set."""

    port: Port | None = None
    """Port of the broker's AMQP listener, from 1 to 65535. Unset: 5672, or 5671 when tls is set."""

    vhost: ShortString | None = None
    """Virtual host of the queue. Unset: "/". Immutable."""

    queue: ShortString
    """Name of the queue, at most 255 bytes. One message is one item. The queue must exist, because
    the operator never declares, purges or changes it. It may be a classic or a quorum queue, but
    not a stream. Immutable."""

    credentials_secret_ref: CredentialsSecretReference | None = None
    """Secret with the user name and password for the broker and for its management API. Unset:
    guest and guest, which RabbitMQ accepts only from its own host unless it is configured
    otherwise. Unset with authMechanism EXTERNAL: the client certificate alone."""

    username: Username | None = None
    """User name, for a Secret that holds only a password, such as the one of Bitnami's chart. It
    needs credentialsSecretRef. Unset: the user name in that Secret."""

    auth_mechanism: AuthMechanism = AuthMechanism.PLAIN
    """How to log in to the broker. PLAIN: by user name and password. EXTERNAL: by the client
    certificate of tls, which must then be set. Default: PLAIN."""

    management: ManagementAPI | None = None
    """RabbitMQ's management API. With it the operator knows how many items are in flight: delivered
    and not yet acknowledged. Unset: that number stays unknown, because AMQP only says how many
    items are ready. Without worker, the operator then can't tell a pod that waits for an item from
    a pod that works on one."""

    surplus_pod_timeout_seconds: PositiveSeconds | None = None
    """After how many seconds with an empty queue and no change the operator ends the pods that are
    left. Set it if your program waits for a message for ever. Unless the management API reports
    items in flight, the operator also ends a pod that still works on its item. So choose more
    seconds than the longest item takes. Unset: the operator ends no pod because of time. The run
    waits for the pods and says so in its conditions. It can't be set with worker, which ends by
    itself."""

    consumer_timeout_seconds: ConsumerTimeout | None = None
    """The broker's consumer_timeout in seconds, at least 10. After that time RabbitMQ takes an
    unacknowledged item back. The worker renews its hold before that, so an item may take longer.
    Set this field if the broker's consumer_timeout is shorter than 1800 seconds. It needs worker.
    Unset: 1800, which is RabbitMQ's default."""

    tls: TLS | None = None
    """TLS to the broker. {} means TLS with the system's certificate authorities. Unset: no TLS,
    unless the URI of uriSecretRef begins with amqps."""
