"""Remembers what keeps a WorkQueueJob's Jobs from being made, and when to try again.

An obstacle keeps new Jobs from being made. `refusals` is about changes of existing Jobs.
"""

import time
from typing import Any

from workqueuejob.api import WorkQueueJob
from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.errors import (
    ClusterError,
    JobNameConflict,
    JobRejected,
    NamespaceTerminating,
    NotWritten,
    TemplateInvalid,
)
from workqueuejob.names import job_name
from workqueuejob.planning.actions import CreateWave
from workqueuejob.planning.pods.job_manifest import WorkerImage, build_job
from workqueuejob.planning.verdict import ConditionType, find_condition

_FIRST_DELAY_SECONDS = 2.0
_LONGEST_DELAY_SECONDS = 30.0
_ASK_AGAIN_SECONDS = 5.0

OBSTACLES = (TemplateInvalid, JobRejected, JobNameConflict)
"""Refusals that a user can correct, or that may pass."""


def name_refusal(error: ClusterError) -> ClusterError:
    """Return the error as a condition shows it: one of OBSTACLES, or a JobRejected about it.

    A request that is not answered in time is shown too, because a webhook may be the cause while
    the API server answers all other requests.
    """
    if isinstance(error, OBSTACLES):
        return error
    return JobRejected(f"no Job can be made or changed: {error}; the operator tries again")


class Obstacles:
    """The obstacle of one WorkQueueJob, if there is one.

    current: the refusal as a condition shows it, or None.
    """

    def __init__(self, worker_image: WorkerImage, installation: str) -> None:
        self._worker_image = worker_image
        self._installation = installation
        self.current: ClusterError | None = None
        self._checked_generation: int | None = None
        self._delay_seconds = _FIRST_DELAY_SECONDS
        self._retry_at = 0.0
        self._is_namespace_terminating = False
        self._asked_at = -_ASK_AGAIN_SECONDS

    @property
    def retry_after_seconds(self) -> float | None:
        """Seconds until the next try; None without an obstacle."""
        return max(0.0, self._retry_at - time.monotonic()) if self.current else None

    def meet(self, obstacle: ClusterError) -> None:
        """Remember a refusal; the pause before the next try doubles, from 2 to 30 seconds."""
        self.current = name_refusal(obstacle)
        self._is_namespace_terminating |= isinstance(obstacle, NamespaceTerminating)
        self._retry_at = time.monotonic() + self._delay_seconds
        self._delay_seconds = min(_LONGEST_DELAY_SECONDS, self._delay_seconds * 2)

    def clear(self) -> None:
        """Forget the obstacle, because a Job was made or the API server may have been away."""
        self.current = None
        self._delay_seconds = _FIRST_DELAY_SECONDS

    def is_due(self, resource: WorkQueueJob) -> bool:
        """Return whether `check` is due: once a generation, and again while there is an obstacle.

        A template that status shows as accepted is not asked about after a restart.
        """
        if self._checked_generation is None and _was_accepted(resource):
            self._checked_generation = resource.metadata.generation
        is_time = self.current is not None and time.monotonic() >= self._retry_at
        return is_time or self._checked_generation != resource.metadata.generation

    async def check(self, cluster: ClusterAPI, resource: WorkQueueJob) -> None:
        """Ask the API server by a dry run whether it accepts a Job of this template.

        Its refusal, or its silence, is the obstacle from now on. Raises NotWritten.
        """
        generation = resource.metadata.generation
        if self._checked_generation != generation:
            self.clear()
        try:
            await self._try_job(cluster, resource)
        except NotWritten:
            raise
        except ClusterError as obstacle:
            self.meet(obstacle)
        else:
            self.current = None
        self._checked_generation = generation

    async def is_namespace_terminating(
        self, cluster: ClusterAPI, resource: WorkQueueJob, *, is_suspected: bool
    ) -> bool:
        """Return whether the namespace is being deleted, so that nothing can be created in it.

        is_suspected: whether to ask, every _ASK_AGAIN_SECONDS at most. A yes is final.
        """
        now = time.monotonic()
        is_due = is_suspected and now - self._asked_at >= _ASK_AGAIN_SECONDS
        if self._is_namespace_terminating or not is_due:
            return self._is_namespace_terminating
        self._asked_at = now
        try:
            # Not with the template, which may be refused for another reason.
            await cluster.create_job(_build_trial(resource), dry_run=True)
        except NamespaceTerminating:
            self._is_namespace_terminating = True
        except NotWritten:
            raise
        except ClusterError:
            # Unknown: the next request asks again.
            return False
        return self._is_namespace_terminating

    async def _try_job(self, cluster: ClusterAPI, resource: WorkQueueJob) -> None:
        wave = CreateWave(wave=(resource.status.waves or 0) + 1, completions=1, parallelism=1)
        manifest = build_job(resource, wave, self._worker_image, installation=self._installation)
        try:
            await cluster.create_job(manifest, dry_run=True)
        except JobNameConflict:
            # Whose Job has the name is read when the wave is made: it may be this wave's.
            return
        except TemplateInvalid as error:
            name = job_name(resource.metadata.name, resource.metadata.uid, wave.wave)
            raise TemplateInvalid(
                f"the API server refuses a Job with spec.template: {error}".replace(
                    f' "{name}"', ""
                )
            ) from error


def _build_trial(resource: WorkQueueJob) -> dict[str, Any]:
    """Return a valid Job for a dry run."""
    pod = {"restartPolicy": "Never", "containers": [{"name": "trial", "image": "trial"}]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"generateName": "trial-", "namespace": resource.metadata.namespace},
        "spec": {"template": {"spec": pod}},
    }


def _was_accepted(resource: WorkQueueJob) -> bool:
    """Return whether status shows that this generation's template was accepted."""
    status = resource.status
    if status.observed_generation != resource.metadata.generation:
        return False
    condition = find_condition(status.conditions, ConditionType.PROGRESSING)
    return condition is None or condition.reason not in {kind.__name__ for kind in OBSTACLES}
