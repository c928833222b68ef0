"""The termination message, as it is written and read by operators and workers of any version."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from workqueuejob.contract.report import ItemCounts, Report, read_report, write_report

ROOT = Path(__file__).parents[3]
RELEASES = tomllib.loads((ROOT / "releases.toml").read_text())
PATH = "operator/workqueuejob/contract/report.py"
FORMER_PATHS = {"0.1.0": "operator/workqueuejob/protocol/report.py"}
COUNTS = ItemCounts(1, 2, 3, 4, 5, 6, 7)
LARGEST = ItemCounts(*[10**12] * 8)
SAID = write_report(COUNTS, held=1, note="told to stop", message="converted")


@pytest.fixture(params=RELEASES)
def released(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of a release."""
    commit = RELEASES[request.param]["commit"]
    path = FORMER_PATHS.get(request.param, PATH)
    done = subprocess.run(
        ["git", "show", f"{commit}:{path}"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    module = ModuleType("released_report")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(done.stdout, module.__dict__)  # noqa: S102 - our own
    return module


def test_operator_of_a_release_reads_what_is_written_now(released: ModuleType) -> None:
    found = released.read_report(SAID)
    assert found.counts == released.ItemCounts(1, 2, 3, 4, 5, 6, 7)
    assert (found.holding, found.note) == (True, "told to stop")


def test_report_of_a_release_is_read(released: ModuleType) -> None:
    said = released.write_report(
        released.ItemCounts(1, 2, 3, 4, 5, 6, 7), holding=True, note="told to stop"
    )
    assert read_report(said) == Report(COUNTS, held=1, note="told to stop")
    assert read_report(said.ljust(200)) == read_report(said)


@pytest.mark.parametrize(
    "text", ["converted\n", "{}", '{"wqj":1,"succeeded":900}', "\0\0\0x", "\n", "}", SAID]
)
def test_text_behind_a_report_changes_nothing(text: str) -> None:
    assert read_report(SAID + text) == read_report(SAID)


@pytest.mark.parametrize("text", ["converted\n", "0", "\0", '{"a":1}\n', "wqj-worker: ended\n"])
def test_report_behind_other_text_is_none(text: str) -> None:
    # Such as a log's, which the kubelet gives where the file is empty, if the policy says so.
    assert read_report(text + SAID) is None


def test_report_that_is_cut_in_its_texts_still_counts() -> None:
    # With many containers in a pod the kubelet keeps the beginnings of their messages.
    for length in range(SAID.index('"note":"') + len('"note":"'), len(SAID)):
        found = read_report(SAID[:length])
        assert found is not None
        assert (found.counts, found.holding) == (COUNTS, True)


def test_report_that_is_cut_in_its_numbers_is_none() -> None:
    for length in range(SAID.index('"note":"')):
        assert read_report(SAID[:length]) is None


@pytest.mark.parametrize("text", ["a", "\N{TANGERINE}", "\\", '"', "\0", "é", "\udcff"])
def test_report_is_never_longer_than_the_kubelet_keeps(text: str) -> None:
    lacks = ("x" * 500,)
    said = write_report(LARGEST, held=1, lacks=lacks, note=text * 5000, message=text * 5000)
    assert len(said.encode()) < 2500
    found = read_report(said)
    assert found is not None
    assert found.counts == LARGEST
    assert found.note
    said = write_report(LARGEST, note=text * 5000)
    assert len(said.encode()) < 2500
    found = read_report(said)
    assert found
    assert found.note
    assert set(found.note) == {text if text.isprintable() else " "}


def test_report_names_the_features_that_its_worker_lacks() -> None:
    lacks = ("colour", "retry.max_boredom")
    found = read_report(write_report(COUNTS, lacks=lacks, note="told to stop"))
    assert found is not None
    assert found.lacks == lacks
    assert found.note
    assert "goes on without colour, retry.max_boredom" in found.note
    assert found.note.endswith("told to stop")


def test_report_of_a_worker_that_knows_all_features_says_so() -> None:
    assert read_report(write_report(COUNTS, lacks=())) == Report(COUNTS, lacks=())
    assert read_report(write_report(COUNTS)) == Report(COUNTS)


def test_keys_that_a_newer_worker_adds_are_passed_over() -> None:
    said = '{"wqj":1,"succeeded":2,"batches":3,"consumers":["a"],"note":"fine"}'
    assert read_report(said) == Report(ItemCounts(succeeded=2), note="fine")


@pytest.mark.parametrize(
    ("content", "held"),
    [
        ({}, 0),
        ({"holding": True}, 1),
        ({"holding": True, "held": 8}, 8),
        ({"held": 8}, 0),
        ({"holding": True, "held": 0}, 1),
        ({"holding": True, "held": 257}, 1),
        ({"holding": True, "held": True}, 1),
        ({"holding": True, "held": "8"}, 1),
    ],
)
def test_number_in_hand_is_one_that_a_worker_may_have(content: dict[str, Any], held: int) -> None:
    report = read_report(json.dumps({"wqj": 1, **content}))
    assert report is not None
    assert (report.held, report.holding) == (held, held > 0)


@pytest.mark.parametrize("held", [0, 1, 2, 256])
def test_earlier_operator_reads_that_items_are_in_hand(released: ModuleType, held: int) -> None:
    said = write_report(COUNTS, held=held)
    found = read_report(said)
    assert found is not None
    assert found.held == held
    of_release = released.read_report(said)
    assert of_release.holding is (held > 0)
