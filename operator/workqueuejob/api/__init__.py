"""The resource WorkQueueJob, `wqj.dev/v1alpha1`, as pydantic models; `crds/` comes from them.

What the API server stores is read with `WorkQueueJob.from_manifest`, and a status is written with
`to_manifest`. Nothing here talks to a cluster or a broker, or decides what a run should do.
"""

from workqueuejob.api.autoscale import Autoscale, ScalingStatus
from workqueuejob.api.broker_queue import BrokerQueue
from workqueuejob.api.busy_period import BusyPeriod, CountsBefore
from workqueuejob.api.kafka import KafkaQueue, KafkaSASL, SASLMechanism, StartFrom
from workqueuejob.api.pod_failure_policy import PodFailurePolicy
from workqueuejob.api.queue import QueueSource
from workqueuejob.api.rabbitmq import AuthMechanism, ManagementAPI, RabbitMQQueue
from workqueuejob.api.redis import RedisList, RedisQueue, RedisSentinel, RedisStream
from workqueuejob.api.resource import ObjectMetadata, WorkQueueJob
from workqueuejob.api.retry import DeadLetter, FailurePolicy, OnExhausted, Retry
from workqueuejob.api.secrets import (
    CASecretReference,
    ClientCertificateSecretReference,
    CredentialsSecretReference,
    KafkaCredentialsSecretReference,
    RedisCredentialsSecretReference,
    SecretKeyReference,
    URISecretReference,
)
from workqueuejob.api.spec import (
    EmptyStart,
    JobMetadata,
    Mode,
    RunPolicy,
    WorkQueueJobSpec,
)
from workqueuejob.api.status import (
    Accounting,
    Condition,
    ConditionStatus,
    CountedItems,
    Decision,
    ItemsStatus,
    JobStatus,
    PodsStatus,
    Precision,
    QueueStatus,
    RunOffsets,
    WorkQueueJobStatus,
)
from workqueuejob.api.tls import TLS, Verification
from workqueuejob.api.worker import CommandDelivery, DeliveryType, WorkerSource, WorkerSpec

__all__ = [
    "TLS",
    "Accounting",
    "AuthMechanism",
    "Autoscale",
    "BrokerQueue",
    "BusyPeriod",
    "CASecretReference",
    "ClientCertificateSecretReference",
    "CommandDelivery",
    "Condition",
    "ConditionStatus",
    "CountedItems",
    "CountsBefore",
    "CredentialsSecretReference",
    "DeadLetter",
    "Decision",
    "DeliveryType",
    "EmptyStart",
    "FailurePolicy",
    "ItemsStatus",
    "JobMetadata",
    "JobStatus",
    "KafkaCredentialsSecretReference",
    "KafkaQueue",
    "KafkaSASL",
    "ManagementAPI",
    "Mode",
    "ObjectMetadata",
    "OnExhausted",
    "PodFailurePolicy",
    "PodsStatus",
    "Precision",
    "QueueSource",
    "QueueStatus",
    "RabbitMQQueue",
    "RedisCredentialsSecretReference",
    "RedisList",
    "RedisQueue",
    "RedisSentinel",
    "RedisStream",
    "Retry",
    "RunOffsets",
    "RunPolicy",
    "SASLMechanism",
    "ScalingStatus",
    "SecretKeyReference",
    "StartFrom",
    "URISecretReference",
    "Verification",
    "WorkQueueJob",
    "WorkQueueJobSpec",
    "WorkQueueJobStatus",
    "WorkerSource",
    "WorkerSpec",
]
