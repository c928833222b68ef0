"""A broker's URI, taken apart. Pure; never quotes one in a message."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """What the spec or a URI says of a broker; None where it says nothing.

    encrypted: whether a URI means TLS; None without a URI. Rooms add what the path stands for.
    """

    host: str
    port: int | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    encrypted: bool | None = None


def is_complete(parts: SplitResult, schemes: Mapping[str, bool]) -> bool:
    """Return whether a URI has a known scheme, a host, and nothing that no broker reads.

    Raises ValueError for a port that is none.
    """
    known = parts.scheme in schemes and bool(parts.hostname)
    return known and not parts.fragment and parts.port != 0


def decode(text: str | None) -> str | None:
    """Return percent-encoded text, decoded."""
    return None if text is None else unquote(text)
