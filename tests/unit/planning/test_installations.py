"""Which installation of the operator a run belongs to, and how it gets its name into the status."""

from dataclasses import replace
from itertools import product

import pytest

from tests.builders import a_job, a_work_queue_job
from workqueuejob.api import WorkQueueJobStatus
from workqueuejob.names import is_installation, label_installation, read_installation
from workqueuejob.planning.observing.observed import ObservedJob
from workqueuejob.planning.rules.installations import Installation, claim, find_other_installation

OURS, OTHER, THIRD = "wqj/one", "wqj/two", "wqj/three"
NAMES = (OURS, OTHER, THIRD)
LABELS = tuple(product((None, *map(label_installation, NAMES)), repeat=2))
"""Of the Jobs of two waves."""


def made_by(label: str | None, wave: int = 1) -> ObservedJob:
    return replace(a_job(wave), installation=label)


def find(
    holder: str | None,
    *labels: str | None,
    own: str = OURS,
    takes_over: frozenset[str] = frozenset(),
    has_held: bool = False,
) -> str | None:
    resource = a_work_queue_job(status=WorkQueueJobStatus(installation=holder))
    jobs = [made_by(label, wave) for wave, label in enumerate(labels, start=1)]
    return find_other_installation(Installation(own, takes_over), resource, jobs, has_held=has_held)


def test_run_of_an_earlier_version_has_no_name_and_is_taken() -> None:
    assert find(None) is None
    assert find(None, None, None) is None


def test_name_in_the_status_decides() -> None:
    assert find(OURS) is None
    assert find(OTHER) == OTHER
    # Jobs keep their maker's label after their run was handed over.
    assert find(OURS, label_installation(OTHER)) is None
    assert find(OTHER, label_installation(OURS)) == OTHER


def test_newest_job_decides_while_the_status_has_no_name() -> None:
    own, other = label_installation(OURS), label_installation(OTHER)

    assert find(None, own, other) == OTHER
    assert find(None, other, own) is None
    # An operator of an earlier version has made the newest one.
    assert find(None, other, None) == OTHER


def test_run_of_a_named_predecessor_is_taken_over() -> None:
    predecessor = frozenset({OTHER})

    assert find(OTHER, takes_over=predecessor) is None
    assert find(None, label_installation(OTHER), takes_over=predecessor) is None
    assert find(THIRD, takes_over=predecessor) == THIRD


def test_run_that_was_lost_is_not_taken_over_again() -> None:
    assert find(OTHER, takes_over=frozenset({OTHER}), has_held=True) == OTHER


@pytest.mark.parametrize("holder", [None, *NAMES])
@pytest.mark.parametrize("labels", LABELS)
def test_of_two_that_serve_a_namespace_one_works_on_each_run(
    holder: str | None, labels: tuple[str | None, ...]
) -> None:
    """Both only on a run without a name, and neither only on the run of a third one."""
    left = [find(holder, *labels), find(holder, *labels, own=OTHER)]

    is_free = holder is None and not any(labels)
    assert left.count(None) == (2 if is_free else 0 if THIRD in left else 1)
    assert left[0] != OURS
    assert left[1] != OTHER


def test_name_enters_the_status_with_a_write_that_is_due() -> None:
    own, old = Installation(OURS), WorkQueueJobStatus(waves=1)

    assert claim(own, old, old) == old
    assert claim(own, old, WorkQueueJobStatus(waves=2)).installation == OURS


def test_run_that_is_taken_over_gets_the_name_at_once() -> None:
    old = WorkQueueJobStatus(waves=1, installation=OTHER)

    assert claim(Installation(OURS), old, old).installation == OURS


@pytest.mark.parametrize("name", ["a/b", "wqj-system/wqj", f"{'n' * 63}/{'r' * 253}", "a/b.c-d"])
def test_label_of_an_installation_is_one_that_kubernetes_takes(name: str) -> None:
    label = label_installation(name)

    assert is_installation(name)
    assert len(label) <= 63
    assert "/" not in label
    assert label[0].isalnum()
    assert label[-1].isalnum()


def test_labels_of_two_installations_differ_and_can_be_read() -> None:
    long = f"{'n' * 63}/{'r' * 53}"

    assert label_installation("a-b/c") != label_installation("a/b-c")
    assert label_installation(long + "1") != label_installation(long + "2")
    assert read_installation(label_installation("wqj-system/wqj.blue")) == "wqj-system/wqj.blue"


@pytest.mark.parametrize("name", ["", "wqj", "a/", "/b", "a/b/c", "A/b", "a.b/c", "-a/b", "a/b\n"])
def test_text_that_is_no_namespace_and_name_is_no_installation(name: str) -> None:
    assert not is_installation(name)
