"""Keeps what the workers of one WorkQueueJob have reported, until it is in the totals.

Reports come one by one as pods end. Before a finished Job is folded into the totals, its pods are
listed once, so that no report is missed. After that its reports are dropped, because a long run has
many. The report of a deleted pod is kept as long as any other, and is as certain. Only a restarted
operator can't read it again: it finds in status how many such reports there were, and counts each
of their pods as uncertain.

A report counts for the Job that controls its pod, by the Job's UID. The watch may show a pod before
its Job, so a report is kept until its Job is known.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from workqueuejob.api import WorkQueueJob
from workqueuejob.planning.ledger.run import is_folded
from workqueuejob.planning.observing.observed import ObservedJob
from workqueuejob.planning.observing.ownership import read_job_uid
from workqueuejob.planning.observing.pod_reports import (
    PodReport,
    attach_reports,
    read_pod_report,
)
from workqueuejob.planning.observing.worker_containers import (
    RunningWorker,
    read_running_worker,
)

EARLY_REPORTS_MAX = 1000
"""The most reports of pods whose Job is not known; the oldest is dropped.

The list of the finished Job's pods brings it again.
"""


class ReportBook:
    """The reports of one namespace's pods, by the UID of the Job and of the pod."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._reports: dict[str, dict[str, PodReport]] = {}
        self._early: dict[str, PodReport] = {}
        self._listed: set[str] = set()
        self._unreadable: dict[str, int] = {}
        self._running: dict[str, dict[str, RunningWorker]] = {}

    def put(self, manifest: Mapping[str, Any], *, is_gone: bool = False) -> bool:
        """Take in a pod, or its deletion; return whether it is news."""
        if manifest["metadata"].get("namespace") != self._namespace:
            return False
        self._follow_running(manifest, is_gone=is_gone)
        report = read_pod_report(manifest, is_gone=is_gone)
        if report is None or not report.job:
            return False
        known = self._reports.get(report.job, self._early)
        if known.get(report.uid) == report:
            return False
        known[report.uid] = report
        if len(self._early) > EARLY_REPORTS_MAX:
            del self._early[next(iter(self._early))]
        return True

    def _follow_running(self, manifest: Mapping[str, Any], *, is_gone: bool) -> None:
        """Note whether a pod's worker runs, which is no news."""
        worker = read_running_worker(manifest, is_gone=is_gone)
        workers = self._running.setdefault(read_job_uid(manifest), {})
        if worker is None:
            workers.pop(manifest["metadata"]["uid"], None)
        else:
            workers[worker.uid] = worker

    def find_unlisted(
        self, resource: WorkQueueJob, jobs: tuple[ObservedJob, ...]
    ) -> tuple[ObservedJob, ...]:
        """Return the finished Jobs whose pods must be listed, and put here, before `attach`."""
        if resource.spec.worker is None:
            return ()
        return tuple(
            job
            for job in jobs
            if job.state.is_terminal
            and job.uid not in self._listed
            and not is_folded(resource.status, job.wave)
        )

    def note_listed(self, job: ObservedJob) -> None:
        """Note that every pod of a finished Job was put here."""
        self._listed.add(job.uid)

    def attach(
        self, resource: WorkQueueJob, jobs: tuple[ObservedJob, ...]
    ) -> tuple[ObservedJob, ...]:
        """Return the Jobs with what their workers report; forget reports that are in the totals."""
        if resource.spec.worker is None:
            return jobs
        open_jobs = {job.uid for job in jobs if not is_folded(resource.status, job.wave)}
        self._listed &= open_jobs
        self._note_unreadable(resource, jobs, open_jobs)
        # The reports of a Job that is gone are dropped too, although its pods may go after it.
        self._reports = {uid: self._reports.get(uid, {}) for uid in open_jobs}
        self._running = {uid: self._running.get(uid, {}) for uid in open_jobs}
        self._take_in_early(resource)
        return tuple(self._attach(job) if job.uid in open_jobs else job for job in jobs)

    def _note_unreadable(
        self, resource: WorkQueueJob, jobs: tuple[ObservedJob, ...], open_jobs: set[str]
    ) -> None:
        """Note, when a Job is first seen, the deleted pods that a former operator had read."""
        recorded = {job.wave: job.deleted or 0 for job in resource.status.jobs}
        self._unreadable = {
            job.uid: self._unreadable.get(job.uid, recorded.get(job.wave, 0))
            for job in jobs
            if job.uid in open_jobs
        }

    def _take_in_early(self, resource: WorkQueueJob) -> None:
        """Give early reports to the Jobs that are known by now; keep those of waves to come."""
        early, self._early = self._early, {}
        for report in early.values():
            if report.job in self._reports:
                self._reports[report.job][report.uid] = report
            elif not is_folded(resource.status, report.wave):
                self._early[report.uid] = report

    def _attach(self, job: ObservedJob) -> ObservedJob:
        reports = self._reports[job.uid]
        workers = tuple(self._running[job.uid].values())
        return attach_reports(
            replace(job, workers=workers),
            reports.values(),
            is_listed=job.uid in self._listed,
            unreadable=self._unreadable[job.uid],
        )
