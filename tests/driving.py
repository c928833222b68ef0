"""Drives a probe of the measuring thread's loop from a test, as if it blocked."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.brokers.probe import LoopProbe, Probe
from workqueuejob.errors import QueueError

T = TypeVar("T")


class DrivenProbe:
    """The Probe of `workqueuejob.brokers.probe` over a LoopProbe, whose loop runs in the calls."""

    def __init__(self, probe: LoopProbe[Any]) -> None:
        """Connect; raise a QueueError when that fails."""
        self.probe = probe
        self.lost: list[QueueError] = []
        self.loop = asyncio.new_event_loop()
        self._read: Any = None
        try:
            self.loop.run_until_complete(probe.open(self, self.lost.append))
        except QueueError:
            self.loop.close()
            raise

    def run(self, call: Callable[[], T]) -> Awaitable[T]:
        """Run a call in another thread."""
        return self.loop.run_in_executor(None, call)

    def begin_round(self) -> None:
        """Have what is read for several queues read again."""
        self._read = None

    def measure(self, queue: Any) -> QueueDepth:
        """Return the queue's depth."""
        return self.loop.run_until_complete(self._measure(queue))

    def close(self) -> None:
        """Disconnect; twice does no harm."""
        if not self.loop.is_closed():
            self.loop.run_until_complete(self.probe.close())
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
            self.loop.close()

    async def _measure(self, queue: Any) -> QueueDepth:
        if self._read is None:
            self._read = await self.probe.begin_round()
        return await self.probe.measure(queue, self._read)


def drive(probe: Probe[Any] | LoopProbe[Any]) -> Probe[Any]:
    """Return a probe that blocks; connect, if it is another one."""
    return DrivenProbe(probe) if isinstance(probe, LoopProbe) else probe
