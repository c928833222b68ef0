"""What every broker's module offers to the meter."""

from typing import Protocol, TypeVar

from workqueuejob.brokers.depth import QueueDepth

QueueT_contra = TypeVar("QueueT_contra", contravariant=True)


class Probe(Protocol[QueueT_contra]):
    """An open connection to one broker, which measures its queues one after the other.

    A probe is used by one thread at a time. After a `ConnectionFailed` it is closed and replaced.
    """

    def begin_round(self) -> None:
        """Forget what was read for several queues at once: what follows is measured anew."""
        ...

    def measure(self, queue: QueueT_contra) -> QueueDepth:
        """Return the queue's depth now; raise a `QueueError` when it can't be known."""
        ...

    def close(self) -> None:
        """Release the connection; never raises."""
        ...
