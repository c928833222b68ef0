"""A template is kept as text, as deep and as large as a Job may be made of it."""

import gc
import json
import tracemalloc
from typing import Any

import pytest

from tests.builders import NAME, NAMESPACE, UID, a_rabbitmq_queue, a_template
from workqueuejob.api import WorkQueueJob
from workqueuejob.api.template_text import LEVELS, MOST_BYTES, TemplateText


def nested(levels: int) -> Any:
    found: Any = 1
    for _ in range(levels):
        found = {"a": found}
    return found


def depth_of(found: Any) -> int:
    levels = 0
    while isinstance(found, dict):
        found, levels = found["a"], levels + 1
    return levels


def a_template_of(size: int, character: str = "x") -> dict[str, Any]:
    empty = json.dumps({"a": ""}, separators=(",", ":"))
    return {"a": character * ((size - len(empty)) // len(character.encode()))}


def test_template_comes_back_as_it_was() -> None:
    template = a_template(volumes=[{"name": "ü"}, None])

    assert TemplateText.read(template).parse() == template


def test_what_a_trimmed_object_holds_is_read_to_the_same() -> None:
    template = TemplateText.read(a_template())
    too_large = TemplateText.read(a_template_of(MOST_BYTES + 1))

    assert TemplateText.read(template.write()) == template
    assert TemplateText.read(too_large.write()) == too_large


@pytest.mark.parametrize("character", ["x", "ü", "🍎"])
def test_largest_template_is_kept_and_a_larger_one_is_not(character: str) -> None:
    largest = TemplateText.read(a_template_of(MOST_BYTES, character))
    larger = TemplateText.read(a_template_of(MOST_BYTES + 4, character))

    assert not largest.is_too_large
    assert larger.is_too_large
    assert larger.text == ""
    assert larger.size > MOST_BYTES


@pytest.mark.parametrize("levels", [LEVELS + 1, 400, 900])
def test_what_python_reads_but_could_not_copy_is_cut(levels: int) -> None:
    assert depth_of(TemplateText.read(nested(levels)).parse()) == LEVELS
    assert depth_of(TemplateText.read(nested(LEVELS)).parse()) == LEVELS


@pytest.mark.parametrize("found", [None, [], 1.5])
def test_what_is_no_template_is_refused(found: object) -> None:
    with pytest.raises(ValueError, match="must be an object"):
        TemplateText.read(found)


@pytest.mark.parametrize(
    ("fields", "most_bytes"),
    [
        pytest.param(20_000, 10_000, id="too large"),
        pytest.param(10_000, MOST_BYTES + 10_000, id="as large as may be"),
    ],
)
def test_object_costs_no_more_than_the_text_of_its_template(fields: int, most_bytes: int) -> None:
    template = a_template(x=[{"name": "b", "n": n} for n in range(fields)])
    metadata = {"name": NAME, "namespace": NAMESPACE, "uid": UID, "generation": 1}
    manifest = {
        "metadata": metadata | {"resourceVersion": "7"},
        "spec": {"queue": {"rabbitmq": a_rabbitmq_queue()}, "template": template},
    }
    WorkQueueJob.from_manifest(manifest)
    tracemalloc.start()
    try:
        kept = WorkQueueJob.from_manifest(json.loads(json.dumps(manifest)))
        gc.collect()
        bytes_kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept.metadata.name == NAME
    assert bytes_kept <= most_bytes
