"""AMQP's tables and properties, whatever bytes they are made of."""

import math
import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika import BasicProperties
from pika.data import encode_table

from tests.builders import a_nested_field
from workqueuejob.brokers.rabbitmq.properties import (
    MESSAGE_ID,
    USER_ID,
    Properties,
    read_properties,
)
from workqueuejob.brokers.rabbitmq.tables import (
    NESTED_MAX,
    Table,
    encode_field,
    join_array,
    read_table,
    split_array,
)

MILLISECONDS = 1_795_000_000_000
"""A moment as Java's clients write it; AMQP means seconds."""


def table(**fields: bytes) -> Table:
    return Table().with_fields(fields)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_that_is_written_as_it_was_read(content: bytes) -> None:
    found = read_table(content)
    assert found.encode() == content
    found.decode()


@given(st.binary(max_size=200))
def test_any_bytes_have_properties(content: bytes) -> None:
    found = read_properties(content)
    found.headers.decode()
    again = read_properties(b"".join(found.encode()))
    assert again.encode() == found.encode()
    assert again.message_id == found.message_id


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (b"T" + struct.pack(">Q", MILLISECONDS), MILLISECONDS),
        (b"d" + struct.pack(">d", 0.75), 0.75),
        (b"d" + struct.pack(">d", math.inf), math.inf),
        (b"f" + struct.pack(">f", -math.inf), -math.inf),
        (b"d" + struct.pack(">d", 1e300), 1e300),
        (b"D\x02" + struct.pack(">i", 314), Decimal("3.14")),
        (b"D\xff" + struct.pack(">i", -1), Decimal(-1).scaleb(-255)),
        (b"S\x00\x00\x00\x02\xff\xfe", b"\xff\xfe"),
        (b"x\x00\x00\x00\x01\x00", b"\x00"),
        (b"b\xff", -1),
        (b"B\xff", 255),
        (b"t\x01", True),
        (b"V", None),
        (b"A\x00\x00\x00\x02b\x05", [5]),
        (b"A\x00\x00\x00\x02?\x05", None),
        (b"F\x00\x00\x00\x04\x01ab\x05", {"a": 5}),
        (b"F\x00\x00\x00\x02\x01a", {}),
    ],
    ids=str,
)
def test_field_is_decoded_or_passed_over(field: bytes, value: object) -> None:
    content = b"\x01k" + field + b"\x04next" + encode_field("ours")
    found = read_table(content)
    assert (found.get("k"), found.get("next")) == (value, "ours")
    assert found.encode() == content


@pytest.mark.parametrize(
    "rest", [b"\x01k?\x05", b"\x01kS\xff\xff\xff\xffa", b"\x01kI\x00", b"\x09k"]
)
def test_what_can_not_be_told_apart_hides_what_comes_after_and_is_kept(rest: bytes) -> None:
    content = b"\x04ours" + encode_field(7) + rest
    found = read_table(content)
    assert (found.get("ours"), found.get("k")) == (7, None)
    changed = found.with_fields({"more": encode_field("x")})
    assert changed.encode() == content[: -len(rest)] + b"\x04more" + encode_field("x") + rest


def test_table_that_is_nested_too_deep_is_kept_and_not_decoded() -> None:
    found = table(deep=a_nested_field(5000), shallow=a_nested_field(NESTED_MAX - 2))
    assert found.get("deep") is not None
    assert found.get("shallow") is not None
    assert read_table(found.encode()) == found


def test_hundred_thousand_fields_are_split_once() -> None:
    content = b"\x01kt\x01" * 100_000
    assert len(read_table(content).fields) == 100_000


def test_what_is_read_is_what_pika_reads_where_it_can() -> None:
    values = {
        "text": "Käse",
        "number": -7,
        "big": 2**40,
        "yes": True,
        "none": None,
        "list": [1, "a"],
    }
    pieces: list[bytes] = []
    encode_table(pieces, {**values, "nested": {"a": [{"b": "c"}]}})
    assert read_table(b"".join(pieces)[4:]).decode() == {**values, "nested": {"a": [{"b": "c"}]}}


def test_properties_are_written_as_pika_writes_them() -> None:
    named = {
        "content_type": "text/plain", "content_encoding": "gzip", "headers": {"a": 1},
        "delivery_mode": 2, "priority": 3, "correlation_id": "c", "reply_to": "r",
        "expiration": "1000", "message_id": "m", "timestamp": 5, "type": "t", "user_id": "u",
        "app_id": "a", "cluster_id": "x",
    }  # fmt: skip
    written = b"".join(BasicProperties(**named).encode())
    found = read_properties(written)
    assert b"".join(found.encode()) == written
    assert (found.message_id, found.has_headers, found.headers.get("a")) == ("m", True, 1)
    changed = found.replace(headers=Table(), without=(USER_ID, MESSAGE_ID), delivery_mode=1)
    read = BasicProperties().decode(b"".join(changed.encode()))
    assert (read.user_id, read.message_id, read.headers, read.delivery_mode) == (None, None, {}, 1)
    assert (read.cluster_id, read.expiration) == ("x", "1000")


def test_no_properties_are_none() -> None:
    assert not Properties().has_headers
    assert b"".join(Properties().encode()) == b"".join(BasicProperties().encode())


def test_array_is_split_and_joined() -> None:
    field = encode_field([1, "a", {"b": 2}])
    fields = split_array(field)
    assert fields is not None
    assert join_array(fields) == field
    assert split_array(encode_field("text")) is None
