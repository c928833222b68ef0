"""The object itself, as the API server stores it."""

from workqueuejob.api.base import Model
from workqueuejob.api.scalars import Timestamp
from workqueuejob.api.spec import WorkQueueJobSpec
from workqueuejob.api.status import WorkQueueJobStatus
from workqueuejob.names import API_VERSION, KIND


class ObjectMetadata(Model):
    """What the operator needs of a stored object's metadata; the API server fills in the rest."""

    name: str
    namespace: str
    uid: str
    generation: int
    resource_version: str
    deletion_timestamp: Timestamp | None = None


class WorkQueueJob(Model):
    """A WorkQueueJob; its status is empty until the operator has seen it."""

    api_version: str = API_VERSION
    kind: str = KIND
    metadata: ObjectMetadata
    spec: WorkQueueJobSpec
    status: WorkQueueJobStatus = WorkQueueJobStatus()
