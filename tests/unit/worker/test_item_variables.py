"""What a command learns of its item: never odd enough to fail it, and never changed."""

import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.worker.builders import Plant, take
from workqueuejob.brokers.envelope import Envelope
from workqueuejob.worker.item import Item
from workqueuejob.worker.item_variables import VALUE_MAX_BYTES, describe_item, write_envelope

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ALWAYS = {b"ITEM_ID", b"ITEM_ATTEMPT", b"ITEM_REDELIVERED", b"ITEM_TOMBSTONE", b"ITEM_HEADERS"}

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.decimals(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def build_item(**envelope: Any) -> Item:
    plant = Plant()
    plant.queue.put(b"apple", envelope=Envelope(**envelope))
    return take(plant.engine)


def describe(**envelope: Any) -> dict[bytes, bytes]:
    return describe_item(build_item(**envelope))


def test_item_that_is_a_body_alone_has_no_other_variables() -> None:
    assert describe() == {
        b"ITEM_ID": b"item-1",
        b"ITEM_ATTEMPT": b"1",
        b"ITEM_REDELIVERED": b"false",
        b"ITEM_TOMBSTONE": b"false",
        b"ITEM_HEADERS": b"{}",
    }


def test_envelope_is_in_variables() -> None:
    found = describe(
        headers={"tries": 3, "TraceParent": PARENT.encode(), "tracestate": "vendor=1"},
        key=b"",
        content_type="image/png",
        enqueued_at=datetime(2026, 11, 30, 15, 34, 37, 123_456, timezone(timedelta(hours=1))),
        is_tombstone=True,
    )
    assert {name: value for name, value in found.items() if name not in ALWAYS} == {
        b"ITEM_KEY": b"",
        b"ITEM_CONTENT_TYPE": b"image/png",
        b"ITEM_ENQUEUED_TIME": b"2026-11-30T14:34:37.123Z",
        b"TRACEPARENT": PARENT.encode(),
        b"TRACESTATE": b"vendor=1",
    }
    assert found[b"ITEM_TOMBSTONE"] == b"true"
    assert json.loads(found[b"ITEM_HEADERS"]) == {
        "tries": 3,
        "TraceParent": PARENT,
        "tracestate": "vendor=1",
    }


@pytest.mark.parametrize(
    ("key", "name", "value"),
    [
        (b"caf\xe9", b"ITEM_KEY", b"caf\xe9"),
        (b"\0\0\0\7", b"ITEM_KEY_BASE64", b"AAAABw=="),
        (b"\0" * VALUE_MAX_BYTES, None, b""),
    ],
    ids=["no utf-8", "a number", "large"],
)
def test_key_is_never_changed(key: bytes, name: bytes | None, value: bytes) -> None:
    found = {name: value for name, value in describe(key=key).items() if b"KEY" in name}
    assert found == ({} if name is None else {name: value})


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (b"text", "text"),
        (b"\0\xff", {"base64": "AP8="}),
        ("a\0b", "a\0b"),
        (Decimal("-12.34"), "-12.34"),
        (float("inf"), "inf"),
        (0.75, 0.75),
        (None, None),
        ({"a": [1, {"b": b"\xff"}]}, {"a": [1, {"b": {"base64": "/w=="}}]}),
        (("a", (True,)), ["a", [True]]),
    ],
    ids=repr,
)
def test_header_of_any_type_is_json(value: object, written: object) -> None:
    assert json.loads(describe(headers={"odd": value})[b"ITEM_HEADERS"]) == {"odd": written}


@pytest.mark.parametrize("parent", [7, b"\xff", "00-\0", "x" * (VALUE_MAX_BYTES + 1), None])
def test_trace_without_a_usable_parent_is_none(parent: object) -> None:
    found = describe(headers={"traceparent": parent, "tracestate": "vendor=1"})
    assert not {b"TRACEPARENT", b"TRACESTATE"} & set(found)


def test_largest_headers_are_left_out_first_and_counted() -> None:
    headers = {"a": "x" * 20_000, "b": "small", "c": b"\xff" * 20_000, "d": "y" * 9_000}
    found = describe(headers=headers)
    assert list(json.loads(found[b"ITEM_HEADERS"])) == ["a", "b", "d"]
    assert found[b"ITEM_HEADERS_LEFT_OUT"] == b"1"


def test_headers_that_just_fit_are_all_there() -> None:
    room = VALUE_MAX_BYTES - len('{"a":""}')
    assert len(describe(headers={"a": "x" * room})[b"ITEM_HEADERS"]) <= VALUE_MAX_BYTES
    assert b"ITEM_HEADERS_LEFT_OUT" in describe(headers={"a": "x" * (room + 1)})


@given(
    headers=st.dictionaries(st.text(), VALUES, max_size=4),
    properties=st.dictionaries(st.text(), VALUES, max_size=4),
    key=st.none() | st.binary(),
    content_type=st.none() | st.text(st.characters(codec=None)),
)
def test_any_envelope_can_be_passed_on(**envelope: Any) -> None:
    item = build_item(**envelope)
    for name, value in describe_item(item).items():
        assert b"\0" not in name + value
        assert len(value) <= VALUE_MAX_BYTES
    assert json.loads(write_envelope(item))["id"] == item.id


def test_file_has_all_of_the_envelope_whatever_its_size() -> None:
    large = "x" * VALUE_MAX_BYTES
    item = build_item(
        headers={"large": large},
        properties={"offset": 5, "headers": (("a", b"1"), ("a", None))},
        key=b"\0\xff",
        content_type="image/png",
        enqueued_at=datetime(2026, 11, 30, tzinfo=UTC),
    )
    assert json.loads(write_envelope(item)) == {
        "id": "item-1",
        "attempt": 1,
        "redelivered": False,
        "tombstone": False,
        "key": {"base64": base64.b64encode(b"\0\xff").decode()},
        "contentType": "image/png",
        "enqueuedTime": "2026-11-30T00:00:00.000Z",
        "headers": {"large": large},
        "properties": {"offset": 5, "headers": [["a", "1"], ["a", None]]},
    }
