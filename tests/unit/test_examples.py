"""What users copy: it parses, the models know every field of it, and the READMEs show the same."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev import environment
from dev.environment import Image
from workqueuejob.api import WorkQueueJobSpec
from workqueuejob.names import API_VERSION, KIND, NAME_MAX_LENGTH

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
FOLDERS = (
    "asyncio-worker",
    "checkpointing",
    "coarse-rabbitmq",
    "command-with-headers",
    "continuous",
    "fine-redis",
    "kafka-inference",
    "python-worker",
    "unmodified-command",
)
MINIMAL = EXAMPLES / "coarse-rabbitmq" / "minimal.yaml"
MANIFESTS = sorted(EXAMPLES.rglob("*.yaml"))
READMES = sorted(EXAMPLES.rglob("README.md"))
BUILT = frozenset(one.local_reference for one in vars(environment).values() if type(one) is Image)

_YAML_BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SHELL_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)#:]+)(?:#([^)]+))?\)")
_PATH = re.compile(r"\b(?:examples|deploy)/[\w./-]+")


def read_manifests(path: Path) -> list[dict[str, Any]]:
    return [manifest for manifest in yaml.safe_load_all(path.read_text()) if manifest]


def contains(whole: object, part: object) -> bool:
    """Return whether everything in `part` is in `whole`, at the same place."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and contains(whole[key], value) for key, value in part.items())
    return whole == part


def find_images(manifest: object) -> Iterator[str]:
    """Yield what any container in a manifest names as its image."""
    if isinstance(manifest, dict):
        if isinstance(manifest.get("image"), str):
            yield manifest["image"]
        for value in manifest.values():
            yield from find_images(value)
    elif isinstance(manifest, list):
        for value in manifest:
            yield from find_images(value)


def name_of(path: Path) -> str:
    return path.relative_to(EXAMPLES).as_posix()


WORK_QUEUE_JOBS = [
    pytest.param(manifest, id=name_of(path))
    for path in MANIFESTS
    for manifest in read_manifests(path)
    if manifest["kind"] == KIND
]


@pytest.mark.parametrize("path", MANIFESTS, ids=name_of)
def test_every_manifest_holds_named_objects(path: Path) -> None:
    manifests = read_manifests(path)

    assert manifests
    for manifest in manifests:
        assert manifest["apiVersion"]
        assert manifest["kind"]
        assert manifest["metadata"]["name"]


def test_every_folder_has_a_readme_and_a_work_queue_job_to_copy() -> None:
    assert [path.parent.name for path in READMES] == list(FOLDERS)
    for folder in FOLDERS:
        assert any(str(parameter.id).startswith(f"{folder}/") for parameter in WORK_QUEUE_JOBS)


@pytest.mark.parametrize("manifest", WORK_QUEUE_JOBS)
def test_the_models_know_every_field_of_a_work_queue_job(manifest: dict[str, Any]) -> None:
    spec = WorkQueueJobSpec.from_manifest(manifest["spec"])

    assert manifest["apiVersion"] == API_VERSION
    assert len(manifest["metadata"]["name"]) <= NAME_MAX_LENGTH
    # A misspelt field would be ignored, and so be missing here.
    assert contains(spec.to_manifest(), manifest["spec"])


@pytest.mark.parametrize("path", [path for path in MANIFESTS if path != MINIMAL], ids=name_of)
def test_every_image_is_one_that_the_local_cluster_builds(path: Path) -> None:
    assert set(find_images(read_manifests(path))) <= BUILT


@pytest.mark.parametrize("readme", READMES, ids=name_of)
def test_a_readme_links_to_every_file_of_its_folder(readme: Path) -> None:
    linked = {(readme.parent / found[1]).resolve() for found in _LINK.finditer(readme.read_text())}

    beside = {path for path in readme.parent.iterdir() if path != readme}
    assert beside <= linked


@pytest.mark.parametrize("readme", READMES, ids=name_of)
def test_what_a_readme_names_is_there(readme: Path) -> None:
    text = readme.read_text()

    for target, anchor in _LINK.findall(text):
        document = readme.parent / target
        assert document.exists(), target
        if anchor:
            assert anchor in find_anchors(document), f"{target}#{anchor}"
    for block in _SHELL_BLOCK.findall(text):
        for path in _PATH.findall(block):
            assert (ROOT / path).exists(), path


def find_anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings, made as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_minimal_example_has_ten_lines() -> None:
    assert len(MINIMAL.read_text().splitlines()) == 10


@pytest.mark.parametrize("document", [ROOT / "README.md", EXAMPLES / "coarse-rabbitmq/README.md"])
def test_documents_show_the_minimal_example_as_it_is(document: Path) -> None:
    blocks: list[str] = _YAML_BLOCK.findall(document.read_text())

    shown = [block for block in blocks if KIND in block]

    assert shown == [MINIMAL.read_text()]
