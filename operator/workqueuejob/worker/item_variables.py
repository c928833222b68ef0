"""What a command learns of its item besides the body: variables, and JSON of the envelope. Pure.

An environment variable can't hold a NUL byte, and Linux limits its length. So a value that does not
fit is left out, and never cut or changed: what a command finds is what the producer wrote. JSON has
everything. In it, bytes that are no UTF-8 are {"base64": "AP8="}, decimals and numbers that are
not finite are texts, and a header that can't be decoded is null.
"""

import base64
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from workqueuejob.brokers.envelope import Envelope
from workqueuejob.worker.item import Item

VALUE_MAX_BYTES = 32_768
"""The size of the largest value. Linux takes 131,072 bytes for one, and two megabytes for all
arguments and variables with its usual limits."""

TRACE_PARENT, TRACE_STATE = "traceparent", "tracestate"
"""The headers of W3C's Trace Context, https://www.w3.org/TR/trace-context/."""

STOP_SECONDS = b"ITEM_STOP_SECONDS"
"""How many seconds a command has between SIGTERM and its end by force, where the pod must stop."""

ENVELOPE_FILE, ITEM_FILE = b"ITEM_ENVELOPE_FILE", b"ITEM_FILE"

OPTIONAL_VARIABLES = frozenset(
    {
        b"ITEM_KEY",
        b"ITEM_KEY_BASE64",
        b"ITEM_CONTENT_TYPE",
        b"ITEM_ENQUEUED_TIME",
        b"ITEM_HEADERS_LEFT_OUT",
        b"TRACEPARENT",
        b"TRACESTATE",
        ENVELOPE_FILE,
        ITEM_FILE,
    }
)
"""What only some items have. A command must not find the worker's own variable of that name."""


def describe_item(item: Item) -> dict[bytes, bytes]:
    """Return the variables of an item; none of them has a NUL byte or is too large."""
    envelope = item.envelope
    headers, left_out = _write_headers(envelope.headers)
    variables = {
        b"ITEM_ID": item.id.encode(errors="backslashreplace").replace(b"\0", b""),
        b"ITEM_ATTEMPT": b"%d" % item.attempt,
        b"ITEM_REDELIVERED": _write_flag(item.redelivered),
        b"ITEM_TOMBSTONE": _write_flag(envelope.is_tombstone),
        b"ITEM_HEADERS": headers,
    }
    optional = {
        b"ITEM_KEY": envelope.key,
        b"ITEM_CONTENT_TYPE": _encode(envelope.content_type),
        b"ITEM_ENQUEUED_TIME": _encode(_write_time(envelope.enqueued_at)),
        b"ITEM_HEADERS_LEFT_OUT": b"%d" % left_out if left_out else None,
        **_trace(envelope),
    }
    if envelope.key is not None and not _fits(envelope.key):
        optional[b"ITEM_KEY_BASE64"] = base64.b64encode(envelope.key)
    known = {name: value for name, value in optional.items() if value is not None}
    return variables | {name: value for name, value in known.items() if _fits(value)}


def write_envelope(item: Item) -> bytes:
    """Return all that the broker keeps of an item besides its body, as JSON in one line."""
    envelope = item.envelope
    content = {
        "id": item.id,
        "attempt": item.attempt,
        "redelivered": item.redelivered,
        "tombstone": envelope.is_tombstone,
        "key": envelope.key,
        "contentType": envelope.content_type,
        "enqueuedTime": _write_time(envelope.enqueued_at),
        "headers": envelope.headers,
        "properties": envelope.properties,
    }
    return _write_json(content) + b"\n"


def _write_headers(headers: Mapping[str, Any]) -> tuple[bytes, int]:
    """Return as many headers as fit, as JSON, and the number of those that do not.

    The largest are left out first.
    """
    written = [
        _write_json(name) + b":" + _write_json(value)
        for name, value in headers.items()
        if not _is_large(value)
    ]
    kept = set(range(len(written)))
    size = 2 + sum(len(text) + 1 for text in written)
    for number in sorted(kept, key=lambda number: len(written[number]), reverse=True):
        if size <= VALUE_MAX_BYTES:
            break
        kept.remove(number)
        size -= len(written[number]) + 1
    fitting = (text for number, text in enumerate(written) if number in kept)
    return b"{%b}" % b",".join(fitting), len(headers) - len(kept)


def _is_large(value: object) -> bool:
    # As JSON a value is never shorter. This spares the time to encode it.
    return isinstance(value, bytes | str) and len(value) > VALUE_MAX_BYTES


def _trace(envelope: Envelope) -> dict[bytes, bytes | None]:
    """Return the trace of a message; a state without a parent means nothing."""
    parent = _encode(envelope.find_text(TRACE_PARENT))
    if parent is None or not _fits(parent):
        return {}
    return {b"TRACEPARENT": parent, b"TRACESTATE": _encode(envelope.find_text(TRACE_STATE))}


def _fits(value: bytes) -> bool:
    return len(value) <= VALUE_MAX_BYTES and b"\0" not in value


def _encode(text: str | None) -> bytes | None:
    return None if text is None else text.encode(errors="backslashreplace")


def _write_flag(value: bool) -> bytes:
    return b"true" if value else b"false"


def _write_time(time: datetime | None) -> str | None:
    """Return a time as RFC 3339 in UTC, such as 2026-11-30T14:34:37.000Z."""
    if time is None:
        return None
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _write_json(value: object) -> bytes:
    return json.dumps(_plain(value), separators=(",", ":"), allow_nan=False).encode()


def _plain(value: object) -> object:
    """Return what JSON can say of a header's value."""
    match value:
        case None | bool() | int() | str():
            return value
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError:
                return {"base64": base64.b64encode(value).decode()}
        case float():
            return value if math.isfinite(value) else str(value)
        case Mapping():
            return {str(name): _plain(part) for name, part in value.items()}
        case list() | tuple():
            return [_plain(part) for part in value]
        case _:
            return str(value)
