"""What is remembered of Jobs, whatever order news comes in."""

from tests.builders import NAME, UID, a_job_manifest
from workqueuejob.controller.store import JobStore
from workqueuejob.names import job_name


def a_version(version: int, *, wave: int = 1, succeeded: int = 0) -> dict[str, object]:
    manifest = a_job_manifest(wave, status={"succeeded": succeeded})
    manifest["metadata"]["resourceVersion"] = str(version)
    return manifest


def test_older_news_does_not_undo_what_a_write_was_answered_with() -> None:
    store = JobStore()
    store.put(a_version(9, succeeded=3))

    assert not store.put(a_version(8, succeeded=2))

    assert store.jobs[0].succeeded == 3


def test_ninth_version_is_older_than_the_tenth() -> None:
    store = JobStore()
    store.put(a_version(9))

    assert store.put(a_version(10, succeeded=1))


def test_complete_list_forgets_what_is_not_on_it() -> None:
    store = JobStore()
    store.put(a_version(5, wave=1))

    store.replace_all([a_version(7, wave=2)], resource_version="8")

    assert [job.wave for job in store.jobs] == [2]


def test_complete_list_keeps_what_was_made_after_it() -> None:
    store = JobStore()
    store.put(a_version(9, wave=2))

    store.replace_all([a_version(7, wave=1)], resource_version="8")

    assert [job.wave for job in store.jobs] == [1, 2]


def test_every_change_moves_the_moment_that_a_measurement_must_be_newer_than() -> None:
    store = JobStore()
    first = store.changed_at
    store.put(a_version(5))
    second = store.changed_at
    store.put(a_version(5))
    assert store.changed_at == second > first
    store.remove(job_name(NAME, UID, 1))
    assert store.changed_at > second


def test_deletion_of_a_namesake_that_was_before_is_no_news() -> None:
    store = JobStore()
    again = a_version(9)
    again["metadata"]["uid"] = "new"  # type: ignore[index]  # a dict
    store.put(again)

    assert not store.remove(job_name(NAME, UID, 1), uid="old")
    assert store.remove(job_name(NAME, UID, 1), uid="new")


def test_job_that_can_not_be_read_is_ignored() -> None:
    store = JobStore()

    assert not store.put({"metadata": {"name": "x", "labels": {}}, "spec": {}})

    assert store.jobs == ()
