"""The queues beside a run's queue: how much rests in them, without asking for absent ones for ever.

A declare of a queue that does not exist closes its channel, so absence is remembered for a while.
What has just left a delay queue is counted for a moment longer, for RabbitMQ shows an item in
neither queue while it hands it over.
"""

import time
from collections.abc import Callable, Iterable

from workqueuejob.brokers.rabbitmq.probe_connection import DeclaredQueue
from workqueuejob.errors import QueueNotFound

ABSENT_SECONDS = 5.0
HANDOVER_SECONDS = 1.0


class SideQueueCounter:
    """Counts the queues of one connection; `declare` asks the broker."""

    def __init__(
        self,
        declare: Callable[[str], DeclaredQueue],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._declare = declare
        self._clock = clock
        self._absent_at: dict[str, float] = {}
        self._seen: dict[str, list[tuple[float, int]]] = {}

    def count_delayed(self, queues: Iterable[str]) -> int:
        """Return the items that rest in the queues, or have left one a moment ago."""
        return sum(self._count_lately(queue) for queue in queues)

    def count(self, queue: str) -> int | None:
        """Return the items that are ready in a queue; None when it does not exist."""
        now = self._clock()
        if now - self._absent_at.get(queue, float("-inf")) < ABSENT_SECONDS:
            return None
        try:
            messages = self._declare(queue).messages
        except QueueNotFound:
            self._absent_at[queue] = now
            return None
        self._absent_at.pop(queue, None)
        return messages

    def forget_absence(self, queues: Iterable[str], *, before: float) -> bool:
        """Ask again for queues that were found absent before; return whether there are any."""
        forgotten = [q for q in queues if self._absent_at.get(q, before) < before]
        for queue in forgotten:
            del self._absent_at[queue]
        return bool(forgotten)

    def _count_lately(self, queue: str) -> int:
        messages, now = self.count(queue) or 0, self._clock()
        recent = [(at, n) for at, n in self._seen.get(queue, ()) if now - at <= HANDOVER_SECONDS]
        recent = [(at, n) for at, n in recent if n > messages] + [(now, messages)]
        self._seen[queue] = recent
        return max(n for _, n in recent)
