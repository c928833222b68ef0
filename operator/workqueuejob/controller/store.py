"""The Jobs of one WorkQueueJob as last seen, in the watch or in an answer to a request.

Only a newer version of a Job replaces the known one. The watch may bring an older version after the
answer to a write has brought the newer one.
"""

import time
from collections.abc import Iterable, Mapping
from typing import Any

import structlog

from workqueuejob.planning.observing.jobs import read_job
from workqueuejob.planning.observing.observed import ObservedJob

_log = structlog.get_logger(__name__)


class JobStore:
    """The latest known version of each Job of one WorkQueueJob."""

    def __init__(self) -> None:
        self._jobs: dict[str, ObservedJob] = {}
        self.changed_at = time.monotonic()
        """When a Job or a worker's report last changed, on the monotonic clock."""

    @property
    def jobs(self) -> tuple[ObservedJob, ...]:
        """The Jobs, oldest wave first."""
        return tuple(sorted(self._jobs.values(), key=lambda job: job.wave))

    def touch(self) -> None:
        """Note a change now: the next plan needs a measurement that starts later."""
        self.changed_at = time.monotonic()

    def put(self, manifest: Mapping[str, Any]) -> bool:
        """Take in a Job; return whether it is newer than the known one."""
        try:
            job = read_job(manifest)
        except (KeyError, ValueError) as error:
            _log.warning("unreadable Job ignored", error=str(error))
            return False
        known = self._jobs.get(job.name)
        if known is not None and int(known.resource_version) >= int(job.resource_version):
            return False
        self._jobs[job.name] = job
        self.touch()
        return True

    def remove(self, name: str, *, uid: str | None = None) -> bool:
        """Forget a Job that was deleted; return whether it was known.

        uid: the deleted Job's, if known; a Job with the same name and another UID stays.
        """
        known = self._jobs.get(name)
        if known is None or uid not in {None, known.uid}:
            return False
        del self._jobs[name]
        self.touch()
        return True

    def clear(self) -> None:
        """Forget all Jobs; `replace_all` brings them back."""
        self._jobs.clear()
        self.touch()

    def replace_all(self, manifests: Iterable[Mapping[str, Any]], *, resource_version: str) -> None:
        """Take in a complete list, and forget Jobs that it lacks, unless they are newer."""
        listed = list(manifests)
        for manifest in listed:
            self.put(manifest)
        names = {manifest["metadata"]["name"] for manifest in listed}
        for name, job in list(self._jobs.items()):
            if name not in names and int(job.resource_version) <= int(resource_version):
                self.remove(name)
