"""Reads the AMQP frames on which pika may fail, and leaves the others to pika. Pure.

These are the headers of messages, whose properties stay bytes, and `Connection.Start`. Of the
broker's properties in it, only the capabilities are read, because pika uses no others.
"""

from pika import frame, spec

from workqueuejob.brokers.rabbitmq.properties import Properties, read_properties
from workqueuejob.brokers.rabbitmq.tables import read_table

_HEAD = 7
_CONTENT_HEAD = 12
_START = b"\x00\x0a\x00\x0a"
_VERSION = 2


def read_frame(buffer: bytes) -> tuple[int, frame.Frame | None]:
    """Return the size of the first frame in bytes, and the frame; 0 and None if it is incomplete.

    Raises pika's exceptions for bytes that are no frame.
    """
    kind = buffer[:1]
    if kind == bytes([spec.FRAME_HEADER]):
        return _read_header(buffer)
    if kind == bytes([spec.FRAME_METHOD]) and buffer[_HEAD : _HEAD + 4] == _START:
        return _read_start(buffer)
    return frame.decode_frame(buffer)  # type: ignore[no-any-return] # pika carries no types


def _read_header(buffer: bytes) -> tuple[int, frame.Frame | None]:
    end = _find_end(buffer)
    if end is None:
        return 0, None
    if buffer[end - 1] != spec.FRAME_END or end < _HEAD + _CONTENT_HEAD:
        return frame.decode_frame(buffer)  # type: ignore[no-any-return] # it raises
    channel = int.from_bytes(buffer[1:3], "big")
    body_size = int.from_bytes(buffer[_HEAD + 4 : _HEAD + _CONTENT_HEAD], "big")
    properties: Properties = read_properties(buffer[_HEAD + _CONTENT_HEAD : end - 1])
    return end, frame.Header(channel, body_size, properties)


def _read_start(buffer: bytes) -> tuple[int, frame.Frame | None]:
    """Return `Connection.Start` with no other properties of the broker than its capabilities."""
    end = _find_end(buffer)
    if end is None:
        return 0, None
    begins = _HEAD + len(_START) + _VERSION
    ends = begins + 4 + int.from_bytes(buffer[begins : begins + 4], "big")
    announced = read_table(buffer[begins + 4 : min(ends, end - 1)]).get("capabilities")
    announced = announced if isinstance(announced, dict) else {}
    capabilities = {name: value for name, value in announced.items() if isinstance(value, bool)}
    start = spec.Connection.Start().decode(
        b"%b%b%b" % (buffer[begins - _VERSION : begins], bytes(4), buffer[ends : end - 1])
    )
    start.server_properties = {"capabilities": capabilities}
    return end, frame.Method(int.from_bytes(buffer[1:3], "big"), start)


def _find_end(buffer: bytes) -> int | None:
    """Return where the frame ends, or None while it is incomplete."""
    if len(buffer) < _HEAD:
        return None
    end = _HEAD + int.from_bytes(buffer[3:_HEAD], "big") + 1
    return end if end <= len(buffer) else None
