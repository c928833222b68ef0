"""Reads the frames that pika can't, and leaves the others to pika.

A message's properties stay bytes. Of what a broker says of itself when a connection begins only its
capabilities are read, which pika asks for.
"""

from pika import frame, spec

from workqueuejob.brokers.rabbitmq.properties import Properties, read_properties
from workqueuejob.brokers.rabbitmq.tables import read_table

_HEAD = 7
_CONTENT_HEAD = 12
_START = b"\x00\x0a\x00\x0a"
_VERSION = 2


def read_frame(buffer: bytes) -> tuple[int, frame.Frame | None]:
    """Return how many bytes the first frame takes, and the frame; 0 and None if it is cut short.

    Raises what pika raises for what is no frame.
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
    """Let pika read the frame with the broker's capabilities alone."""
    end = _find_end(buffer)
    if end is None:
        return 0, None
    begins = _HEAD + len(_START) + _VERSION
    ends = begins + 4 + int.from_bytes(buffer[begins : begins + 4], "big")
    told = read_table(buffer[begins + 4 : min(ends, end - 1)]).get("capabilities")
    told = told if isinstance(told, dict) else {}
    capabilities = {name: value for name, value in told.items() if isinstance(value, bool)}
    start = spec.Connection.Start().decode(
        b"%b%b%b" % (buffer[begins - _VERSION : begins], bytes(4), buffer[ends : end - 1])
    )
    start.server_properties = {"capabilities": capabilities}
    return end, frame.Method(int.from_bytes(buffer[1:3], "big"), start)


def _find_end(buffer: bytes) -> int | None:
    """Return where the frame ends, or None while it is not all there."""
    if len(buffer) < _HEAD:
        return None
    end = _HEAD + int.from_bytes(buffer[3:_HEAD], "big") + 1
    return end if end <= len(buffer) else None
