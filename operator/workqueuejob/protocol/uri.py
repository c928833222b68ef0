"""An `amqp://` or `amqps://` URI, taken apart. Pure; never quotes a URI in a message."""

from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from workqueuejob.errors import CredentialsNotURLSafe

SCHEMES = {"amqp": False, "amqps": True}


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """What the spec or a URI says of a broker; None where it says nothing.

    encrypted: True for amqps, False for amqp, None without a URI.
    """

    host: str
    port: int | None = None
    virtual_host: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    encrypted: bool | None = None


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


def _build_address(parts: SplitResult) -> BrokerAddress | None:
    encrypted = SCHEMES.get(parts.scheme)
    if encrypted is None or not parts.hostname or parts.fragment:
        return None
    return BrokerAddress(
        host=parts.hostname,
        port=parts.port,
        virtual_host=unquote(parts.path[1:]) or None,
        username=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
        encrypted=encrypted,
    )
