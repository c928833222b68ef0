"""An item's envelope: what its broker keeps of it besides the body. Pure.

A room reads it from the message as it arrived, and only when a program asks for it. No room writes
it: what is retried, given back or dead-lettered is the message itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

CONTENT_TYPE = "content-type"
"""The header that names the type of the body, where the broker has no property for it."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a broker keeps of an item besides the body. A broker that lacks a part has its default.

    headers: the producer's headers, by name; of a repeated name the last value.
    properties: the broker's own names and values.
    key: None if the item has none; an empty key is another one.
    content_type: the type of the body, as its producer named it.
    enqueued_at: when the producer or the broker says that the item was added; with a time zone.
    is_tombstone: whether the item has no body at all, which is not an empty one.
    """

    headers: Mapping[str, Any] = field(default_factory=dict)
    properties: Mapping[str, Any] = field(default_factory=dict)
    key: bytes | None = None
    content_type: str | None = None
    enqueued_at: datetime | None = None
    is_tombstone: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "headers", MappingProxyType(self.headers))
        object.__setattr__(self, "properties", MappingProxyType(self.properties))

    def __reduce__(self) -> tuple[Any, ...]:
        # A read-only mapping can't be sent to another process.
        parts = (dict(self.headers), dict(self.properties), self.key, self.content_type)
        return Envelope, (*parts, self.enqueued_at, self.is_tombstone)

    def find_text(self, name: str) -> str | None:
        """Return a header as text, its name in any case; None if it is missing or no text."""
        return find_text(self.headers, name)


BARE = Envelope()
"""The envelope of an item that is a body alone."""


def find_text(headers: Mapping[str, Any], name: str) -> str | None:
    """Return a header as text, its name in any case; None if it is missing or no text.

    name: in lower case. Of names that differ only in case, the last one counts.
    """
    values = [value for known, value in headers.items() if known.lower() == name]
    return read_text(values[-1]) if values else None


def read_text(value: object) -> str | None:
    """Return a text, or bytes that are UTF-8, as text; None for anything else."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return None
    return value if isinstance(value, str) else None


def read_time(seconds: float) -> datetime | None:
    """Return seconds since 1970 as a time in UTC; None for a number that no date can have."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
