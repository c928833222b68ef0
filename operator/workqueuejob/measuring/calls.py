"""The calls of one login that block, each in a thread of the pool, and what becomes of slow ones.

Each call has a deadline of its own. Some calls don't end all the same, such as looking up a host
name: these are given up, and their threads left behind. How many of them one login may leave is
bounded, so that one broker can't fill the process with them.
"""

import asyncio
import time
from collections.abc import Callable, Hashable
from typing import Protocol, TypeVar, cast

from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.brokers.probe import Probe
from workqueuejob.errors import ConnectionFailed, QueueError
from workqueuejob.measuring.pool import Job, Lane, Pool

MAX_LEFT_BEHIND = 2
"""Threads of one login whose call does not end, beside which another one may start."""

BATCH_SECONDS = 1.0
"""After which a call gives back what it has not asked, so that a slow broker frees its thread."""

QUICK_SECONDS = 0.5
"""A login whose last call took no longer is proven: it goes before others."""

QueueT = TypeVar("QueueT", bound=Hashable)
T = TypeVar("T")


class CallingThread(Protocol):
    """What is needed of the measuring thread."""

    loop: asyncio.AbstractEventLoop
    pool: Pool
    overdue_seconds: float


class Calls:
    """One login's calls. address: for messages."""

    def __init__(self, address: str, thread: CallingThread) -> None:
        self._address = address
        self._thread = thread
        self._lane = Lane.UNKNOWN
        self._left_behind: list[Job] = []

    @property
    def may_call(self) -> bool:
        """Whether another thread may be used."""
        self._left_behind = [job for job in self._left_behind if not job.is_over]
        return len(self._left_behind) <= MAX_LEFT_BEHIND

    async def call(self, call: Callable[[], T], *, dispose: Callable[[T], None]) -> T:
        """Return what a call in another thread returns; raise ConnectionFailed if it is overdue.

        dispose: called with what comes too late.
        """
        limit_seconds = self._thread.overdue_seconds
        job = self._thread.pool.submit(self._lane, call, dispose=dispose)
        await asyncio.wait([job.answer], timeout=limit_seconds)
        if not job.answer.done():
            self._lane = Lane.DOUBTFUL
            self._thread.pool.give_up(job)
            self._left_behind.append(job)
            raise ConnectionFailed(
                f"{self._address}: a measurement did not end within {limit_seconds:g} s and"
                " was given up; correct the host in spec.queue, or see why looking up its name"
                " takes so long"
            )
        is_quick = self._thread.loop.time() - job.began <= QUICK_SECONDS
        has_failed = job.answer.exception() is not None
        self._lane = Lane.PROVEN if is_quick and not has_failed else Lane.DOUBTFUL
        return cast("T", job.answer.result())


def measure_all(
    probe: Probe[QueueT], queues: list[QueueT]
) -> list[tuple[QueueDepth | Exception, float]]:
    """Return an answer for each queue, up to the first lost connection, or until time is up.

    Beside each answer stands when it had come, on the monotonic clock.
    """
    probe.begin_round()
    ends_at = time.monotonic() + BATCH_SECONDS
    answers: list[tuple[QueueDepth | Exception, float]] = []
    for queue in queues:
        is_last = False
        answer: QueueDepth | Exception
        try:
            answer = probe.measure(queue)
        except Exception as error:  # noqa: BLE001 (a client's edge: the measuring thread explains it)
            answer = error
            is_last = not isinstance(error, QueueError) or isinstance(error, ConnectionFailed)
        now = time.monotonic()
        answers.append((answer, now))
        if is_last or now > ends_at:
            break
    return answers
