"""What the operator hears of pods with our worker; it follows `controller/worker_reports.py`."""

from typing import Any

from tests.builders import NAMESPACE, a_job, a_pod_metadata, after
from tests.model.job_controller import Job, JobController
from tests.model.pods import Phase, Pod
from workqueuejob.api import WorkQueueJob
from workqueuejob.names import CONCURRENCY_LABEL
from workqueuejob.planning.ledger.report_book import ReportBook
from workqueuejob.planning.observing.observed import ObservedJob


class Reports:
    """What one process of the operator knows; an event that came before its start is lost."""

    def __init__(self, controller: JobController) -> None:
        self._controller = controller
        self._book = ReportBook(NAMESPACE)
        self._deletions_seen = len(controller.deleted_pods)
        self._expired_seen = len(controller.expired_pods)

    def catch_up(self) -> bool:
        """Take in all pods that have ended or gone; return whether there was news."""
        news = [self._list(job) for job in self._controller.jobs.values()]
        for name, pod in self._controller.deleted_pods[self._deletions_seen :]:
            news.append(self._put(name, pod, is_gone=True))
        self._deletions_seen = len(self._controller.deleted_pods)
        for name, pod in self._controller.expired_pods[self._expired_seen :]:
            news.append(self._put(name, pod, is_gone=True))
        self._expired_seen = len(self._controller.expired_pods)
        return any(news)

    def attach(
        self, resource: WorkQueueJob, jobs: tuple[ObservedJob, ...]
    ) -> tuple[ObservedJob, ...]:
        """Return the Jobs with what their workers report."""
        for job in self._book.find_unlisted(resource, jobs):
            if job.name in self._controller.jobs:
                self._list(self._controller.jobs[job.name])
            self._book.note_listed(job)
        return self._book.attach(resource, jobs)

    def _put(self, job: str, pod: Pod, *, is_gone: bool = False) -> bool:
        manifest = build_manifest(job, pod)
        manifest["metadata"]["labels"][CONCURRENCY_LABEL] = str(self._controller.queue.hands)
        return self._book.put(manifest, is_gone=is_gone)

    def _list(self, job: Job) -> bool:
        pods = (*job.pods, *job.ended_pods)
        news = [self._put(job.name, pod) for pod in pods]
        return any(news)


def build_manifest(job: str, pod: Pod) -> dict[str, Any]:
    """Return a pod as the API server shows it."""
    phases = {Phase.SUCCEEDED: "Succeeded", Phase.FAILED: "Failed", Phase.RUNNING: "Running"}
    state: dict[str, Any] = {"waiting": {}}
    if pod.phase is Phase.RUNNING or (pod.is_lost and pod.has_run):
        state = {"running": {"startedAt": after(pod.started_at or 0.0).isoformat()}}
    elif not pod.is_live:
        state = {"terminated": {"exitCode": pod.exit_code, "message": pod.message}}
        if not pod.has_run:
            state["terminated"] |= {"reason": "ContainerStatusUnknown"}
    wave = int(job.rpartition("-")[2])
    metadata = a_pod_metadata(pod.name, a_job(wave, name=job, uid=f"uid of {job}"))
    if pod.kill_at is not None:
        metadata["deletionTimestamp"] = after(pod.kill_at).isoformat()
    told = pod.phase if not pod.is_lost else Phase.RUNNING if pod.has_run else Phase.PENDING
    return {
        "metadata": metadata,
        "spec": {"nodeName": f"node of {pod.name}"},
        "status": {
            "phase": phases.get(told, "Pending"),
            "containerStatuses": [
                {"name": "worker", "state": state}
                | ({"containerID": f"containerd://{pod.name}"} if pod.has_run else {})
            ],
        },
    }
