"""What users copy: it parses, the models know every field of it, and the README shows the same."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from workqueuejob.api import WorkQueueJobSpec
from workqueuejob.names import API_VERSION, KIND, NAME_MAX_LENGTH

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
MINIMAL = EXAMPLES / "coarse-rabbitmq" / "minimal.yaml"
MANIFESTS = sorted(EXAMPLES.rglob("*.yaml"))

_YAML_BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def read_manifests(path: Path) -> list[dict[str, Any]]:
    return [manifest for manifest in yaml.safe_load_all(path.read_text()) if manifest]


def contains(whole: object, part: object) -> bool:
    """Return whether everything in `part` is in `whole`, at the same place."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and contains(whole[key], value) for key, value in part.items())
    return whole == part


WORK_QUEUE_JOBS = [
    pytest.param(manifest, id=path.relative_to(EXAMPLES).as_posix())
    for path in MANIFESTS
    for manifest in read_manifests(path)
    if manifest["kind"] == KIND
]


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.relative_to(EXAMPLES).as_posix())
def test_every_manifest_holds_named_objects(path: Path) -> None:
    manifests = read_manifests(path)

    assert manifests
    for manifest in manifests:
        assert manifest["apiVersion"]
        assert manifest["kind"]
        assert manifest["metadata"]["name"]


def test_there_are_work_queue_jobs_to_copy() -> None:
    assert len(WORK_QUEUE_JOBS) >= 2


@pytest.mark.parametrize("manifest", WORK_QUEUE_JOBS)
def test_the_models_know_every_field_of_a_work_queue_job(manifest: dict[str, Any]) -> None:
    spec = WorkQueueJobSpec.from_manifest(manifest["spec"])

    assert manifest["apiVersion"] == API_VERSION
    assert len(manifest["metadata"]["name"]) <= NAME_MAX_LENGTH
    # A misspelt field would be ignored, and so be missing here.
    assert contains(spec.to_manifest(), manifest["spec"])


def test_the_minimal_example_has_ten_lines() -> None:
    assert len(MINIMAL.read_text().splitlines()) == 10


@pytest.mark.parametrize("document", [ROOT / "README.md", EXAMPLES / "coarse-rabbitmq/README.md"])
def test_documents_show_the_minimal_example_as_it_is(document: Path) -> None:
    blocks: list[str] = _YAML_BLOCK.findall(document.read_text())

    shown = [block for block in blocks if KIND in block]

    assert shown == [MINIMAL.read_text()]
