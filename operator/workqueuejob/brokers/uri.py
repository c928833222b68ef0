"""A broker's URI (amqp, amqps, redis, rediss), taken apart. Pure; never quotes one in a message."""

from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from workqueuejob.errors import CredentialsNotURLSafe

NAME_MAX_BYTES = 255
"""Of a queue or a virtual host: AMQP's short string holds no more."""

SCHEMES = {"amqp": False, "amqps": True}
REDIS_SCHEMES = {"redis": False, "rediss": True}


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """What the spec or a URI says of a broker; None where it says nothing.

    virtual_host is RabbitMQ's, database is Redis'.
    encrypted: True for amqps and rediss, False for amqp and redis, None without a URI.
    """

    host: str
    port: int | None = None
    virtual_host: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    encrypted: bool | None = None
    database: int | None = None


def parse_uri(uri: str, *, where: str) -> BrokerAddress:
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


def parse_redis_uri(uri: str, *, where: str) -> BrokerAddress:
    """Return the parts of a percent-encoded URI (https://www.iana.org/assignments/uri-schemes/).

    The path is the database's number. Raises CredentialsNotURLSafe for anything that is no such
    URI, options after a question mark included: what they would change is not for a URI to say.
    """
    try:
        address = _build_redis_address(urlsplit(uri.strip()))
    except ValueError:
        address = None
    if address is None:
        raise CredentialsNotURLSafe(
            f"{where} is not a URI of the form redis://user:password@host:port/database; "
            "percent-encode user and password"
        ) from None
    return address


def _build_redis_address(parts: SplitResult) -> BrokerAddress | None:
    encrypted = REDIS_SCHEMES.get(parts.scheme)
    if encrypted is None or not parts.hostname or parts.fragment or parts.query or parts.port == 0:
        return None
    path = parts.path.strip("/")
    return BrokerAddress(
        host=parts.hostname,
        port=parts.port,
        # `redis://:password@host` is how a password without a user is written.
        username=unquote(parts.username) if parts.username else None,
        password=None if parts.password is None else unquote(parts.password),
        encrypted=encrypted,
        database=int(path) if path else None,
    )


def _build_address(parts: SplitResult) -> BrokerAddress | None:
    encrypted = SCHEMES.get(parts.scheme)
    if encrypted is None or not parts.hostname or parts.fragment or parts.port == 0:
        return None
    if "@" in parts.path + parts.query:
        # An unencoded / or ? in the password has cut it in two; its beginning would pass for a port
        # and be shown.
        return None
    virtual_host = unquote(parts.path[1:])
    if len(virtual_host.encode()) > NAME_MAX_BYTES:
        return None
    return BrokerAddress(
        host=parts.hostname,
        port=parts.port,
        virtual_host=virtual_host or None,
        username=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
        encrypted=encrypted,
    )
