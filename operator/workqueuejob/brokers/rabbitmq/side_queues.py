"""Counts the messages of the queues beside a run's queue, without asking for absent ones each time.

A declare of a missing queue closes the channel, so a queue is taken for absent for a few seconds.
An item that has left a delay queue is counted there for a second longer, because RabbitMQ shows it
in neither queue while it moves.
"""

import time
from collections.abc import Awaitable, Callable, Iterable

from workqueuejob.brokers.rabbitmq.probe_connection import DeclaredQueue
from workqueuejob.errors import QueueNotFound

ABSENT_SECONDS = 5.0
HANDOVER_SECONDS = 1.0


class SideQueueCounter:
    """Counts on one connection for one run. declare: declares a queue passively.

    It keeps something of each queue that it was asked about, and these are the run's.
    """

    def __init__(
        self,
        declare: Callable[[str], Awaitable[DeclaredQueue]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._declare = declare
        self._clock = clock
        self._absent_at: dict[str, float] = {}
        self._recent: dict[str, list[tuple[float, int]]] = {}

    async def count_delayed(self, queues: Iterable[str]) -> int:
        """Return how many items rest in the queues, or have left them within the last second."""
        return sum([await self._count_lately(queue) for queue in queues])

    async def count(self, queue: str) -> int | None:
        """Return how many items are ready in a queue; None when it does not exist."""
        now = self._clock()
        if now - self._absent_at.get(queue, float("-inf")) < ABSENT_SECONDS:
            return None
        try:
            messages = (await self._declare(queue)).messages
        except QueueNotFound:
            self._absent_at[queue] = now
            return None
        self._absent_at.pop(queue, None)
        return messages

    def forget_absence(self, queues: Iterable[str], *, before: float) -> bool:
        """Forget that queues were absent, so that they are asked again; return whether any was.

        before: on the clock; absences that were noted later are kept.
        """
        forgotten = [q for q in queues if self._absent_at.get(q, before) < before]
        for queue in forgotten:
            del self._absent_at[queue]
        return bool(forgotten)

    async def _count_lately(self, queue: str) -> int:
        messages, now = await self.count(queue) or 0, self._clock()
        recent = [(at, n) for at, n in self._recent.get(queue, ()) if now - at <= HANDOVER_SECONDS]
        recent = [(at, n) for at, n in recent if n > messages] + [(now, messages)]
        self._recent[queue] = recent
        return max(n for _, n in recent)
