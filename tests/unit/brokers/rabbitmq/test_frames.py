"""Frames as a broker may send them, a hostile one too."""

import struct
from typing import Any

import pytest
from pika import BasicProperties, exceptions, frame, spec

from workqueuejob.brokers.rabbitmq.frames import read_frame

IMPOSSIBLE = b"\x04whenT" + struct.pack(">Q", 2**60) + b"\x03odd?"
CAPABILITIES = b"\x0ccapabilitiesF"


def read(buffer: bytes) -> tuple[int, Any]:
    """Read the first frame, whatever kind it is."""
    return read_frame(buffer)


def start(properties: bytes) -> bytes:
    """Return the frame by which a broker begins a connection."""
    content = (
        struct.pack(">I", spec.Connection.Start.INDEX) + b"\x00\x09"
        + struct.pack(">I", len(properties)) + properties
        + struct.pack(">I", 14) + b"PLAIN AMQPLAIN" + struct.pack(">I", 5) + b"en_US"
    )  # fmt: skip
    return struct.pack(">BHI", spec.FRAME_METHOD, 0, len(content)) + content + b"\xce"


def test_what_a_broker_says_of_itself_stops_no_connection() -> None:
    told = b"\x0apublisher_t\x01\x05wrongI\x00\x00\x00\x07"
    told = CAPABILITIES + struct.pack(">I", len(told)) + told + IMPOSSIBLE
    written = start(told) + b"next"
    size, found = read(written)
    assert (size, found.channel_number) == (len(written) - 4, 0)
    assert found.method.server_properties == {"capabilities": {"publisher_": True}}
    assert "PLAIN" in str(found.method.mechanisms)


@pytest.mark.parametrize(
    "properties",
    [b"", CAPABILITIES + b"\xff\xff\xff\xff", b"\x0ccapabilitiesS\x00\x00\x00\x01x", b"\x09a"],
)
def test_broker_that_names_no_capabilities_has_none(properties: bytes) -> None:
    _, found = read(start(properties))
    assert found.method.server_properties == {"capabilities": {}}


def test_header_frame_is_read_whatever_its_table_holds() -> None:
    table = IMPOSSIBLE
    properties = b"\x20\x80" + struct.pack(">I", len(table)) + table + b"\x01m"
    content = struct.pack(">HHQ", BasicProperties.INDEX, 0, 5) + properties
    written = struct.pack(">BHI", spec.FRAME_HEADER, 3, len(content)) + content + b"\xce"
    size, found = read(written + b"\x03")
    assert (size, found.channel_number, found.body_size) == (len(written), 3, 5)
    assert (found.properties.message_id, found.properties.headers.get("when")) == ("m", 2**60)
    for cut in range(len(written)):
        assert read(written[:cut]) == (0, None)


def test_frame_without_an_end_is_refused() -> None:
    written = frame.Header(1, 0, BasicProperties()).marshal()
    with pytest.raises(exceptions.InvalidFrameError):
        read(written[:-1] + b"\x00")


def test_other_frames_are_pikas() -> None:
    written = frame.Method(2, spec.Basic.Ack(delivery_tag=7)).marshal()
    size, found = read(written)
    assert (size, found.method.delivery_tag) == (len(written), 7)
    assert read(frame.Heartbeat().marshal())[0] == 8
