"""Gathers what the workers of one WorkQueueJob report in their pods' termination messages.

The watch brings them when pods end. The pods of a finished Job are listed once as well, because a
watch may have missed some. How reports add up, `planning.ledger.report_book` decides.
"""

from collections.abc import Mapping
from typing import Any

from workqueuejob.api import WorkQueueJob
from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.names import JOB_LABEL, WORKER_LABEL
from workqueuejob.planning.ledger.report_book import ReportBook
from workqueuejob.planning.observing.observed import ObservedJob


class WorkerReports:
    """The reports of one WorkQueueJob's pods."""

    def __init__(self, namespace: str) -> None:
        self._book = ReportBook(namespace)

    def put(self, manifest: Mapping[str, Any], *, is_gone: bool = False) -> bool:
        """Take in a pod, or its deletion; return whether it is news."""
        return self._book.put(manifest, is_gone=is_gone)

    async def attach(
        self, cluster: ClusterAPI, resource: WorkQueueJob, jobs: tuple[ObservedJob, ...]
    ) -> tuple[ObservedJob, ...]:
        """Return the Jobs with their workers' reports; raises ClusterError."""
        for job in self._book.find_unlisted(resource, jobs):
            for pod in await cluster.list_pods(
                resource.metadata.namespace,
                label_selector=f"{WORKER_LABEL},{JOB_LABEL}={job.name}",
            ):
                self._book.put(pod)
            self._book.note_listed(job)
        return self._book.attach(resource, jobs)
