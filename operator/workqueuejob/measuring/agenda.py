"""When each queue of a login is due, and of which kind; asks nothing, and knows no clock.

Every method is called with the line's lock held.
"""

import heapq
from collections import deque
from collections.abc import Hashable, Mapping
from itertools import islice
from typing import Generic, TypeVar

from workqueuejob.measuring.turns import Kind
from workqueuejob.measuring.watched import WatchedQueue

QueueT = TypeVar("QueueT", bound=Hashable)

_REGULAR = (Kind.AT_WORK, Kind.IDLE, Kind.IN_QUARANTINE)


class Agenda(Generic[QueueT]):
    """The dates of a login's queues.

    An entry counts only while it has the queue's number. So an older entry of the same queue, or
    one of a queue that is watched no more, costs nothing but its place until it is due. Every
    requested queue is watched.
    """

    def __init__(self) -> None:
        self.requested: dict[QueueT, None] = {}
        """The queues with a request, the oldest first."""
        self._dates: list[tuple[float, int, QueueT]] = []
        self._due: dict[Kind, deque[tuple[int, QueueT]]] = {kind: deque() for kind in _REGULAR}
        self._numbers = 0
        self._next_request_at = float("inf")

    @property
    def next_due_at(self) -> float:
        """When the next queue that is not due yet will be; infinity if there is none."""
        return min(self._dates[0][0] if self._dates else float("inf"), self._next_request_at)

    @property
    def size(self) -> int:
        """How many entries there are, those included that do not count any more."""
        return len(self._dates) + len(self.requested) + sum(map(len, self._due.values()))

    def request(self, queue: QueueT) -> None:
        """Note a request."""
        self.requested[queue] = None

    def forget(self, queue: QueueT) -> None:
        """Forget the request for a queue that is watched no more."""
        self.requested.pop(queue, None)

    def put(self, queue: QueueT, watched: WatchedQueue, due_at: float) -> None:
        """Enter when a queue is due; replaces its former date."""
        self._numbers += 1
        watched.number = self._numbers
        heapq.heappush(self._dates, (due_at, self._numbers, queue))

    def count_due(
        self, queues: Mapping[QueueT, WatchedQueue], now: float, *, at_most: int
    ) -> tuple[int, int, int, int]:
        """Return how many queues of each kind are due, counted up to a limit."""
        while self._dates and self._dates[0][0] <= now:
            _, number, queue = heapq.heappop(self._dates)
            watched = queues.get(queue)
            if watched is not None and watched.number == number:
                self._due[watched.kind].append((number, queue))
        requested = self._count_requested(queues, now, at_most=at_most)
        work, idle, hung = (min(len(self._due[kind]), at_most) for kind in _REGULAR)
        return requested, work, idle, hung

    def take(
        self, kind: Kind, count: int, queues: Mapping[QueueT, WatchedQueue], *, now: float
    ) -> list[QueueT]:
        """Return so many queues of a kind that is due, or fewer, and take them off the agenda."""
        taken: list[QueueT] = []
        if kind is Kind.REQUESTED:
            answerable = (queue for queue in self.requested if queues[queue].may_answer(now))
            taken.extend(islice(answerable, count))
        else:
            entries = self._due[kind]
            while entries and len(taken) < count:
                number, queue = entries.popleft()
                watched = queues.get(queue)
                if watched is not None and watched.number == number:
                    taken.append(queue)
        for queue in taken:
            self.requested.pop(queue, None)
            # Whatever else is entered for it does not count any more.
            queues[queue].number = 0
        return taken

    def _count_requested(
        self, queues: Mapping[QueueT, WatchedQueue], now: float, *, at_most: int
    ) -> int:
        count = 0
        self._next_request_at = float("inf")
        for queue in self.requested:
            watched = queues[queue]
            if watched.may_answer(now):
                count += 1
            elif not watched.is_asked and not watched.hangs:
                self._next_request_at = min(self._next_request_at, watched.earliest)
            if count >= at_most:
                break
        return count
