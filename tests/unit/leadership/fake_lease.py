"""A Lease in memory: versions, conflicts, outages, and answers that get lost."""

from dataclasses import dataclass, field, replace

from workqueuejob.errors import ClusterError, Conflict, NotFound
from workqueuejob.leadership.rules import Lease


@dataclass
class FakeLease:
    """The Lease in an API server in memory.

    failure: what requests are answered with.
    deafness: what is raised although the write was done, once.
    """

    lease: Lease | None = None
    failure: ClusterError | None = None
    deafness: ClusterError | None = None
    version: int = 0
    writes: list[str] = field(default_factory=list)

    async def read(self) -> Lease | None:
        if self.failure is not None:
            raise self.failure
        return self.lease

    async def write(self, lease: Lease) -> Lease:
        if self.failure is not None:
            raise self.failure
        if self.lease is None and lease.resource_version:
            raise NotFound("leases.coordination.k8s.io not found")
        if self.lease is not None and lease.resource_version != self.lease.resource_version:
            raise Conflict("the object has been modified")
        self.version += 1
        self.writes.append(lease.holder)
        self.lease = replace(lease, resource_version=str(self.version))
        if self.deafness is not None:
            deafness, self.deafness = self.deafness, None
            raise deafness
        return self.lease

    @property
    def holder(self) -> str:
        assert self.lease is not None
        return self.lease.holder
