"""AMQP tables, such as a message's headers, kept as the bytes that arrived. Pure.

pika decodes all headers of a message when it arrives, and a header that it can't decode ends the
connection: a timestamp in milliseconds, an infinite float, an unknown type, or a table that is
nested a thousand deep. It also encodes some values differently: 0.75 becomes 0. So here a table is
split into its fields, which stay bytes, and a field is decoded when it is asked for. A field that
can't be decoded is None.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pika.data import encode_value

NESTED_MAX = 16
"""How many levels of a table are decoded; deeper values are None."""

_SIZES = {
    **dict.fromkeys(b"tbB", 1),
    **dict.fromkeys(b"sUu", 2),
    **dict.fromkeys(b"Iif", 4),
    b"D"[0]: 5,
    **dict.fromkeys(b"LldT", 8),
    b"V"[0]: 0,
}
_NUMBERS = {
    kind: struct.Struct(f">{layout}")
    for kinds, layout in (
        (b"b", "b"), (b"B", "B"), (b"sU", "h"), (b"u", "H"), (b"I", "i"), (b"i", "I"),
        (b"Ll", "q"), (b"T", "Q"), (b"f", "f"), (b"d", "d"),
    )
    for kind in kinds
}  # fmt: skip
_LONG = frozenset(b"SxAF")
_DECIMAL = struct.Struct(">Bi")


@dataclass(frozen=True, slots=True)
class Table:
    """The fields of a table.

    fields: pairs of the name, and the type and value in bytes, in their order.
    rest: the bytes from the first field on whose end is unknown.
    """

    fields: tuple[tuple[bytes, bytes], ...] = ()
    rest: bytes = b""

    def find(self, name: str) -> bytes:
        """Return a field's type and value in bytes; empty if the table lacks it."""
        wanted = name.encode()
        return next((field for known, field in self.fields if known == wanted), b"")

    def get(self, name: str) -> Any:
        """Return a field's value; None if the table lacks it, or it can't be decoded."""
        field = self.find(name)
        return decode_field(field) if field else None

    def decode(self) -> dict[str, Any]:
        """Return the values of all fields by name; None for those that can't be decoded."""
        return _decode_fields(self.fields, NESTED_MAX)

    def without(self, names: Iterable[str]) -> "Table":
        """Return the table without these fields."""
        left_out = {name.encode() for name in names}
        kept = tuple((name, field) for name, field in self.fields if name not in left_out)
        return Table(kept, self.rest)

    def with_fields(self, fields: dict[str, bytes]) -> "Table":
        """Return the table with these fields added, or in place of those of the same name."""
        added = ((name.encode(), field) for name, field in fields.items())
        return Table((*self.without(fields).fields, *added), self.rest)

    def encode(self) -> bytes:
        """Return the table's bytes, without the length before them."""
        return b"".join(
            [b"%c%b%b" % (len(name), name, field) for name, field in self.fields] + [self.rest]
        )


def read_table(content: bytes) -> Table:
    """Return the table in these bytes, which follow its length."""
    fields: list[tuple[bytes, bytes]] = []
    at = 0
    while at < len(content):
        begins = at + 1 + content[at]
        ends = _find_end(content, begins)
        if ends is None:
            break
        fields.append((content[at + 1 : begins], content[begins:ends]))
        at = ends
    return Table(tuple(fields), content[at:])


def split_array(field: bytes) -> list[bytes] | None:
    """Return the fields of an array; None if `field` is no array, or a field's end is unknown."""
    if field[:1] != b"A":
        return None
    fields, at = [], 5
    while at < len(field):
        ends = _find_end(field, at)
        if ends is None:
            return None
        fields.append(field[at:ends])
        at = ends
    return fields


def join_array(fields: Iterable[bytes]) -> bytes:
    """Return the array of these fields."""
    content = b"".join(fields)
    return b"A%b%b" % (struct.pack(">I", len(content)), content)


def encode_field(value: Any) -> bytes:
    """Return the type and value, in bytes, of a value that the worker writes."""
    pieces: list[bytes] = []
    encode_value(pieces, value)
    return b"".join(pieces)


def decode_field(field: bytes, nested: int = NESTED_MAX) -> Any:
    """Return a field's value; None if it can't be decoded."""
    kind, content = field[0], field[1:]
    number = _NUMBERS.get(kind)
    if number is not None:
        return number.unpack(content)[0]
    match chr(kind):
        case "t":
            return content != b"\0"
        case "D":
            scale, digits = _DECIMAL.unpack(content)
            return Decimal(digits).scaleb(-scale)
        case "S":
            return decode_text(content[4:])
        case "x":
            return content[4:]
        case "A" if nested:
            fields = split_array(field)
            return None if fields is None else [decode_field(part, nested - 1) for part in fields]
        case "F" if nested:
            return _decode_fields(read_table(content[4:]).fields, nested - 1)
    return None


def decode_text(content: bytes) -> str | bytes:
    """Return the text, or the bytes themselves where they are no UTF-8."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content


def _decode_fields(fields: Iterable[tuple[bytes, bytes]], nested: int) -> dict[str, Any]:
    return {
        name.decode(errors="backslashreplace"): decode_field(field, nested)
        for name, field in fields
    }


def _find_end(content: bytes, at: int) -> int | None:
    """Return where the field that begins at `at` ends; None if that is unknown."""
    if at >= len(content):
        return None
    kind = content[at]
    size = _SIZES.get(kind)
    if size is None:
        if kind not in _LONG or at + 5 > len(content):
            return None
        size = 4 + int.from_bytes(content[at + 1 : at + 5], "big")
    ends = at + 1 + size
    return ends if ends <= len(content) else None
