"""The API server's copy of the WorkQueueJob, with its optimistic locking."""

from typing import Any

from workqueuejob.api import WorkQueueJob, WorkQueueJobStatus
from workqueuejob.errors import Conflict


class ResourceStore:
    """One WorkQueueJob that a person and the operator write to."""

    def __init__(self, resource: WorkQueueJob) -> None:
        self.current = resource

    def change_spec(self, **fields: Any) -> None:
        """Change fields of the spec, as a person does."""
        spec = self.current.spec.model_copy(update=fields)
        if spec != self.current.spec:
            generation = self.current.metadata.generation + 1
            self._write(spec=spec, generation=generation)

    def patch_status(self, status: WorkQueueJobStatus, *, resource_version: str) -> WorkQueueJob:
        """Write the status by way of JSON; raise Conflict if the object has changed."""
        if resource_version != self.current.metadata.resource_version:
            raise Conflict("status")
        stored = WorkQueueJobStatus.from_manifest(status.to_manifest())
        self._write(status=stored)
        return self.current

    def _write(self, *, generation: int | None = None, **fields: Any) -> None:
        known = self.current.metadata
        metadata = known.model_copy(
            update={
                "resource_version": str(int(known.resource_version) + 1),
                "generation": generation or known.generation,
            }
        )
        self.current = self.current.model_copy(update={"metadata": metadata, **fields})
