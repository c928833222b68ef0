"""Paces the requests of all WorkQueueJobs to the API server, the most urgent first.

A request needs a token and a place: tokens come at a steady rate, and there are places for a few
requests of each kind at a time. `planning.pacing.urgency` says which of those that wait goes next.
A task says with `sending` how urgent its requests are. Sends nothing itself.
"""

import asyncio
import heapq
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import Enum, auto

from workqueuejob.errors import NotWritten
from workqueuejob.planning.pacing.bucket import Bucket
from workqueuejob.planning.pacing.urgency import Urgency, choose_next

_urgency: ContextVar[Urgency | None] = ContextVar("urgency", default=None)
_waiting_since: ContextVar[float | None] = ContextVar("waiting_since", default=None)


@contextmanager
def sending(urgency: Urgency) -> Iterator[None]:
    """Say how urgent the requests are that this task sends in the block, reads included."""
    token = _urgency.set(urgency)
    try:
        yield
    finally:
        _urgency.reset(token)


class RequestKind(Enum):
    """What a request does; each kind has places of its own, so that none has to wait for another.

    A slow webhook delays other writes only, and a WorkQueueJob so large that the API server takes
    seconds to change it delays only the status of others.
    """

    READ = auto()
    STATUS = auto()
    """It changes the status of a WorkQueueJob."""
    OTHER_WRITE = auto()


@dataclass(frozen=True, slots=True)
class BudgetLimits:
    """How many requests a process sends."""

    per_second: float = 300.0
    burst: int = 300
    """How many may be sent at once after a quiet time."""

    numbers_per_second: float = 20.0
    """How many of these may be early writes of a status, which change only its numbers."""

    at_a_time: int = 12
    """Reads under way at most, and as many writes that change no status."""

    statuses_at_a_time: int = 4
    """The API server decodes and checks a whole object to change its status.

    With twelve of the largest at once on two cores, each took longer than the timeout of a request,
    so that all were repeated again and again.
    """

    def find(self, kind: RequestKind) -> int:
        """Return how many requests of a kind may be under way."""
        return self.statuses_at_a_time if kind is RequestKind.STATUS else self.at_a_time


@dataclass(order=True, slots=True)
class _Asking:
    since: float
    number: int
    place: asyncio.Future[None] = field(compare=False)


OnWait = Callable[[Urgency, float], None]

_Lane = tuple[Urgency, RequestKind]


class RequestBudget:
    """The requests that wait, and what may be sent now."""

    def __init__(
        self,
        limits: BudgetLimits | None = None,
        *,
        on_wait: OnWait = lambda _urgency, _seconds: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare. on_wait: called for each request with the seconds that it has waited."""
        self._on_wait = on_wait
        self._limits = limits or BudgetLimits()
        self._clock = clock
        self._tokens = Bucket(self._limits.per_second, self._limits.burst)
        numbers_per_second = self._limits.numbers_per_second
        self._numbers = Bucket(numbers_per_second, numbers_per_second)
        self._lanes: dict[_Lane, list[_Asking]] = {}
        self._under_way = dict.fromkeys(RequestKind, 0)
        self._asked = self._sent = 0
        self._alarm: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def place(self, kind: RequestKind) -> AsyncIterator[None]:
        """Wait for a token and a place, and keep the place for the block.

        A write that its task gives up before it is sent, because it raises NotWritten, keeps its
        turn: the next write of the task goes before those that asked later.
        """
        urgency = _urgency.get()
        if urgency is None:
            urgency = Urgency.OBSERVATION if kind is RequestKind.READ else Urgency.DECISION
        asked_at = self._clock()
        await self._wait(urgency, kind, asked_at=asked_at)
        self._on_wait(urgency, self._clock() - asked_at)
        was_sent = True
        try:
            yield
        except NotWritten:
            was_sent = False
            raise
        finally:
            if not was_sent:
                self._tokens.give_back()
            elif kind is not RequestKind.READ:
                _waiting_since.set(None)
            self._under_way[kind] -= 1
            self._send_next()

    def spare_for_numbers(self) -> bool:
        """Take one of the writes that only change numbers; return whether there was one."""
        now = self._clock()
        is_anyone_waiting = any(
            not asking.place.done() for lane in self._lanes.values() for asking in lane
        )
        if is_anyone_waiting or self._numbers.fill(now) < 1:
            return False
        if self._tokens.fill(now) < self._limits.burst / 2:
            return False
        self._numbers.take()
        return True

    async def _wait(self, urgency: Urgency, kind: RequestKind, *, asked_at: float) -> None:
        since = asked_at
        if kind is not RequestKind.READ:
            since = min(_waiting_since.get() or asked_at, asked_at)
            _waiting_since.set(since)
        self._asked += 1
        asking = _Asking(since, self._asked, asyncio.get_running_loop().create_future())
        heapq.heappush(self._lanes.setdefault((urgency, kind), []), asking)
        self._send_next()
        try:
            await asking.place
        except asyncio.CancelledError:
            if asking.place.done() and not asking.place.cancelled():
                # It was its turn just now.
                self._under_way[kind] -= 1
                self._tokens.give_back()
                self._send_next()
            raise

    def _send_next(self) -> None:
        """Give places to those whose turn it is, as long as there are tokens."""
        while (lane := self._choose_lane()) is not None:
            if self._tokens.fill(self._clock()) < 1:
                self._wake_later()
                return
            asking = heapq.heappop(self._lanes[lane])
            self._tokens.take()
            self._under_way[lane[1]] += 1
            self._sent += 1
            asking.place.set_result(None)

    def _choose_lane(self) -> _Lane | None:
        oldest: dict[Urgency, tuple[float, RequestKind]] = {}
        for (urgency, kind), asking in self._lanes.items():
            while asking and asking[0].place.done():
                heapq.heappop(asking)
            if asking and self._under_way[kind] < self._limits.find(kind):
                known = oldest.get(urgency)
                if known is None or asking[0].since < known[0]:
                    oldest[urgency] = (asking[0].since, kind)
        if not oldest:
            return None
        waits = {urgency: since for urgency, (since, _) in oldest.items()}
        urgency = choose_next(waits, sent=self._sent)
        return urgency, oldest[urgency][1]

    def _wake_later(self) -> None:
        if self._alarm is None:
            loop = asyncio.get_running_loop()
            self._alarm = loop.call_later(self._tokens.seconds_until_one(), self._wake)

    def _wake(self) -> None:
        self._alarm = None
        self._send_next()
