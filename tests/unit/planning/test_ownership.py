"""Whose a Job or a pod is, whatever its labels say."""

from typing import Any

import pytest

from tests.builders import (
    NAME,
    NAMESPACE,
    UID,
    a_finished_job,
    a_job,
    a_job_manifest,
    a_pod_metadata,
    a_reporting_pod,
    a_work_queue_job,
    an_owner,
)
from workqueuejob.api import WorkQueueJobStatus
from workqueuejob.contract.report import ItemCounts
from workqueuejob.names import WAVE_LABEL, job_name
from workqueuejob.planning.ledger.report_book import EARLY_REPORTS_MAX, ReportBook
from workqueuejob.planning.observing.observed import ObservedJob
from workqueuejob.planning.observing.ownership import (
    is_own_job,
    keep_own_pods,
    read_job_uid,
    read_wave,
)

RUN = a_work_queue_job(worker={"source": "Image"})


def a_changed_job(**metadata: Any) -> dict[str, Any]:
    manifest = a_job_manifest()
    manifest["metadata"] |= metadata
    return manifest


def a_finished_pod(uid: str, job: ObservedJob, **metadata: Any) -> dict[str, Any]:
    return a_reporting_pod(uid, job, ItemCounts(succeeded=2), **metadata)


def count(book: ReportBook, *jobs: ObservedJob, **status: Any) -> int:
    """Return how many items the Jobs' pods have reported as succeeded."""
    run = a_work_queue_job(
        worker={"source": "Image"}, status=WorkQueueJobStatus.model_validate(status)
    )
    return sum(job.items.succeeded for job in book.attach(run, jobs) if job.items)


def test_job_that_we_made_is_ours_whatever_version_our_api_has_by_now() -> None:
    assert is_own_job(a_job_manifest(7), a_work_queue_job())
    newer = a_changed_job(ownerReferences=[an_owner(apiVersion="wqj.dev/v1")])
    assert is_own_job(newer, a_work_queue_job())


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param({"namespace": "elsewhere"}, id="another namespace"),
        pytest.param({"ownerReferences": []}, id="labels only"),
        pytest.param({"ownerReferences": [an_owner(uid="another")]}, id="another's"),
        pytest.param({"ownerReferences": [an_owner(controller=False)]}, id="owned, not controlled"),
        pytest.param({"ownerReferences": [an_owner(kind="CronJob")]}, id="another kind"),
        pytest.param({"ownerReferences": [an_owner(apiVersion="batch/v1")]}, id="another group"),
        pytest.param({"name": "copy-of-it"}, id="a copy under another name"),
        pytest.param({"labels": {WAVE_LABEL: "99"}}, id="a wave that its name is not of"),
        pytest.param({"labels": {}}, id="no wave"),
    ],
)
def test_job_that_only_looks_like_one_of_ours_is_not(metadata: dict[str, Any]) -> None:
    assert not is_own_job(a_changed_job(**metadata), a_work_queue_job())


@pytest.mark.parametrize("label", ["", "-1", "1.5", "²", "x", "9" * 40])
def test_wave_that_can_not_be_is_no_wave(label: str) -> None:
    manifest = a_changed_job(name=job_name(NAME, UID, 1), labels={WAVE_LABEL: label})
    assert read_wave(manifest) == 0
    assert not is_own_job(manifest, a_work_queue_job())


def test_pod_is_that_of_the_job_which_controls_it() -> None:
    job, other = a_job(1), a_job(2)
    assert read_job_uid(a_finished_pod("a", job)) == job.uid
    owners = a_pod_metadata("a", job)["ownerReferences"]
    adopted = {**owners[0], "controller": False}, *a_pod_metadata("a", other)["ownerReferences"]
    assert read_job_uid(a_finished_pod("a", job, ownerReferences=list(adopted))) == other.uid
    assert read_job_uid(a_finished_pod("a", job, ownerReferences=[])) == ""
    replica_set = {**owners[0], "kind": "ReplicaSet", "apiVersion": "apps/v1"}
    assert read_job_uid(a_finished_pod("a", job, ownerReferences=[replica_set])) == ""


def test_only_pods_of_known_jobs_are_looked_at() -> None:
    own = [a_finished_pod("a", a_job(1)), a_finished_pod("b", a_job(2))]
    others = [
        a_finished_pod("c", a_job(3)),
        a_finished_pod("d", a_job(uid="another")),
        a_finished_pod("e", a_job(), ownerReferences=[]),
    ]
    assert keep_own_pods([*others, *own], (a_job(1), a_job(2))) == own


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param(a_finished_pod("a", a_job(), namespace="elsewhere"), id="another namespace"),
        pytest.param(a_finished_pod("a", a_job(), ownerReferences=[]), id="labels only"),
        pytest.param(a_finished_pod("a", a_job(uid="another")), id="a Job of the same name"),
    ],
)
def test_report_of_a_pod_that_is_not_ours_does_not_count(pod: dict[str, Any]) -> None:
    book = ReportBook(NAMESPACE)
    book.put(pod)
    book.put(pod, is_gone=True)
    assert count(book, a_job()) == 0


def test_report_that_comes_before_its_job_counts_once_the_job_is_known() -> None:
    book = ReportBook(NAMESPACE)
    book.put(a_finished_pod("a", a_job(2)))
    assert count(book, a_job(1), waves=1) == 0

    assert count(book, a_job(1), a_job(2), waves=1) == 2
    assert count(book, a_job(1), a_job(2), waves=1) == 2


def test_job_that_is_known_but_not_seen_yet_after_a_restart_keeps_its_reports() -> None:
    book = ReportBook(NAMESPACE)
    book.put(a_finished_pod("a", a_job(1)))
    recorded = {"waves": 1, "jobs": [{"name": a_job(1).name, "wave": 1}]}
    assert count(book, **recorded) == 0
    assert count(book, a_job(1), **recorded) == 2


def test_early_reports_are_bounded_and_a_list_brings_back_what_was_dropped() -> None:
    book = ReportBook(NAMESPACE)
    pods = [a_finished_pod(f"pod {number}", a_job()) for number in range(EARLY_REPORTS_MAX + 5)]
    for pod in pods:
        book.put(pod)
    assert count(book, a_job()) == 2 * EARLY_REPORTS_MAX

    assert book.find_unlisted(RUN, (a_finished_job(),)) == (a_finished_job(),)
    for pod in pods:
        book.put(pod)
    assert count(book, a_job()) == 2 * len(pods)


def test_early_report_of_a_wave_that_is_in_the_totals_is_forgotten() -> None:
    book = ReportBook(NAMESPACE)
    assert book.put(a_finished_pod("a", a_job(1)))
    assert count(book, waves=1) == 0
    assert book.put(a_finished_pod("a", a_job(1))), "it is news again"
