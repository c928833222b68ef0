"""The envelope of a RabbitMQ message."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika import BasicProperties

from workqueuejob.brokers.broker import Delivery
from workqueuejob.brokers.rabbitmq.envelope import read_envelope
from workqueuejob.brokers.rabbitmq.items import build_failed, build_returned, read_history
from workqueuejob.brokers.rabbitmq.properties import Properties, read_properties


def encode(**properties: Any) -> Properties:
    return read_properties(b"".join(BasicProperties(**properties).encode()))


@given(st.binary(max_size=200))
def test_any_bytes_have_an_envelope(content: bytes) -> None:
    read_envelope(read_properties(content))


def test_history_of_an_item_is_no_header_of_its_producer() -> None:
    first = encode(headers={"trace": "t-1", "x-wqj-dead-letter-reason": "moved back"})
    item = Delivery("m-1", b"apple", doubtful=True)
    returned = build_returned(first, read_history(first, redelivered=True), boot_id="life")
    for later in (build_failed(first, item, reason="exit code 3"), returned):
        assert len(later.headers.fields) > len(first.headers.fields)
        assert read_envelope(later).headers == read_envelope(first).headers
    assert set(read_envelope(first).headers) == {"trace", "x-wqj-dead-letter-reason"}


@pytest.mark.parametrize("name", ["x-delivery-count", "x-acquired-count"])
def test_counts_of_a_quorum_queue_are_no_headers_of_the_producer(name: str) -> None:
    taken = encode(headers={"trace": "t-1", name: 1})
    assert read_envelope(taken).headers == {"trace": "t-1"}
    copy = build_failed(taken, Delivery("m-1", b"apple"), reason="exit code 3")
    assert not copy.headers.find(name)


@pytest.mark.parametrize("seconds", [None, 1_796_050_220_891])
def test_timestamp_that_is_not_in_seconds_is_no_time(seconds: int | None) -> None:
    envelope = read_envelope(encode(timestamp=seconds))
    assert envelope.enqueued_at is None
    assert envelope.properties.get("timestamp") == seconds


def test_content_type_that_is_no_text_is_none() -> None:
    envelope = read_envelope(encode(content_type=b"\xff"))
    assert (envelope.content_type, envelope.properties["content_type"]) == (None, b"\xff")
