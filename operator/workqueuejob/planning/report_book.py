"""Keeps what the workers of one WorkQueueJob have reported, until it is in the totals.

Reports come one by one as pods end. Before a finished Job is folded into the totals its pods must
have been listed once, so that none is missed; after that its reports are dropped, for a long run
has many. Those of pods that are deleted are kept as long as the others.
"""

from collections.abc import Mapping
from typing import Any

from workqueuejob.api import WorkQueueJob
from workqueuejob.planning.ledger import is_folded
from workqueuejob.planning.observed import ObservedJob
from workqueuejob.planning.pod_reports import PodReport, attach_reports, read_pod_report


class ReportBook:
    """Reports by Job, and by the pod's UID."""

    def __init__(self) -> None:
        self._reports: dict[str, dict[str, PodReport]] = {}
        self._listed: set[str] = set()

    def put(self, manifest: Mapping[str, Any], *, is_gone: bool = False) -> bool:
        """Take in a pod, or its deletion; return whether it is news."""
        report = read_pod_report(manifest, is_gone=is_gone)
        if report is None:
            return False
        known = self._reports.setdefault(report.job, {})
        if known.get(report.uid) == report:
            return False
        known[report.uid] = report
        return True

    def find_unlisted(
        self, resource: WorkQueueJob, jobs: tuple[ObservedJob, ...]
    ) -> tuple[str, ...]:
        """Return the finished Jobs whose pods are to be listed, and put, before `attach`."""
        if resource.spec.worker is None:
            return ()
        return tuple(
            job.name
            for job in jobs
            if job.state.is_terminal
            and job.name not in self._listed
            and not is_folded(resource.status, job.wave)
        )

    def note_listed(self, job: str) -> None:
        """Note that every pod there is of a finished Job was put."""
        self._listed.add(job)

    def attach(
        self, resource: WorkQueueJob, jobs: tuple[ObservedJob, ...]
    ) -> tuple[ObservedJob, ...]:
        """Return the Jobs with what their workers report; forget those in the totals."""
        if resource.spec.worker is None:
            return jobs
        open_jobs = {job.name for job in jobs if not is_folded(resource.status, job.wave)}
        self._listed &= open_jobs
        # A Job that is gone tells nothing more either, though its pods may go after it.
        self._reports = {job: own for job, own in self._reports.items() if job in open_jobs}
        return tuple(self._attach(job) if job.name in open_jobs else job for job in jobs)

    def _attach(self, job: ObservedJob) -> ObservedJob:
        reports = self._reports.get(job.name, {})
        return attach_reports(job, reports.values(), is_listed=job.name in self._listed)
