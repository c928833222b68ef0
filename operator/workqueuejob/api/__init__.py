"""The resource WorkQueueJob, `wqj.dev/v1alpha1`, as pydantic models; `crds/` comes from them.

What the API server stores is read with `WorkQueueJob.from_manifest`, and a status is written with
`to_manifest`. Nothing here talks to a cluster or a broker, or decides what a run should do.
"""

from workqueuejob.api.rabbitmq import AuthMechanism, ManagementAPI, RabbitMQQueue
from workqueuejob.api.resource import ObjectMetadata, WorkQueueJob
from workqueuejob.api.secrets import (
    CASecretReference,
    ClientCertificateSecretReference,
    CredentialsSecretReference,
    SecretKeyReference,
    URISecretReference,
)
from workqueuejob.api.spec import (
    EmptyStart,
    JobMetadata,
    Mode,
    QueueSource,
    RunPolicy,
    WorkQueueJobSpec,
)
from workqueuejob.api.status import (
    Accounting,
    Condition,
    ConditionStatus,
    Decision,
    ItemsStatus,
    JobStatus,
    PodsStatus,
    Precision,
    QueueStatus,
    WorkQueueJobStatus,
)
from workqueuejob.api.tls import TLS, Verification

__all__ = [
    "TLS",
    "Accounting",
    "AuthMechanism",
    "CASecretReference",
    "ClientCertificateSecretReference",
    "Condition",
    "ConditionStatus",
    "CredentialsSecretReference",
    "Decision",
    "EmptyStart",
    "ItemsStatus",
    "JobMetadata",
    "JobStatus",
    "ManagementAPI",
    "Mode",
    "ObjectMetadata",
    "PodsStatus",
    "Precision",
    "QueueSource",
    "QueueStatus",
    "RabbitMQQueue",
    "RunPolicy",
    "SecretKeyReference",
    "URISecretReference",
    "Verification",
    "WorkQueueJob",
    "WorkQueueJobSpec",
    "WorkQueueJobStatus",
]
