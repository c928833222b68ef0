"""What is written for people: links lead somewhere, code is code, and no field is left out."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml

from workqueuejob.api import WorkQueueJobSpec, WorkQueueJobStatus
from workqueuejob.api.base import Model
from workqueuejob.errors import QueueError
from workqueuejob.planning.verdict import Progress

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("bench", "docs", "deploy", "dev", "examples")
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.md"))]
)

PLAIN_DOCUMENTS = [
    path for path in DOCUMENTS if path.name != "CHANGELOG.md" and not path.name[:4].isdigit()
]
"""All but decisions, which stay as they were written, and the changelog."""

CONDITION_FIELDS = frozenset({"lastTransitionTime", "type", "status", "reason"})
"""Those that every Kubernetes object has."""

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?)\s*$", re.MULTILINE)
_ELSEWHERE = re.compile(r"[a-z]+:")
_READ_TWICE = re.compile(r"\b(?:anew|told|somebody|nobody|whoever|lest)\b", re.IGNORECASE)
_IMAGE = re.compile(r'<img [^>]*\bsrc="([^"]+)"')
_MODULE = re.compile(r"python3? -u? ?-m ([a-z_]+(?:\.[a-z_]+)+)")
_PLACEHOLDER = re.compile(r"NNNN|NAME|[<>*…{}$]|seed-N")
_SUFFIXES = frozenset(
    {
        ".json",
        ".lock",
        ".lua",
        ".md",
        ".mod",
        ".py",
        ".svg",
        ".toml",
        ".tpl",
        ".txt",
        ".yaml",
    }
)
PACKAGE = ROOT / "operator" / "workqueuejob"
TOP_LEVEL = frozenset(path.name for path in ROOT.iterdir() if path.is_dir())


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def find_blocks(language: str) -> list[Any]:
    """Return the fenced blocks of a language, each with where it stands."""
    return [
        pytest.param(
            found[2], id=f"{name_of(path)}:{path.read_text()[: found.start()].count(chr(10))}"
        )
        for path in DOCUMENTS
        for found in _FENCED.finditer(path.read_text())
        if found[1] == language
    ]


def find_anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings, made as GitHub makes them."""
    seen: Counter[str] = Counter()
    anchors = set()
    for heading in _HEADING.findall(_FENCED.sub("", document.read_text())):
        text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        anchors.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return anchors


def find_paths(document: Path) -> set[str]:
    """Return what a document names as a file or folder of this repository, in its code spans."""
    text = _FENCED.sub("", document.read_text())
    words = {word for span in _CODE.findall(text) for word in span.strip("`").split()}
    paths = {word.rstrip(".,:;").partition("::")[0] for word in words if "/" in word}
    return {path for path in paths if is_path(path)}


def is_path(word: str) -> bool:
    """Return whether a word with a slash can only mean a file or folder of this repository."""
    if word.startswith(("/", "~", ".")) or _ELSEWHERE.match(word) or _PLACEHOLDER.search(word):
        return False
    return Path(word).suffix in _SUFFIXES or word.partition("/")[0] in TOP_LEVEL


def find_field_names(model: type[Model]) -> Iterator[str]:
    """Yield the names of a model's fields, and of those below them, as a manifest spells them."""
    schema = model.model_json_schema(by_alias=True)
    for part in (schema, *schema.get("$defs", {}).values()):
        yield from part.get("properties", {})


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    for link in _LINK.findall(_CODE.sub("", _FENCED.sub("", document.read_text()))):
        if _ELSEWHERE.match(link):
            continue
        target, _, anchor = unquote(link).partition("#")
        found = (document.parent / target).resolve() if target else document

        assert found.is_relative_to(ROOT), link
        assert found.exists(), link
        if anchor:
            assert anchor in find_anchors(found), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_picture_is_there(document: Path) -> None:
    for source in _IMAGE.findall(document.read_text()):
        assert (document.parent / source).is_file(), source


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_path_in_the_text_exists(document: Path) -> None:
    """A path starts at the root, at the package `workqueuejob`, or at the document."""
    starts = (ROOT, PACKAGE, document.parent)

    missing = [
        path
        for path in sorted(find_paths(document))
        if not any((start / path).exists() for start in starts)
    ]

    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_module_that_a_document_runs_exists(document: Path) -> None:
    for module in _MODULE.findall(document.read_text()):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module


