"""JSON that others wrote."""

import time

import pytest

from workqueuejob.contract.offsets import FRESH, read_metadata
from workqueuejob.contract.plain_json import read_json


def test_json_is_read_from_text_and_bytes() -> None:
    assert read_json('{"a": [1]}') == read_json(b'{"a": [1]}') == {"a": [1]}


@pytest.mark.parametrize(
    "text",
    ["", "{", "nonsense", b"\xff", "[" * 100_000, '{"a":' * 100_000, "[" * 100_000 + "]" * 100_000,
     "9" * 5000],
)  # fmt: skip
def test_whatever_is_wrong_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        read_json(text)


@pytest.mark.parametrize("opening", ["[", '[{"name":', '"\\\\', '{"a":"'])
def test_time_grows_no_faster_than_the_text(opening: str) -> None:
    times = []
    for length in (200_000, 2_000_000):
        text = opening * (length // len(opening))
        began = time.process_time()
        with pytest.raises(ValueError, match=r"\S"):
            read_json(text)
        times.append(max(time.process_time() - began, 0.001))
    assert times[1] / times[0] < 100


def test_metadata_of_a_stranger_that_is_deep_tells_nothing() -> None:
    assert read_metadata("[" * 32_000) == FRESH
