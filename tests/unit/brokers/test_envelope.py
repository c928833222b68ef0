"""What all rooms share of an item's envelope."""

import pickle
from datetime import UTC, datetime
from typing import Any

import pytest

from workqueuejob.brokers.envelope import Envelope, read_time

HEADERS: dict[str, Any] = {"Trace": b"t-1", "trace": "t-2", "number": 7, "odd": b"\xff"}


def test_envelope_can_not_be_changed() -> None:
    envelope: Any = Envelope(headers=dict(HEADERS))
    with pytest.raises(TypeError):
        envelope.headers["Trace"] = b"t-2"
    with pytest.raises(AttributeError):
        envelope.key = b"ann"


def test_envelope_can_be_sent_to_another_process() -> None:
    envelope = Envelope(HEADERS, {"offset": 1}, b"ann", "text/plain", is_tombstone=True)
    assert pickle.loads(pickle.dumps(envelope)) == envelope  # noqa: S301 - our own


@pytest.mark.parametrize(
    ("name", "text"),
    [("trace", "t-2"), ("number", None), ("odd", None), ("missing", None)],
)
def test_header_is_found_as_text_in_any_case(name: str, text: str | None) -> None:
    assert Envelope(headers=HEADERS).find_text(name) == text


@pytest.mark.parametrize(
    ("seconds", "time"),
    [
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (1_796_050_220.891, datetime(2026, 11, 30, 14, 50, 20, 891_000, UTC)),
        (1_796_050_220_891, None),
        (2**64 - 1, None),
        (-(2**63), None),
    ],
)
def test_number_that_no_date_can_have_is_no_time(seconds: float, time: datetime | None) -> None:
    assert read_time(seconds) == time