@pytest.mark.parametrize("document", PLAIN_DOCUMENTS, ids=name_of)
def test_no_document_has_a_word_that_is_read_twice(document: Path) -> None:
    """Messages that are quoted keep their words."""
    text = _CODE.sub("", _FENCED.sub("", document.read_text()))

    assert _READ_TWICE.findall(text) == []


def test_where_is_what_names_files_and_what_is_in_them() -> None:
    section = (ROOT / "CONTRIBUTING.md").read_text().partition("## Where is what")[2]
    lines = section.partition("\n## ")[0].splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")][2:]
    assert len(rows) > 12

    for _, files, *names in rows:
        text = "".join(
            source.read_text()
            for path in re.findall(r"`([^`<]*(?:<name>)?[^`<]*)`", files)
            for source in find_files(path.replace("<name>", "*"))
        )
        assert text, files
        for name in re.findall(r"`([^`]+)`", " ".join(names)):
            assert re.search(rf"^ *(def|class|async def)? ?{name}\b", text, re.MULTILINE), name


def test_every_long_module_has_a_reason_for_its_length() -> None:
    section = (ROOT / "CONTRIBUTING.md").read_text().partition("### Modules of other lengths")[2]
    listed = set(re.findall(r"`([^`]+\.py)`", section.partition("\n## ")[0]))

    long = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if len(path.read_text().splitlines()) > 250
    }

    assert long <= listed


def find_files(pattern: str) -> list[Path]:
    """Return the files that a path, relative to the package or to the root, may stand for."""
    found = [path for start in (PACKAGE, ROOT) for path in start.glob(pattern)]
    return [path for path in found if path.is_file()] or sorted(
        path for folder in found for path in folder.rglob("*.py")
    )


def test_every_document_of_the_folder_is_linked_from_the_readme() -> None:
    linked = _LINK.findall((ROOT / "README.md").read_text())

    for document in (ROOT / "docs").glob("*.md"):
        assert name_of(document) in {link.partition("#")[0] for link in linked}


def test_every_test_that_the_threat_model_cites_exists() -> None:
    cited = re.findall(r"`(tests/[^`]+)`", (ROOT / "SECURITY.md").read_text())
    assert len(cited) > 10
    assert [path for path in cited if not (ROOT / path).is_file()] == []


def test_every_decision_is_in_the_table_of_decisions() -> None:
    table = (ROOT / "docs/adr/README.md").read_text()

    for decision in (ROOT / "docs/adr").glob("[0-9]*.md"):
        assert f"[{decision.name[:4]}]({decision.name})" in table


@pytest.mark.parametrize("block", find_blocks("python"))
def test_python_in_a_document_compiles(block: str) -> None:
    compile(block, "document", "exec")


@pytest.mark.parametrize("block", find_blocks("yaml"))
def test_yaml_in_a_document_parses(block: str) -> None:
    assert yaml.safe_load(block)


def test_the_program_that_needs_no_broker_runs_as_it_is_shown() -> None:
    shown = [p.values[0] for p in find_blocks("python") if "MemoryBroker" in str(p.values[0])]

    assert shown
    for block in shown:
        exec(compile(str(block), "document", "exec"), {})  # noqa: S102 - our own document


@pytest.mark.parametrize("model", [WorkQueueJobSpec, WorkQueueJobStatus])
def test_the_reference_names_every_field(model: type[Model]) -> None:
    words = set(re.findall(r"\w+", (ROOT / "docs/reference.md").read_text()))

    assert set(find_field_names(model)) - CONDITION_FIELDS <= words


def test_troubleshooting_names_every_reason() -> None:
    text = (ROOT / "docs/troubleshooting.md").read_text()
    reasons = {str(progress) for progress in Progress}
    reasons |= {error.__name__ for error in QueueError.__subclasses__()}

    assert all(f"`{reason}`" in text for reason in reasons), reasons
