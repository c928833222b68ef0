"""What every broker's module offers to the meter."""

from typing import Protocol, TypeVar

from workqueuejob.planning.depth import QueueDepth


QueueT = TypeVar("QueueT", contravariant=True)


class Probe(Protocol[QueueT]):
    """An open connection to one broker, which measures its queues one after the other.

    A probe is used by one thread at a time. After a `ConnectionFailed` it is closed and replaced.
    """

    def measure(self, queue: QueueT) -> QueueDepth:
        """Return the queue's depth now; raise a `QueueError` when it can't be known."""
        ...

    def close(self) -> None:
        """Release the connection; never raises."""
        ...
