"""Every error that the operator raises on purpose, as one tree.

A class's name is the reason that a condition shows, so that what a log, a metric and
`kubectl describe` say is one word. A message says what failed, where, and what to change;
it never holds a password or a URL with one.

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
    │   ├── BrokerUnavailable        try again; what was held will be delivered again
    │   │   └── PublishingUnavailable    try again; what is held is held still
    │   ├── LeaseLost                somebody else has taken the item over
    │   └── DeadLetterTargetMissing  an exhausted item has nowhere to go; it is kept
    └── ClusterError                 the API server refused
        ├── TemplateInvalid
        ├── JobRejected
        ├── JobNameConflict
        ├── Conflict                 somebody else wrote first; read again
        ├── NotFound
        ├── NotLeading               another replica may lead; nothing may be written
        └── ClusterUnavailable
"""


class WorkQueueJobError(Exception):
    """Anything that the operator can name."""

    @property
    def reason(self) -> str:
        """The CamelCase word for a condition's `reason`."""
        return type(self).__name__


class QueueError(WorkQueueJobError):
    """The queue can't be measured; nothing is created, shrunk or finished because of it."""


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
    """The queue is another one than that which the run began with, of the same name."""


class ConsumerGroupInUse(QueueError):
    """Programs that are not ours have partitions of the topic, and what is in them."""


class MeasurementUnreliable(QueueError):
    """The broker's numbers contradict themselves; unknown is not zero."""


class WorkerError(WorkQueueJobError):
    """The worker can't go on with an item, or at all."""


class SettingsInvalid(WorkerError):
    """The environment does not say what a worker must know."""


class HandlerInvalid(WorkerError, TypeError):
    """A handler returns before its work is done, as a coroutine function does; no item is lost."""


class PodExhausted(WorkerError):
    """The system refused the worker processes, memory, files or disk space for an item."""


class BrokerUnavailable(WorkerError):
    """The connection broke or could not be made; what was held will be delivered again."""


class PublishingUnavailable(BrokerUnavailable):
    """The broker takes no messages for now; items that need none go on, and what is held stays."""


class LeaseLost(WorkerError):
    """Somebody else has taken the item over; it is not ours to settle any more."""


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
    """A Job of the wave's name exists and belongs to somebody else."""


class Conflict(ClusterError):
    """The object changed since it was read; read again and decide anew."""


class NotFound(ClusterError):
    """The object is not, or no longer, there."""


class NotLeading(ClusterError):
    """This process does not hold the Lease, or has not renewed it in time."""


class ClusterUnavailable(ClusterError):
    """The API server did not answer, or answered with an error of its own."""
