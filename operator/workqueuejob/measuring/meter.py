"""Measures every watched queue again and again: one connection for equal settings, and one thread.

A queue is measured once a round, however many watchers it has. A broker that is slow or down delays
no other, and a call that does not end is given up. The meter reads no Secret: who changes
credentials watches with other settings.
"""

import threading
from collections.abc import Callable, Hashable
from functools import partial
from typing import Generic, Protocol, TypeVar

from workqueuejob.brokers.depth import Measurement
from workqueuejob.brokers.probe import LoopProbe, Probe
from workqueuejob.measuring.backoff import MeterPace
from workqueuejob.measuring.line import Line
from workqueuejob.measuring.thread import MeasuringThread
from workqueuejob.measuring.watched import (
    Environment,
    Listener,
    MeterObserver,
    OnMeasurement,
    SilentObserver,
    WatchedQueue,
)

JOIN_TIMEOUT_SECONDS = 5.0
OVERDUE_SECONDS = 30.0
"""For one call to a broker. The brokers' deadlines end a call after 20 seconds at most."""


class Connection(Hashable, Protocol):
    """Connection settings. Equal settings share a connection."""

    @property
    def address(self) -> str:
        """`host:port`, for messages and logs."""
        ...


ConnectionT = TypeVar("ConnectionT", bound=Connection)
QueueT = TypeVar("QueueT", bound=Hashable)


class Watch(Generic[QueueT]):
    """One watcher's access to a queue's measurements, until it is closed."""

    def __init__(
        self,
        queue: WatchedQueue,
        listener: Listener,
        *,
        set_idle: Callable[[bool], None],
        request: Callable[[], None],
        close: Callable[[], None],
    ) -> None:
        self._queue = queue
        self._listener = listener
        self._set_idle = set_idle
        self._request = request
        self._close = close

    @property
    def latest(self) -> Measurement | None:
        """The latest measurement, or None before the first one."""
        return self._queue.latest

    def request(self) -> None:
        """Ask for a measurement that starts after this call; `on_measurement` is called with it.

        Any thread may call this; it returns at once. A connection in back-off answers at its next
        try.
        """
        self._request()

    def be_idle(self, is_idle: bool) -> None:
        """Say whether the watcher waits for nothing but new items.

        While all watchers of a queue do, rounds may only look whether it has changed, and measure
        it then. `latest` may be up to two minutes old.
        """
        if self._listener.is_idle != is_idle:
            self._set_idle(is_idle)

    def close(self) -> None:
        """Stop watching; returns at once. The connection ends with its last watch."""
        self._close()


class Meter(Generic[ConnectionT, QueueT]):
    """All measuring of one operator.

    `on_measurement` of a watch is called from the measuring thread: with every measurement whose
    result differs from the one before, and with every one that answers a request. To begin a watch
    is a request.
    """

    def __init__(
        self,
        interval_seconds: float = 0.8,
        *,
        connect: Callable[[ConnectionT], Probe[QueueT] | LoopProbe[QueueT]],
        observer: MeterObserver | None = None,
        pace: MeterPace | None = None,
        overdue_seconds: float = OVERDUE_SECONDS,
    ) -> None:
        """Prepare; the thread starts with the first watch.

        connect: opens a probe, or prepares one that lives on the thread's loop. It may block.
        pace: replaces the one with the given interval.
        overdue_seconds: after which a call to a broker is given up.
        """
        self._overdue_seconds = overdue_seconds
        self._connect = connect
        self._environment = Environment(
            pace=pace or MeterPace(interval_seconds=interval_seconds),
            observer=observer or SilentObserver(),
        )
        self._lock = threading.Lock()
        self._lines: dict[ConnectionT, Line[QueueT]] = {}
        self._thread: MeasuringThread | None = None

    def watch(
        self, connection: ConnectionT, queue: QueueT, on_measurement: OnMeasurement
    ) -> Watch[QueueT]:
        """Measure the queue until the returned watch is closed."""
        with self._lock:
            line = self._lines.get(connection)
            watched = None if line is None else line.watch(queue, on_measurement)
            if line is None or watched is None:
                # There is none with these settings, or it is just ending.
                line = self._lines[connection] = Line(connection.address, self._environment)
                watched = line.watch(queue, on_measurement)
            thread = self._thread or self._start()
        if watched is None:
            raise RuntimeError("a line ended before its first watch")
        return self._build_watch(connection, line, queue, *watched, thread=thread)

    def late_seconds(self) -> float:
        """Return how late the measuring thread is; for the liveness probe.

        Calls to brokers are no reason to restart, because none is made in this thread.
        """
        with self._lock:
            return self._thread.late_seconds if self._thread else 0.0

    @property
    def connections(self) -> int:
        """How many different connection settings are watched."""
        with self._lock:
            return len(self._lines)

    def close(self) -> None:
        """End all measuring, and wait for the thread, JOIN_TIMEOUT_SECONDS at most."""
        with self._lock:
            self._lines.clear()
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.end()
            thread.join(JOIN_TIMEOUT_SECONDS)

    def _start(self) -> MeasuringThread:
        def list_logins() -> list[tuple[Line[QueueT], Callable[[], object]]]:
            with self._lock:
                # A thread that is ending, because another one has taken over, has none.
                lines = list(self._lines.items()) if self._thread is thread else []
            return [(line, partial(self._connect, connection)) for connection, line in lines]

        thread = self._thread = MeasuringThread(
            list_logins, self._environment, overdue_seconds=self._overdue_seconds
        )
        thread.begin()
        return thread

    def _build_watch(
        self,
        connection: ConnectionT,
        line: Line[QueueT],
        queue: QueueT,
        watched: WatchedQueue,
        listener: Listener,
        *,
        thread: MeasuringThread,
    ) -> Watch[QueueT]:
        def request() -> None:
            line.request(queue, listener)
            thread.poke()

        def close() -> None:
            if line.drop(queue, listener):
                thread.forget(line, queue)
                self._drop_ended(connection, line)

        thread.poke()
        return Watch(
            watched,
            listener,
            set_idle=lambda is_idle: line.set_idle(listener, is_idle),
            request=request,
            close=close,
        )

    def _drop_ended(self, connection: ConnectionT, line: Line[QueueT]) -> None:
        """Forget a login without watches; without any login, end the thread."""
        with self._lock:
            if line.is_ended and self._lines.get(connection) is line:
                del self._lines[connection]
            ending, thread = not self._lines, self._thread
            if ending:
                self._thread = None
        if thread is not None:
            if ending:
                thread.end()
            else:
                thread.poke()
