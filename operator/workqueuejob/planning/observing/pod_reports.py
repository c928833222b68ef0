"""Reads from a pod's termination message what its worker has done. Asks no cluster."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from workqueuejob.api.status import CountedItems
from workqueuejob.contract import exit_codes
from workqueuejob.contract.features import list_features
from workqueuejob.contract.report import ItemCounts, Report, read_report
from workqueuejob.contract.settings import SETTINGS
from workqueuejob.planning.observing.containers import ENDED, has_never_run, read_state
from workqueuejob.planning.observing.endings import find_ender, is_disrupted
from workqueuejob.planning.observing.failed_pods import PodFailure, describe_failure
from workqueuejob.planning.observing.observed import ObservedJob
from workqueuejob.planning.observing.ownership import read_concurrency, read_job_uid, read_wave
from workqueuejob.planning.observing.worker_containers import (
    find_worker,
    has_left,
    list_variables,
)

_ORDERLY = frozenset({exit_codes.DONE, exit_codes.FAILED, exit_codes.STOPPED_EARLY})


@dataclass(frozen=True, slots=True)
class PodReport:
    """One pod that has ended."""

    uid: str

    job: str
    """The UID of the Job that controls it; empty if none does."""

    items: CountedItems
    """What its worker has reported, in the words of status."""

    wave: int = 0
    """What its label says, which proves nothing."""

    succeeded: bool = False
    """Whether it exited 0, so that its Job counts it."""

    died_idle: bool = False
    """Whether it was killed without an item in hand, or ended by its container probe or deadline
    before it had settled or tried one. Its Job doesn't count this as a failure; the operator does.
    """

    complaint: str | None = None
    """Why it could not go on, if it ended with an error."""

    ended_by: str | None = None
    """What of the template ended it, if that did."""

    lacks: tuple[str, ...] | None = None
    """The features that its worker does not know, of those that it was asked for; None if that is
    unknown."""

    failure: PodFailure | None = None
    """How it failed, in the words of its status; None if it did not, or gave a reason itself."""

    is_left: bool = False
    """Whether its worker has exited 0, and the pod goes on because of another container."""

    is_deleted: bool = False
    """Whether it is gone, so that no later operator can read it."""


def read_pod_report(manifest: Mapping[str, Any], *, is_gone: bool = False) -> PodReport | None:
    """Return what a pod of a worker reports; None as long as its worker has not ended.

    is_gone: it was deleted. If it still ran then, as when its node was lost, it reports nothing.
        If it had ended, its report is as good as before.
    """
    metadata, status = manifest["metadata"], manifest.get("status") or {}
    container = find_worker(manifest)
    is_left = not is_gone and has_left(manifest, container)
    ended = ENDED | ({"Running"} if is_gone or is_left else set())
    if status.get("phase") not in ended:
        return None
    name, terminated = container.get("name") or "", read_state(container).get("terminated") or {}
    has_run = not has_never_run(manifest, container)
    report = read_report(terminated.get("message") or "")
    is_stopped = report is not None and report.stopping
    ended_by = None if is_gone else find_ender(manifest, {name}, stopped=is_stopped)
    return PodReport(
        uid=metadata["uid"],
        job=read_job_uid(manifest),
        wave=read_wave(manifest),
        items=_count(
            report,
            uncertain=_count_uncertain(manifest, terminated, report) if has_run else 0,
            is_unreported=has_run and report is None and bool(terminated),
        ),
        succeeded=terminated.get("exitCode") == exit_codes.DONE,
        died_idle=_has_died_idle(manifest, terminated, report)
        or (ended_by is not None and _has_done_nothing(terminated, report)),
        complaint=report.note
        if report and terminated.get("exitCode") == exit_codes.FAILED
        else None,
        ended_by=ended_by,
        lacks=None if report is None else _find_lacking(manifest, report),
        failure=_describe_failure(manifest, terminated),
        is_left=is_left and terminated.get("exitCode") == exit_codes.DONE,
        is_deleted=is_gone,
    )


def attach_reports(
    job: ObservedJob, reports: Iterable[PodReport], *, is_listed: bool, unreadable: int = 0
) -> ObservedJob:
    """Return a Job with what its workers report, and with the failures that it does not count.

    is_listed: its pods were listed after it had ended, so a report that is missing never comes.
    unreadable: its failed pods that were deleted after a former operator had read their reports.
        Status has these in its sums, but not apart from the others, so each is uncertain.
    """
    own = [report for report in reports if report.job == job.uid]
    items = add_items(own)
    items = items.model_copy(update={"uncertain": items.uncertain + unreadable})
    if job.is_done and job.stuck:
        # They may still settle their items, and report it later, if their node comes back.
        items = items.model_copy(
            update={"uncertain": items.uncertain + job.stuck * job.concurrency}
        )
    if is_listed:
        missing = max(0, job.succeeded - sum(report.succeeded for report in own))
        items = items.model_copy(update={"uncertain": items.uncertain + missing})
    died_idle = sum(report.died_idle for report in own)
    complaint = next((report.complaint for report in reversed(own) if report.complaint), None)
    ended_by = next((report.ended_by for report in reversed(own) if report.ended_by), None)
    lacks = next((report.lacks for report in reversed(own) if report.lacks is not None), None)
    return replace(
        job,
        items=items,
        succeeded=_count_succeeded(job, own),
        failed=job.failed + died_idle,
        complaint=complaint,
        ended_by=ended_by,
        lacks=lacks,
        # A worker that does not know the feature works on one item at a time.
        concurrency=1 if "concurrency" in (lacks or ()) else job.concurrency,
        failure=next((report.failure for report in reversed(own) if report.failure), None),
        left=min(job.active, sum(report.is_left for report in own)),
        deleted=unreadable + sum(_is_read_for_the_last_time(report) for report in own),
    )


def add_items(reports: Iterable[PodReport]) -> CountedItems:
    """Return the sum of what the reports count."""
    every = [report.items for report in reports]
    return CountedItems(
        **{name: sum(getattr(items, name) for items in every) for name in CountedItems.model_fields}
    )


def _count_succeeded(job: ObservedJob, reports: list[PodReport]) -> int:
    """Return how many pods have succeeded.

    Kubernetes does not count the pods that it deletes because the Job was ended, although a worker
    may have exited 0 before. While the Job runs its own number counts: such a pod is replaced.
    """
    if not job.ended_by_us:
        return job.succeeded
    return max(job.succeeded, min(job.completions, sum(report.succeeded for report in reports)))


def _find_lacking(manifest: Mapping[str, Any], report: Report) -> tuple[str, ...]:
    """Return the features that a worker lacks. One of version 0.1.0 does not say, and lacks all."""
    if report.lacks is not None:
        return report.lacks
    for variables in list_variables(manifest).values():
        if SETTINGS in variables:
            return list_features(variables)
    return ()


def _count_uncertain(
    manifest: Mapping[str, Any], terminated: Mapping[str, Any], report: Report | None
) -> int:
    """Return how many items a container that ran may have settled and not reported.

    They are those in hand if it was killed, and as many as it may have if it left no report or was
    last seen running.
    """
    if terminated.get("exitCode") in _ORDERLY:
        return 0
    return read_concurrency(manifest) if report is None else report.held


def _is_read_for_the_last_time(report: PodReport) -> bool:
    """Return whether a restarted operator would miss a pod's report without noticing.

    It would notice a pod that succeeded, because its Job counts the pod.
    """
    is_worth_it = report.items.model_copy(update={"uncertain": 0}) != CountedItems()
    return report.is_deleted and not report.succeeded and is_worth_it


def _has_died_idle(
    manifest: Mapping[str, Any], terminated: Mapping[str, Any], report: Report | None
) -> bool:
    """Return whether a pod was killed without an item in hand, as for its use of memory.

    With an item in hand it is an attempt of that item. A pod that is deleted or evicted was made to
    go and doesn't count. With any other exit code than SIGKILL's its Job counts it by itself.
    """
    if terminated.get("exitCode") != exit_codes.KILLED:
        return False
    return not is_disrupted(manifest) and not (report is not None and report.holding)


def _describe_failure(
    manifest: Mapping[str, Any], terminated: Mapping[str, Any]
) -> PodFailure | None:
    """Return how a pod failed; None if it did not, or was only stopped."""
    has_failed = (manifest.get("status") or {}).get("phase") == "Failed"
    is_stopped = terminated.get("exitCode") == exit_codes.STOPPED_EARLY
    return describe_failure(manifest) if has_failed and not is_stopped else None


def _has_done_nothing(terminated: Mapping[str, Any], report: Report | None) -> bool:
    """Return whether a pod that was stopped has settled and tried nothing."""
    if terminated.get("exitCode") != exit_codes.STOPPED_EARLY:
        return False
    counts = report.counts if report else ItemCounts()
    return counts.settled + counts.attempts_failed == 0


def _count(report: Report | None, *, uncertain: int, is_unreported: bool) -> CountedItems:
    counts = report.counts if report else ItemCounts()
    return CountedItems(
        succeeded=counts.succeeded,
        dead_lettered=counts.dead_lettered,
        discarded=counts.discarded,
        attempts_failed=counts.attempts_failed + counts.attempts_lost,
        uncertain=uncertain + counts.uncertain,
        unreported=int(is_unreported),
    )
