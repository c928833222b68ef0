"""Threads for the calls of clients that block, started when they are needed.

Every method is called in the measuring thread. A call that takes long does not count as one of the
few that run side by side, so it delays no other; its thread counts for the limits of `Lane`. A call
can't be interrupted: who gives it up leaves its thread behind, which ends when the call does.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from queue import SimpleQueue
from typing import Any

SIDE_BY_SIDE = 4
"""Calls that run at once and have begun a moment ago; Python runs one thread at a time anyway."""

MOMENT_SECONDS = 0.25
MOST_THREADS = 40


class Lane(IntEnum):
    """What is known of a login: who has answered quickly goes first."""

    PROVEN = 0
    UNKNOWN = 1
    DOUBTFUL = 2


LANE_THREADS = {Lane.PROVEN: MOST_THREADS, Lane.UNKNOWN: 30, Lane.DOUBTFUL: 16}
"""The threads that a lane and those below it may have. So broken brokers leave some for others."""


LANE_FRESH = {Lane.PROVEN: SIDE_BY_SIDE, Lane.UNKNOWN: 3, Lane.DOUBTFUL: 1}
"""The calls of a lane and those below it that may have begun a moment ago."""


def may_start(lane: Lane, *, running: list[Lane], fresh: list[Lane]) -> bool:
    """Return whether a call may start beside those that run.

    running: the lane of each call whose thread has not ended. fresh: of those that have just begun.
    """
    return all(
        sum(other >= above for other in running) < LANE_THREADS[above]
        and sum(other >= above for other in fresh) < LANE_FRESH[above]
        for above in Lane
        if above <= lane
    )


@dataclass(eq=False)
class Job:
    """A call in the pool.

    dispose: called with the result of a call that was given up.
    """

    lane: Lane
    call: Callable[[], Any]
    dispose: Callable[[Any], None]
    answer: "asyncio.Future[Any]"
    began: float = 0.0
    is_given_up: threading.Event = field(default_factory=threading.Event)
    is_over: bool = False


class Pool:
    """The threads, the calls that run in them, and those that wait."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: dict[Lane, deque[Job]] = {lane: deque() for lane in Lane}
        self._running: list[Job] = []
        self._idle = 0
        self._handed: SimpleQueue[Job | None] = SimpleQueue()
        self._look_again: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._threads: set[threading.Thread] = set()

    def submit(self, lane: Lane, call: Callable[[], Any], *, dispose: Callable[[Any], None]) -> Job:
        """Run a call as soon as its lane has room; the job's `answer` gets what comes of it."""
        job = Job(lane, call, dispose, self._loop.create_future())
        self._waiting[lane].append(job)
        self._start_waiting()
        return job

    def give_up(self, job: Job) -> None:
        """Wait for a call no more; its thread is not used again."""
        job.is_given_up.set()
        job.is_over = job.is_over or job not in self._running
        job.answer.cancel()

    def close(self) -> None:
        """Let idle threads end, and the others after their call."""
        self._is_closed = True
        for job in self._running:
            job.is_given_up.set()
        for _ in self._threads:
            self._handed.put(None)

    def join(self, timeout_seconds: float) -> None:
        """Wait for the threads to end, after `close` and outside of the loop."""
        ends_at = time.monotonic() + timeout_seconds
        for thread in list(self._threads):
            thread.join(max(ends_at - time.monotonic(), 0.0))

    def _start_waiting(self) -> None:
        if self._is_closed:
            return
        now = self._loop.time()
        fresh = [job.lane for job in self._running if now - job.began < MOMENT_SECONDS]
        lanes = [job.lane for job in self._running]
        for lane, jobs in self._waiting.items():
            while jobs and may_start(lane, running=lanes, fresh=fresh):
                job = jobs.popleft()
                if not job.answer.cancelled():
                    self._start(job, now)
                    lanes.append(lane)
                    fresh.append(lane)
        if self._look_again is None and any(self._waiting.values()):
            self._look_again = self._loop.call_later(MOMENT_SECONDS / 2, self._on_look_again)

    def _on_look_again(self) -> None:
        self._look_again = None
        self._start_waiting()

    def _start(self, job: Job, now: float) -> None:
        job.began = now
        self._running.append(job)
        if self._idle:
            self._idle -= 1
            self._handed.put(job)
        else:
            thread = threading.Thread(
                target=self._work, args=(job,), name="meter's caller", daemon=True
            )
            self._threads.add(thread)
            thread.start()

    def _work(self, first: Job) -> None:
        """Run in a thread of the pool: a call, and those that follow it."""
        self._call(first)
        self._threads.discard(threading.current_thread())

    def _call(self, first: Job) -> None:
        job: Job | None = first
        while job is not None:
            result, error = None, None
            try:
                result = job.call()
            except Exception as raised:  # noqa: BLE001 (the thread's edge: handed to who waits)
                error = raised
            is_given_up = job.is_given_up.is_set()
            if is_given_up and result is not None:
                job.dispose(result)
            try:
                self._loop.call_soon_threadsafe(self._finish, job, result, error, is_given_up)
            except RuntimeError:
                # The loop is closed: no one waits any more.
                return
            if is_given_up or self._is_closed:
                return
            job = self._handed.get()

    def _finish(
        self, job: Job, result: Any, error: Exception | None, has_thread_ended: bool
    ) -> None:
        job.is_over = True
        self._running.remove(job)
        if not has_thread_ended:
            self._keep_thread()
        if job.answer.done():
            # Given up at the very moment when it ended.
            if result is not None and not has_thread_ended:
                job.dispose(result)
        elif error is not None:
            job.answer.set_exception(error)
        else:
            job.answer.set_result(result)
        self._start_waiting()

    def _keep_thread(self) -> None:
        if self._is_closed:
            # A None has been handed out for each thread.
            return
        if self._idle < SIDE_BY_SIDE:
            self._idle += 1
        else:
            self._handed.put(None)
