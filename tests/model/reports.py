"""What the operator hears of pods with our worker; it follows `controller/reports.py`."""

from typing import Any

from tests.model.job_controller import Job, JobController
from tests.model.pods import Phase, Pod
from workqueuejob.api import WorkQueueJob
from workqueuejob.planning.observed import ObservedJob
from workqueuejob.planning.pod_reports import PodReport, attach_reports, read_pod_report


class Reports:
    """What one process of the operator knows; an event that came before its start is lost."""

    def __init__(self, controller: JobController) -> None:
        self._controller = controller
        self._reports: dict[str, PodReport] = {}
        self._listed: set[str] = set()
        self._deletions_seen = len(controller.deleted_pods)

    def catch_up(self) -> bool:
        """Take in all pods that have ended or gone; return whether there was news."""
        before = dict(self._reports)
        for job in self._controller.jobs.values():
            self._list(job)
        for name, pod in self._controller.deleted_pods[self._deletions_seen :]:
            self._put(name, pod, is_gone=True)
        self._deletions_seen = len(self._controller.deleted_pods)
        return self._reports != before

    def attach(
        self, resource: WorkQueueJob, jobs: tuple[ObservedJob, ...]
    ) -> tuple[ObservedJob, ...]:
        """Return the Jobs with what their workers report."""
        if resource.spec.worker is None:
            return jobs
        recorded = resource.status.waves or 0
        open_waves = {job.wave for job in resource.status.jobs}
        return tuple(
            job if job.wave <= recorded and job.wave not in open_waves else self._attach(job)
            for job in jobs
        )

    def _attach(self, job: ObservedJob) -> ObservedJob:
        if job.state.is_terminal and job.name not in self._listed:
            if job.name in self._controller.jobs:
                self._list(self._controller.jobs[job.name])
            self._listed.add(job.name)
        return attach_reports(job, self._reports.values(), is_listed=job.name in self._listed)

    def _list(self, job: Job) -> None:
        for pod in (*job.pods, *job.ended_pods):
            self._put(job.name, pod)

    def _put(self, job: str, pod: Pod, *, is_gone: bool = False) -> None:
        report = read_pod_report(_build_manifest(job, pod), is_gone=is_gone)
        if report is not None:
            self._reports[report.uid] = report


def _build_manifest(job: str, pod: Pod) -> dict[str, Any]:
    """Return a pod as the API server shows it."""
    phases = {Phase.SUCCEEDED: "Succeeded", Phase.FAILED: "Failed", Phase.RUNNING: "Running"}
    state: dict[str, Any] = {"waiting": {}}
    if pod.phase is Phase.RUNNING:
        state = {"running": {}}
    elif not pod.is_live:
        state = {"terminated": {"exitCode": pod.exit_code, "message": pod.message}}
    metadata = {"uid": pod.name, "labels": {"batch.kubernetes.io/job-name": job}}
    if pod.kill_at is not None:
        metadata["deletionTimestamp"] = "2026-01-01T12:00:00Z"
    return {
        "metadata": metadata,
        "status": {
            "phase": phases.get(pod.phase, "Pending"),
            "containerStatuses": [{"name": "worker", "state": state}],
        },
    }
