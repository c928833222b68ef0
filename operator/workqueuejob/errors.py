"""Every error that the operator raises on purpose, as one tree.

A class's name is the reason that a condition shows. So logs, metrics and `kubectl describe` use
the same word. A message says what failed, where, and what to change. It holds no password, and no
URL with a password.

    WorkQueueJobError
    ├── QueueError                   the queue can't be measured
    │   ├── ConnectionFailed
    │   ├── HostNotAllowed
    │   ├── SecretNotFound
    │   ├── SecretKeyMissing
    │   ├── CredentialsNotURLSafe
    │   ├── AuthenticationFailed
    │   ├── AuthorizationFailed
    │   ├── TLSFailed
    │   ├── VirtualHostNotFound
    │   ├── QueueNotFound
    │   ├── QueueTypeUnsupported
    │   ├── QueueReplaced
    │   ├── ConsumerGroupInUse
    │   └── MeasurementUnreliable    the broker answered, with something that can't be true
    ├── WorkerError                  the worker can't go on with an item, or at all
    │   ├── SettingsInvalid
    │   ├── HandlerInvalid           a program's handler leaves its work undone
    │   ├── PodExhausted             the pod or its node lacks what a command needs
    │   ├── BrokerUnavailable        try again; the broker delivers again what the worker held
    │   │   └── PublishingUnavailable    try again; the worker still holds its items
    │   ├── HeadersTooLarge          an item's headers leave no room for what a copy must say
    │   ├── LeaseLost                another worker has taken the item over
    │   └── DeadLetterTargetMissing  an exhausted item has nowhere to go; it is kept
    └── ClusterError                 the API server refused
        ├── TemplateInvalid
        ├── JobRejected
        │   └── NamespaceTerminating
        ├── JobNameConflict
        ├── Conflict                 another client wrote first; read again
        ├── NotFound
        ├── NotWritten               the operator kept the request back
        │   ├── NotLeading           another replica may lead; nothing may be written
        │   └── ObservationTooOld    what the write rests on may have changed; observe again
        └── ClusterUnavailable
"""


class WorkQueueJobError(Exception):
    """Any error that the operator or the worker raises on purpose."""

    @property
    def reason(self) -> str:
        """The CamelCase word for a condition's `reason`."""
        return type(self).__name__


class QueueError(WorkQueueJobError):
    """The queue can't be measured. While it can't, no Job is created and no run completes."""


class ConnectionFailed(QueueError):
    """The broker was not reached: refused, timeout or unknown host."""


class HostNotAllowed(QueueError):
    """The operator's allow-list has no pattern for a host; nothing was sent to it."""


class SecretNotFound(QueueError):
    """A Secret that the spec refers to is not in the WorkQueueJob's namespace."""


class SecretKeyMissing(QueueError):
    """The Secret is there, without the key that the spec names."""


class CredentialsNotURLSafe(QueueError):
    """The credentials can't be put into `BROKER_URL` without percent-encoding."""


class AuthenticationFailed(QueueError):
    """The broker refused the credentials."""


class AuthorizationFailed(QueueError):
    """The broker knows the user, who may not read the queue."""


class TLSFailed(QueueError):
    """The TLS handshake failed, or the TLS material can't be read."""


class VirtualHostNotFound(QueueError):
    """The RabbitMQ virtual host does not exist."""


class QueueNotFound(QueueError):
    """The broker has no queue of that name."""


class QueueTypeUnsupported(QueueError):
    """The queue is of a kind that is not a work queue, such as a stream."""


class QueueReplaced(QueueError):
    """The queue is not the one that the run began with, although it has the same name."""


class ConsumerGroupInUse(QueueError):
    """Programs outside of the run have some of the topic's partitions, and take their messages."""


class MeasurementUnreliable(QueueError):
    """The broker's numbers contradict each other; the depth is unknown, which is not zero."""


class WorkerError(WorkQueueJobError):
    """The worker can't go on with an item, or at all."""


class SettingsInvalid(WorkerError):
    """The environment lacks a setting that the worker needs, or has an invalid one."""


class HandlerInvalid(WorkerError, TypeError):
    """A handler returns before its work is done, as a coroutine function does; no item is lost."""


class PodExhausted(WorkerError):
    """The system refused the worker processes, memory, files or disk space for an item."""


class BrokerUnavailable(WorkerError):
    """The connection broke or could not be made; the broker delivers again what was held."""


class PublishingUnavailable(BrokerUnavailable):
    """The broker takes no messages now; the worker keeps its items, and tries again."""


class HeadersTooLarge(WorkerError):
    """A copy of an item has more headers than the broker takes; the item stays with its worker."""


class LeaseLost(WorkerError):
    """Another worker has taken the item over; this worker may not settle it any more."""


class DeadLetterTargetMissing(WorkerError):
    """The dead-letter queue is not there or takes nothing; the item stays with its worker."""


class ClusterError(WorkQueueJobError):
    """The API server refused or did not answer."""


class TemplateInvalid(ClusterError):
    """The API server would not accept a Job with this pod template."""


class JobRejected(ClusterError):
    """Quota, a webhook or a policy refused the Job."""


class NamespaceTerminating(JobRejected):
    """The namespace is being deleted: nothing can be created in it any more, for good."""


class JobNameConflict(ClusterError):
    """A Job of the wave's name exists, and this WorkQueueJob is not its controller."""


class Conflict(ClusterError):
    """The object has changed since it was read; read it again and plan again."""


class NotFound(ClusterError):
    """The object does not exist, or not any more."""


class NotWritten(ClusterError):
    """The operator kept a write back, and nothing was sent; the plan is void."""


class NotLeading(NotWritten):
    """This process does not hold the Lease, or has not renewed it in time."""


class ObservationTooOld(NotWritten):
    """Too much time has passed since that was observed on which the write rests."""


class ClusterUnavailable(ClusterError):
    """The API server did not answer, or its answer does not say whether it accepts the request."""
