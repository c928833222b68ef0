"""JSON that is deeper than Python's decoder goes is read all the same, but for what is too deep."""

import contextlib
import json
import time
from typing import Any

import pytest

from workqueuejob.cluster.decoding import KEPT_LEVELS, cut, decode, decode_at

API_SERVERS_LIMIT = 10_000


def nested(levels: int, inner: str = "1") -> str:
    return '{"a":' * levels + inner + "}" * levels


def depth_of(value: Any) -> int:
    levels = 0
    while isinstance(value, dict | list):
        value = value["a"] if isinstance(value, dict) else value[0]
        levels += 1
    return levels


def test_what_beside_a_deep_object_stands_in_the_list_is_read() -> None:
    listed = '{"items":[{"name":"deep","a":%s},{"name":"next ]}\\" \\\\"}]}'

    value = decode(listed % nested(API_SERVERS_LIMIT))

    assert [item["name"] for item in value["items"]] == ["deep", 'next ]}" \\']
    assert value["items"][0]["a"]["a"]["a"]


@pytest.mark.parametrize("levels", [1, KEPT_LEVELS - 1, KEPT_LEVELS])
def test_nothing_is_cut_that_is_not_too_deep(levels: int) -> None:
    text = nested(levels, '"[{"')
    assert cut(text) == text


@pytest.mark.parametrize("opening", ['{"a":', "["])
def test_null_stands_for_what_is_too_deep(opening: str) -> None:
    text = opening * 500 + "]}"[opening == '{"a":'] * 500

    value = json.loads(cut(text.replace(":}", ":1}")))

    assert depth_of(value) == KEPT_LEVELS


def test_json_of_a_usual_depth_is_read_as_ever() -> None:
    assert decode('{"a": [1.5, null, "ü"]}') == {"a": [1.5, None, "ü"]}


def test_what_is_no_json_is_refused_as_ever() -> None:
    with pytest.raises(json.JSONDecodeError):
        decode(nested(API_SERVERS_LIMIT)[:-1])


@pytest.mark.parametrize("levels", [1, API_SERVERS_LIMIT])
def test_value_is_read_where_it_begins_and_its_end_is_known(levels: int) -> None:
    text = f"[{nested(levels)},2]"

    value, end = decode_at(text, 1)

    assert value["a"]
    assert text[end:] == ",2]"


@pytest.mark.parametrize("text", ['{"a":', nested(API_SERVERS_LIMIT)[:-1], '{"a":"}'])
def test_value_without_an_end_is_told_as_such(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode_at(text, 0)


def test_nothing_is_changed_for_others_that_read_json() -> None:
    with pytest.raises(RecursionError):
        json.loads(nested(API_SERVERS_LIMIT))


HOSTILE = {
    "a string without an end, full of quotes": lambda n: "[" * 2000 + '"' + '\\"' * n,
    "a string without an end, full of backslashes": lambda n: "[" * 2000 + '"' + "\\" * 2 * n,
    "many strings": lambda n: "[" * 2000 + '"a",' * (n // 2),
    "opening brackets alone": lambda n: "[" * 2 * n,
    "closing brackets alone": lambda n: "[" * 2000 + "]" * 2 * n,
    "opened and closed": lambda n: '{"a":' * 2000 + '{"":[]},' * (n // 4),
}


def seconds_to_read(text: str) -> float:
    began = time.process_time()
    for read in (decode, lambda text: decode_at(text, 0)):
        with contextlib.suppress(ValueError):
            read(text)
    return time.process_time() - began


@pytest.mark.parametrize("build", HOSTILE.values(), ids=HOSTILE)
def test_twice_the_text_takes_twice_the_time_whatever_it_holds(build: Any) -> None:
    short, long = build(100_000), build(800_000)
    seconds = min(seconds_to_read(short) for _ in range(3))

    # Eight times as long: quadratic would be sixty-four times.
    assert seconds_to_read(long) < 24 * seconds
