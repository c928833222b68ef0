"""Where a RabbitMQ queue is and how to get in, as values. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import SplitResult, unquote, urlsplit

from workqueuejob.brokers.connection import Reach, TLSSettings, join_address
from workqueuejob.brokers.uri import BrokerAddress, decode, is_complete
from workqueuejob.contract.retry import RetrySettings
from workqueuejob.contract.settings import DEFAULT_CONSUMER_TIMEOUT_SECONDS
from workqueuejob.errors import CredentialsNotURLSafe

SCHEMES = {"amqp": False, "amqps": True}
AMQP_PORT = 5672
AMQPS_PORT = 5671
DEFAULT_VIRTUAL_HOST = "/"
DEFAULT_CREDENTIALS = ("guest", "guest")
FIELD = "spec.queue.rabbitmq"

MOVE_AT = 2 / 3
"""The part of the consumer timeout after which a worker moves a held item to a queue of its own."""

NAME_MAX_BYTES = 255
"""Of a queue or a virtual host: AMQP's short string holds no more."""


@dataclass(frozen=True, slots=True)
class RabbitMQSource:
    """A RabbitMQ queue. The virtual host is None when the URI holds it.

    consumer_timeout_seconds: after which the broker takes an unacknowledged item back.
    """

    broker: ClassVar[str] = "rabbitmq"

    queue: str
    host: str | None = None
    port: int | None = None
    virtual_host: str | None = None
    auth_mechanism: str = "PLAIN"
    consumer_timeout_seconds: int = DEFAULT_CONSUMER_TIMEOUT_SECONDS


@dataclass(frozen=True, slots=True)
class RabbitMQConnection:
    """One RabbitMQ broker and virtual host.

    reach: where the connection may go; None sets no limits.
    """

    broker: ClassVar[str] = "rabbitmq"

    host: str
    port: int = AMQP_PORT
    virtual_host: str = DEFAULT_VIRTUAL_HOST
    username: str = DEFAULT_CREDENTIALS[0]
    password: str = field(default=DEFAULT_CREDENTIALS[1], repr=False)
    auth_mechanism: str = "PLAIN"
    tls: TLSSettings | None = None
    management_url: str | None = None
    reach: Reach | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """`host:port`, for messages and logs."""
        return join_address(self.host, self.port)


@dataclass(frozen=True, slots=True)
class RabbitMQAddress(BrokerAddress):
    """A broker and its virtual host, where one is named."""

    virtual_host: str | None = None


def read_source(written: Mapping[str, Any]) -> RabbitMQSource:
    """Return a source that was written as JSON; raise TypeError for anything else."""
    return RabbitMQSource(**written)


def build_local(queue: str, _group: str | None) -> tuple[RabbitMQSource, RetrySettings]:
    """Return source and retries for a worker that has `BROKER_URL` and `QUEUE` alone."""
    # Named as the documentation's examples do; a missing one stops the worker, nothing is lost.
    return RabbitMQSource(queue=queue), RetrySettings(dead_letter=f"{queue}.dead")


def parse_uri(uri: str, *, where: str) -> RabbitMQAddress:
    """Return the parts of a percent-encoded URI (https://www.rabbitmq.com/docs/uri-spec).

    A path of "/" is the default virtual host, as pika reads it. Raises CredentialsNotURLSafe
    for anything that is no such URI: what breaks one in practice is an unencoded password.
    """
    try:
        parts = urlsplit(uri.strip())
        address = _build_address(parts)
    except ValueError:
        address = None
    if address is None:
        # Without the cause: urllib quotes the piece that it could not parse.
        raise CredentialsNotURLSafe(
            f"{where} is not a URI of the form amqp://user:password@host:port/vhost; "
            "percent-encode user, password and vhost"
        ) from None
    return address


def _build_address(parts: SplitResult) -> RabbitMQAddress | None:
    if not is_complete(parts, SCHEMES):
        return None
    if "@" in parts.path + parts.query:
        # An unencoded / or ? in the password has cut it in two; its beginning would pass for a port
        # and be shown.
        return None
    virtual_host = unquote(parts.path[1:])
    if len(virtual_host.encode()) > NAME_MAX_BYTES:
        return None
    return RabbitMQAddress(
        host=parts.hostname or "",
        port=parts.port,
        virtual_host=virtual_host or None,
        username=decode(parts.username),
        password=decode(parts.password),
        encrypted=SCHEMES[parts.scheme],
    )
