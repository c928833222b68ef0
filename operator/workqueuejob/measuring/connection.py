"""The measuring of one connection: its watchers, and the thread that steps its line.

Each call to a broker has a deadline. Some calls don't end nevertheless, such as looking up a host
name. `replace_overdue` gives such a call up: another thread goes on with another line, and the
first thread ends when its call does. The threads left behind are bounded, so that one broker can't
fill the process with them.
"""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

import structlog

from workqueuejob.errors import ConnectionFailed
from workqueuejob.measuring.line import Line
from workqueuejob.measuring.watched import Listener, OnMeasurement, WatchedQueue

AFTER_BUG_SECONDS = 1.0
MAX_THREADS_LEFT_BEHIND_PER_CONNECTION = 2
"""Threads of one connection whose call does not end, beside which another one may start."""

QueueT = TypeVar("QueueT")

log = structlog.get_logger(__name__)


class Measuring(Generic[QueueT]):
    """A connection's watchers, and the thread that measures unless too many were left behind."""

    def __init__(self, line: Line[QueueT], on_end: Callable[["Measuring[QueueT]"], None]) -> None:
        self.line = line
        self._on_end = on_end
        self._lock = line.lock
        self._ended = False
        self._runner: _Runner[QueueT] | None = _Runner(line)
        self._left_behind: list[_Runner[QueueT]] = []

    def start(self, queue: QueueT, on_measurement: OnMeasurement) -> tuple[WatchedQueue, Listener]:
        """Watch the first queue, start the thread, and return both halves of the watch."""
        watched = self._add(queue, on_measurement)
        if self._runner is not None:
            self._runner.start()
        return watched

    def add(
        self, queue: QueueT, on_measurement: OnMeasurement
    ) -> tuple[WatchedQueue, Listener] | None:
        """Watch one more queue and return both halves of the watch; None if measuring has ended."""
        with self._lock:
            if self._ended:
                return None
            watched = self._add(queue, on_measurement)
        self._poke()
        return watched

    def request(self, listener: Listener) -> None:
        """Have the listener's queue measured in the next round, and that round soon."""
        with self._lock:
            listener.wanting = True
        self._poke()

    def drop(self, listener: Listener) -> None:
        """Remove a listener; after the last one, end."""
        with self._lock:
            queues = self.line.queues
            for name, queue in list(queues.items()):
                if listener in queue.listeners:
                    queue.listeners.remove(listener)
                    if not queue.listeners:
                        del queues[name]
            idle = not queues
            self._ended = self._ended or idle
        if idle:
            self.end()
            self._on_end(self)

    def end(self) -> None:
        """End the thread, even if queues are watched; returns at once."""
        with self._lock:
            self._ended = True
            runner = self._runner
        if runner is not None:
            runner.end()

    def join(self, timeout_seconds: float) -> None:
        """Wait for the thread to end, unless it is the caller."""
        if self._runner is not None:
            self._runner.join(timeout_seconds)

    def replace_overdue(self, *, limit_seconds: float, now: float, may_replace: bool) -> None:
        """Give up a call that takes longer than the limit; go on in another thread if allowed.

        now: on the meter's clock. may_replace: whether all connections together leave room for
        one more thread.
        """
        self._left_behind = [runner for runner in self._left_behind if runner.is_alive]
        if self._ended:
            return
        if self._runner is not None and now - self.line.wake_at > limit_seconds:
            self._give_up(self._runner, limit_seconds)
        has_room = self.left_behind <= MAX_THREADS_LEFT_BEHIND_PER_CONNECTION
        if self._runner is None and may_replace and has_room:
            self._go_on()
        if self._runner is None:
            self.line.notify_newcomers()

    @property
    def left_behind(self) -> int:
        """How many threads were given up and have not ended."""
        return len(self._left_behind)

    def _give_up(self, late: "_Runner[QueueT]", limit_seconds: float) -> None:
        late.end()
        self._left_behind.append(late)
        with self._lock:
            self._runner = None
            self.line = self.line.hand_over()
        self.line.notify_all(
            ConnectionFailed(
                f"{self.line.address}: a measurement did not end within {limit_seconds:g} s and was"
                " given up; correct the host in spec.queue, or see why looking up its name takes so"
                " long"
            )
        )

    def _go_on(self) -> None:
        with self._lock:
            if self._ended:
                return
            self._runner = _Runner(self.line)
        self._runner.start()

    def _poke(self) -> None:
        if (runner := self._runner) is not None:
            runner.poke()

    def _add(self, queue: QueueT, on_measurement: OnMeasurement) -> tuple[WatchedQueue, Listener]:
        watched = self.line.queues.setdefault(queue, WatchedQueue())
        listener = Listener(on_measurement)
        watched.listeners.append(listener)
        return watched, listener


class _Runner(Generic[QueueT]):
    """A thread that steps a line until `end` is called."""

    def __init__(self, line: Line[QueueT]) -> None:
        self._line = line
        self._ended = False
        self._poked = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"meter {line.address}", daemon=True)
        self.start, self.poke = self._thread.start, self._poked.set

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def end(self) -> None:
        """Let the thread end after its present call; returns at once."""
        self._ended = True
        self._poked.set()

    def join(self, timeout_seconds: float) -> None:
        """Wait for the thread to end, unless it is the caller."""
        if self._thread is not threading.current_thread():
            self._thread.join(timeout_seconds)

    def _run(self) -> None:
        while not self._ended:
            self._poked.clear()
            try:
                wait = self._line.step()
            except Exception:
                log.exception("a measuring thread met a bug, and goes on")
                wait = AFTER_BUG_SECONDS
            if not self._ended:
                self._poked.wait(wait)
        self._line.close()
