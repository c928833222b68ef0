"""Gathers what the workers of one WorkQueueJob report by their pods' termination messages.

The watch brings them as pods end; before a finished Job is folded into the totals its pods are
listed once, so that none is missed. Reports of pods that are deleted are kept until then.
"""

from collections.abc import Mapping
from typing import Any

from workqueuejob.api import WorkQueueJob
from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.names import WORKER_LABEL
from workqueuejob.planning.observed import ObservedJob
from workqueuejob.planning.pod_reports import PodReport, attach_reports, read_pod_report

_PODS_AT_ONCE = 500


class WorkerReports:
    """The reports of one WorkQueueJob's pods, by the pod's UID."""

    def __init__(self) -> None:
        self._reports: dict[str, PodReport] = {}
        self._complete: set[str] = set()

    def put(self, manifest: Mapping[str, Any], *, is_gone: bool = False) -> bool:
        """Take in a pod, or its deletion; return whether it is news."""
        report = read_pod_report(manifest, is_gone=is_gone)
        if report is None or self._reports.get(report.uid) == report:
            return False
        self._reports[report.uid] = report
        return True

    async def attach(
        self, cluster: ClusterAPI, resource: WorkQueueJob, jobs: tuple[ObservedJob, ...]
    ) -> tuple[ObservedJob, ...]:
        """Return the Jobs with what their workers report; raises ClusterError."""
        if resource.spec.worker is None:
            return jobs
        recorded = resource.status.waves or 0
        listed = {job.wave for job in resource.status.jobs}
        folded = {job.name for job in jobs if job.wave <= recorded and job.wave not in listed}
        self._forget(folded)
        return tuple(
            [
                job if job.name in folded else await self._attach(cluster, resource, job)
                for job in jobs
            ]
        )

    def _forget(self, jobs: set[str]) -> None:
        """Drop the reports of Jobs that are in the totals: a long run has many."""
        self._complete -= jobs
        if any(report.job in jobs for report in self._reports.values()):
            self._reports = {
                uid: report for uid, report in self._reports.items() if report.job not in jobs
            }

    async def _attach(
        self, cluster: ClusterAPI, resource: WorkQueueJob, job: ObservedJob
    ) -> ObservedJob:
        if job.state.is_terminal and job.name not in self._complete:
            for pod in await cluster.list_pods(
                resource.metadata.namespace,
                label_selector=f"{WORKER_LABEL},batch.kubernetes.io/job-name={job.name}",
                limit=_PODS_AT_ONCE,
            ):
                self.put(pod)
            self._complete.add(job.name)
        is_listed = job.name in self._complete
        return attach_reports(job, self._reports.values(), is_listed=is_listed)
