"""The Jobs of one WorkQueueJob as last seen, by the watch or in an answer to our own request.

An object is replaced by a newer one only: what we were told in answer to a write may arrive by
the watch later, and an older event must not undo it.
"""

import time
from collections.abc import Iterable, Mapping
from typing import Any

import structlog

from workqueuejob.planning.observing.jobs import read_job
from workqueuejob.planning.observing.observed import ObservedJob

_log = structlog.get_logger(__name__)


class JobStore:
    """What is known of the Jobs of one WorkQueueJob."""

    def __init__(self) -> None:
        self._jobs: dict[str, ObservedJob] = {}
        self.changed_at = time.monotonic()
        """When something that planning looks at last changed, in monotonic seconds."""

    @property
    def jobs(self) -> tuple[ObservedJob, ...]:
        """The Jobs, oldest wave first."""
        return tuple(sorted(self._jobs.values(), key=lambda job: job.wave))

    def touch(self) -> None:
        """Note that something has changed that a measurement must not be older than."""
        self.changed_at = time.monotonic()

    def put(self, manifest: Mapping[str, Any]) -> bool:
        """Take in a Job; return whether it is news."""
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

        uid: of the Job that was deleted, where that is known; another one of its name stays.
        """
        known = self._jobs.get(name)
        if known is None or uid not in {None, known.uid}:
            return False
        del self._jobs[name]
        self.touch()
        return True

    def clear(self) -> None:
        """Forget them all, until they are listed."""
        self._jobs.clear()
        self.touch()

    def replace_all(self, manifests: Iterable[Mapping[str, Any]], *, resource_version: str) -> None:
        """Take in a complete list, so that a deletion that the watch missed is noticed."""
        listed = list(manifests)
        for manifest in listed:
            self.put(manifest)
        names = {manifest["metadata"]["name"] for manifest in listed}
        for name, job in list(self._jobs.items()):
            if name not in names and int(job.resource_version) <= int(resource_version):
                self.remove(name)
