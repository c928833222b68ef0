"""A message's properties as the bytes in which they arrived, to be published unchanged. Pure.

pika sends any object as properties that has `INDEX` and `encode`, as its `BasicProperties` has.
"""

import struct
from collections.abc import Iterable
from typing import Any

from pika import BasicProperties

from workqueuejob.brokers.rabbitmq.tables import Table, decode_text, read_table

CONTENT_TYPE, CONTENT_ENCODING, HEADERS, DELIVERY_MODE, PRIORITY = (
    1 << n for n in range(15, 10, -1)
)
CORRELATION_ID, REPLY_TO, EXPIRATION, MESSAGE_ID, TIMESTAMP = (1 << n for n in range(10, 5, -1))
TYPE, USER_ID, APP_ID, CLUSTER_ID = (1 << n for n in range(5, 1, -1))

_ORDER = (
    CONTENT_TYPE, CONTENT_ENCODING, HEADERS, DELIVERY_MODE, PRIORITY, CORRELATION_ID, REPLY_TO,
    EXPIRATION, MESSAGE_ID, TIMESTAMP, TYPE, USER_ID, APP_ID, CLUSTER_ID,
)  # fmt: skip
_NAMES = (
    "content_type", "content_encoding", "headers", "delivery_mode", "priority", "correlation_id",
    "reply_to", "expiration", "message_id", "timestamp", "type", "user_id", "app_id", "cluster_id",
)  # fmt: skip
_FIXED = {DELIVERY_MODE: 1, PRIORITY: 1, TIMESTAMP: 8}
_MORE_FLAGS = 1


class Properties:
    """The properties of a message: the bytes of each, by its flag."""

    __slots__ = ("_fields",)

    INDEX = BasicProperties.INDEX

    def __init__(self, fields: dict[int, bytes] | None = None) -> None:
        self._fields = fields or {}

    @property
    def message_id(self) -> str | bytes | None:
        """The producer's message_id; bytes where it is no UTF-8, None where there is none."""
        field = self._fields.get(MESSAGE_ID)
        return None if field is None else decode_text(field[1:])

    def decode(self) -> dict[str, Any]:
        """Return all properties but the headers, by their names in AMQP.

        Numbers are int; texts are str, or bytes where they are no UTF-8.
        """
        values: dict[str, Any] = {}
        for flag, name in zip(_ORDER, _NAMES, strict=True):
            field = self._fields.get(flag)
            if field is not None and flag != HEADERS:
                is_number = flag in _FIXED
                values[name] = int.from_bytes(field, "big") if is_number else decode_text(field[1:])
        return values

    @property
    def has_headers(self) -> bool:
        """Whether the message has any headers."""
        return len(self._fields.get(HEADERS, b"")) > 4

    @property
    def headers(self) -> Table:
        """The headers; an empty table where there are none."""
        return read_table(self._fields.get(HEADERS, b"")[4:])

    def replace(
        self, *, headers: Table, without: Iterable[int] = (), delivery_mode: int | None = None
    ) -> "Properties":
        """Return the properties with other headers, and with another delivery mode if one is given.

        without: the flags of properties to drop.
        """
        content = headers.encode()
        changed = {HEADERS: struct.pack(">I", len(content)) + content}
        if delivery_mode is not None:
            changed[DELIVERY_MODE] = bytes([delivery_mode])
        left_out = set(without)
        kept = {flag: field for flag, field in self._fields.items() if flag not in left_out}
        return Properties({**kept, **changed})

    @property
    def size_bytes(self) -> int:
        """How long they are in a frame."""
        return sum(map(len, self.encode()))

    def encode(self) -> list[bytes]:
        """Return the flags and the properties as the pieces of a frame."""
        flags = sum(self._fields)
        fields = (self._fields[flag] for flag in _ORDER if flag in self._fields)
        return [struct.pack(">H", flags), *fields]


def build_properties(delivery_mode: int) -> Properties:
    """Return the properties of a message that has a delivery mode and no others."""
    return Properties({DELIVERY_MODE: bytes([delivery_mode])})


def read_properties(content: bytes) -> Properties:
    """Return the properties in a frame's bytes, up to the first one that is cut short."""
    if len(content) < 2:
        return Properties()
    flags, at = int.from_bytes(content[:2], "big"), 2
    more = flags & _MORE_FLAGS
    while more:
        # AMQP allows further flags, and defines no property for them.
        more = int.from_bytes(content[at : at + 2], "big") & _MORE_FLAGS
        at += 2
    fields: dict[int, bytes] = {}
    for flag in _ORDER:
        if not flags & flag:
            continue
        size = _FIXED.get(flag)
        if size is None:
            prefix = 4 if flag == HEADERS else 1
            size = prefix + int.from_bytes(content[at : at + prefix], "big")
        if at + size > len(content):
            break
        fields[flag] = content[at : at + size]
        at += size
    return Properties(fields)
