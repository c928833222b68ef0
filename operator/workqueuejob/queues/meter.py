"""Measures every watched queue again and again: one thread and one connection per broker.

However many watch a queue, it is measured once a round, and a broker that is slow or down delays
no other. The meter plans nothing and never reads a Secret: other credentials are other settings,
and so another watch.
"""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar

import structlog

from workqueuejob.planning.depth import Measurement
from workqueuejob.queues.backoff import Pace
from workqueuejob.queues.line import Line
from workqueuejob.queues.protocol import Probe
from workqueuejob.queues.watched import (
    Environment,
    Listener,
    MeterObserver,
    OnMeasurement,
    SilentObserver,
    WatchedQueue,
)

JOIN_TIMEOUT_SECONDS = 5.0
AFTER_BUG_SECONDS = 1.0

log = structlog.get_logger(__name__)


class Connection(Hashable, Protocol):
    """Connection settings: equal ones share a connection; `address` is for messages and logs."""

    @property
    def address(self) -> str:
        """`host:port`."""
        ...


ConnectionT = TypeVar("ConnectionT", bound=Connection)
QueueT = TypeVar("QueueT", bound=Hashable)


class Watch(Generic[QueueT]):
    """One watcher's hold on a queue's measurements."""

    def __init__(
        self, queue: WatchedQueue, listener: Listener, measuring: "_Measuring[QueueT]"
    ) -> None:
        self._queue = queue
        self._listener = listener
        self._measuring = measuring

    @property
    def latest(self) -> Measurement | None:
        """The last measurement; None until there is one."""
        return self._queue.latest

    def request(self) -> None:
        """Ask for a measurement that starts after this call, and is told even if nothing changed.

        Any thread; returns at once. A connection in back-off answers at its next try.
        """
        self._measuring.request(self._listener)

    def close(self) -> None:
        """Stop watching; returns at once. The last watcher's close ends the connection."""
        self._measuring.drop(self._listener)


class Meter(Generic[ConnectionT, QueueT]):
    """All measuring of one operator.

    `on_measurement` of a watch is called from a measuring thread: for every measurement whose
    result differs from the one before, and for every one that answers a request. Watching is a
    request.
    """

    def __init__(
        self,
        interval_seconds: float = 0.8,
        *,
        connect: Callable[[ConnectionT], Probe[QueueT]],
        observer: MeterObserver | None = None,
    ) -> None:
        self._connect = connect
        self._environment = Environment(
            pace=Pace(interval_seconds=interval_seconds), observer=observer or SilentObserver()
        )
        self._lock = threading.Lock()
        self._measuring: dict[ConnectionT, _Measuring[QueueT]] = {}

    def watch(
        self, connection: ConnectionT, queue: QueueT, on_measurement: OnMeasurement
    ) -> Watch[QueueT]:
        """Measure the queue until the watch is closed."""
        with self._lock:
            measuring = self._measuring.get(connection)
            watch = None if measuring is None else measuring.add(queue, on_measurement)
            if watch is None:
                # None there, or one that is just ending.
                line = Line(
                    connection.address, lambda: self._connect(connection), self._environment
                )
                measuring = _Measuring(line, lambda ended: self._forget(connection, ended))
                self._measuring[connection] = measuring
                watch = measuring.start(queue, on_measurement)
            return watch

    def overdue_seconds(self) -> float:
        """How far the most belated thread is behind its own schedule; for a liveness probe.

        A waiting thread is 0 s behind; a call to a broker takes about ten seconds at most.
        """
        now = self._environment.clock()
        with self._lock:
            return max([0.0, *(now - one.line.wake_at for one in self._measuring.values())])

    @property
    def connections(self) -> int:
        """How many distinct connection settings are being measured."""
        with self._lock:
            return len(self._measuring)

    def close(self) -> None:
        """End all measuring and wait for the threads, within a bound."""
        with self._lock:
            all_measuring = list(self._measuring.values())
            self._measuring.clear()
        for one in all_measuring:
            one.end()
        deadline = time.monotonic() + JOIN_TIMEOUT_SECONDS
        for one in all_measuring:
            one.join(max(deadline - time.monotonic(), 0.0))

    def _forget(self, connection: ConnectionT, ended: "_Measuring[QueueT]") -> None:
        with self._lock:
            if self._measuring.get(connection) is ended:
                del self._measuring[connection]


class _Measuring(Generic[QueueT]):
    """A line and the thread that moves it on until its last watcher is gone."""

    def __init__(self, line: Line[QueueT], on_end: Callable[["_Measuring[QueueT]"], None]) -> None:
        self.line = line
        self._on_end = on_end
        self._ended = False
        self._poked = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"meter {line.address}", daemon=True)

    def start(self, queue: QueueT, on_measurement: OnMeasurement) -> Watch[QueueT]:
        """Watch the first queue and start the thread."""
        watch = self._add(queue, on_measurement)
        self._thread.start()
        return watch

    def add(self, queue: QueueT, on_measurement: OnMeasurement) -> Watch[QueueT] | None:
        """Watch one more queue; None when this has ended."""
        with self.line.lock:
            if self._ended:
                return None
            watch = self._add(queue, on_measurement)
        self._poked.set()
        return watch

    def request(self, listener: Listener) -> None:
        """Measure the listener's queue as soon as may be."""
        with self.line.lock:
            listener.wanting = True
        self._poked.set()

    def drop(self, listener: Listener) -> None:
        """Remove a listener; without any, end."""
        queues = self.line.queues
        with self.line.lock:
            for name, queue in list(queues.items()):
                if listener in queue.listeners:
                    queue.listeners.remove(listener)
                    if not queue.listeners:
                        del queues[name]
            idle = not queues
            self._ended = self._ended or idle
        if idle:
            self._poked.set()
            self._on_end(self)

    def end(self) -> None:
        """End the thread, whoever watches."""
        with self.line.lock:
            self._ended = True
        self._poked.set()

    def join(self, timeout_seconds: float) -> None:
        """Wait for the thread, unless it is the caller's own."""
        if self._thread is not threading.current_thread():
            self._thread.join(timeout_seconds)

    def _add(self, queue: QueueT, on_measurement: OnMeasurement) -> Watch[QueueT]:
        watched = self.line.queues.setdefault(queue, WatchedQueue())
        listener = Listener(on_measurement)
        watched.listeners.append(listener)
        return Watch(watched, listener, self)

    def _run(self) -> None:
        while not self._ended:
            self._poked.clear()
            try:
                wait = self.line.step()
            except Exception:
                log.exception("a measuring thread met a bug, and goes on")
                wait = AFTER_BUG_SECONDS
            if not self._ended:
                self._poked.wait(wait)
        self.line.close()
