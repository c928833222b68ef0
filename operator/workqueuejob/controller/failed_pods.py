"""Lists the pods of a user's own program once after their Job has failed, to see how they failed.

Pods with the worker are watched, so theirs need not be listed.
"""

from dataclasses import replace

from workqueuejob.api import WorkQueueJob
from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.names import JOB_LABEL
from workqueuejob.planning.observing.failed_pods import PodFailure, count_alike, describe_failure
from workqueuejob.planning.observing.observed import JobState, ObservedJob
from workqueuejob.planning.observing.ownership import keep_own_pods

_MAX_SAMPLED_PODS = 50


class FailedPods:
    """How the pods of one WorkQueueJob's failed Jobs failed, by the Job's UID."""

    def __init__(self) -> None:
        self._failures: dict[str, PodFailure | None] = {}

    async def attach(
        self, cluster: ClusterAPI, resource: WorkQueueJob, jobs: tuple[ObservedJob, ...]
    ) -> tuple[ObservedJob, ...]:
        """Return the Jobs, the failed ones with how most of their pods failed.

        Raises ClusterError.
        """
        if resource.spec.worker is not None:
            return jobs
        failed = [job for job in jobs if job.state is JobState.FAILED and not job.ended_by_us]
        self._failures = {
            job.uid: self._failures[job.uid] for job in failed if job.uid in self._failures
        }
        for job in failed:
            if job.uid not in self._failures:
                self._failures[job.uid] = await _look(cluster, resource.metadata.namespace, job)
        return tuple(
            replace(job, failure=self._failures[job.uid]) if job.uid in self._failures else job
            for job in jobs
        )


async def _look(cluster: ClusterAPI, namespace: str, job: ObservedJob) -> PodFailure | None:
    pods = await cluster.list_pods(
        namespace,
        label_selector=f"{JOB_LABEL}={job.name}",
        field_selector="status.phase=Failed",
        limit=_MAX_SAMPLED_PODS,
    )
    described = (describe_failure(pod) for pod in keep_own_pods(pods, (job,)))
    most = count_alike(failure for failure in described if failure is not None)
    return most[0] if most else None
