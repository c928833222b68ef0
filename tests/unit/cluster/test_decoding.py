"""JSON that is deeper than Python's decoder goes is read all the same, but for what is too deep."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from workqueuejob.cluster.decoding import LEVELS, cut, read_deep_json

API_SERVERS_LIMIT = 10_000


@pytest.fixture(autouse=True)
def deep_json_is_read() -> Iterator[None]:
    before = vars(json)["_default_decoder"]
    read_deep_json()
    yield
    vars(json)["_default_decoder"] = before


def nested(levels: int, inner: str = "1") -> str:
    return '{"a":' * levels + inner + "}" * levels


def depth_of(found: Any) -> int:
    levels = 0
    while isinstance(found, dict | list):
        found = found["a"] if isinstance(found, dict) else found[0]
        levels += 1
    return levels


def test_what_beside_a_deep_object_stands_in_the_list_is_read() -> None:
    listed = '{"items":[{"name":"deep","a":%s},{"name":"next ]}\\" \\\\"}]}'

    found = json.loads(listed % nested(API_SERVERS_LIMIT))

    assert [item["name"] for item in found["items"]] == ["deep", 'next ]}" \\']
    assert found["items"][0]["a"]["a"]["a"]


@pytest.mark.parametrize("levels", [1, LEVELS - 1, LEVELS])
def test_nothing_is_cut_that_is_not_too_deep(levels: int) -> None:
    text = nested(levels, '"[{"')
    assert cut(text) == text


@pytest.mark.parametrize("opening", ['{"a":', "["])
def test_null_stands_for_what_is_too_deep(opening: str) -> None:
    text = opening * 500 + "]}"[opening == '{"a":'] * 500

    found = json.loads(cut(text.replace(":}", ":1}")))

    assert depth_of(found) == LEVELS


@pytest.mark.parametrize("levels", [LEVELS + 1, 400, 900])
def test_what_python_reads_but_could_not_copy_is_cut_too(levels: int) -> None:
    assert depth_of(json.loads(nested(levels))) == LEVELS
    assert depth_of(json.loads(nested(LEVELS))) == LEVELS


def test_json_of_a_usual_depth_is_read_as_ever() -> None:
    assert json.loads('{"a": [1.5, null, "ü"]}') == {"a": [1.5, None, "ü"]}


def test_what_is_no_json_is_refused_as_ever() -> None:
    with pytest.raises(json.JSONDecodeError):
        json.loads(nested(API_SERVERS_LIMIT)[:-1])
