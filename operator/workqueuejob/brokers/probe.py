"""What every broker's module offers to the meter: a probe that blocks, or one that does not."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, Generic, Protocol, TypeVar

from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.errors import QueueError

QueueT_contra = TypeVar("QueueT_contra", contravariant=True)
T = TypeVar("T")


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


class Services(Protocol):
    """What the measuring thread does for the probes that live in it."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The thread's loop."""
        ...

    def run(self, call: Callable[[], T]) -> Awaitable[T]:
        """Run a call that blocks in another thread."""
        ...


class LoopProbe(ABC, Generic[QueueT_contra]):
    """A connection to one broker that lives on the measuring thread's loop and never blocks it.

    It is made in another thread, and used by the measuring thread alone from `open` on. It asks
    about several queues at once. After a `ConnectionFailed` it is closed and replaced.
    """

    @abstractmethod
    async def open(self, services: Services, on_lost: Callable[[QueueError], None]) -> None:
        """Connect; raise a `QueueError` when that fails.

        on_lost: called once if the connection ends by itself later.
        """

    @property
    @abstractmethod
    def room(self) -> int:
        """How many more questions may be on their way."""

    @property
    @abstractmethod
    def quarantine_room(self) -> int:
        """How many questions to queues in quarantine may be on their way at once."""

    @abstractmethod
    def count_questions(self, queue: QueueT_contra) -> int:
        """Return how many questions a measurement of the queue takes."""

    @abstractmethod
    def rest_until(self, *, is_requested: bool) -> float:
        """Return from when on, on the loop's clock, a round may begin."""

    @abstractmethod
    async def begin_round(self) -> Any:
        """Read what is read for several queues at once, and return it for `measure`."""

    @abstractmethod
    async def measure(self, queue: QueueT_contra, read: Any) -> QueueDepth:
        """Return the queue's depth now; raise a `QueueError` when it can't be known."""

    @abstractmethod
    def glance(self, queue: QueueT_contra, on_answer: Callable[[bool | QueueError], None]) -> bool:
        """Ask whether the queue looks as when it was measured last; False if it can't be asked.

        on_answer: called with whether it does, or with why that can't be known.
        """

    @abstractmethod
    def forget(self, queue: QueueT_contra) -> None:
        """Keep nothing of a queue that is not measured any more."""

    @abstractmethod
    async def close(self) -> None:
        """Release the connection; never raises."""
