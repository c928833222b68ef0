"""How to reach a broker: everything that makes two connections the same. Values only.

Each room has the settings of its own broker. No repr shows a password or a private key.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeAlias

AddressInfo: TypeAlias = tuple[Any, Any, int, str, tuple[Any, ...]]
"""One address of a host, as getaddrinfo returns it."""


class Reach(Protocol):
    """Where a connection may go. The operator has limits; a worker has none."""

    def check(self, host: str, port: int, *, field: str) -> None:
        """Raise HostNotAllowed for a host that a broker names; `field` is where it comes from."""
        ...

    def choose(self, host: str, port: int, found: Sequence[AddressInfo]) -> list[AddressInfo]:
        """Return those of a host's addresses that may be connected to; raise HostNotAllowed."""
        ...


@dataclass(frozen=True, slots=True)
class TLSSettings:
    """How to verify the broker and to prove who we are; PEM bytes, not files.

    ca: None means the system's roots. server_name: None means the host that is connected to.
    """

    ca: bytes | None = field(default=None, repr=False)
    client_certificate: bytes | None = field(default=None, repr=False)
    client_key: bytes | None = field(default=None, repr=False)
    server_name: str | None = None
    verify: bool = True


class BrokerConnection(Protocol):
    """The settings of a connection to any broker; two that are equal share a connection."""

    broker: ClassVar[str]
    """The room's name."""

    @property
    def username(self) -> str | None:
        """None without a login by name."""
        ...

    @property
    def password(self) -> str | None:
        """None without a login by password."""
        ...

    @property
    def address(self) -> str:
        """Where it is, such as `host:port`, for messages and logs."""
        ...

    def __hash__(self) -> int: ...


def join_address(host: str, port: int) -> str:
    """Return `host:port`."""
    return f"{bracket(host)}:{port}"


def bracket(host: str) -> str:
    """Return a host as it stands before a port: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host
