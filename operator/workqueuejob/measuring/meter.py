"""Measures every watched queue again and again: one connection and one thread for equal settings.

A queue is measured once a round, however many watchers it has. A broker that is slow or down delays
no other, and a call that does not end is given up. The meter reads no Secret: who changes
credentials watches with other settings.
"""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar

from workqueuejob.brokers.depth import Measurement
from workqueuejob.brokers.probe import Probe
from workqueuejob.measuring.backoff import MeterPace
from workqueuejob.measuring.connection import Measuring
from workqueuejob.measuring.line import Line
from workqueuejob.measuring.supervisor import Supervisor
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
CHECK_INTERVAL_SECONDS = 1.0
MAX_THREADS_LEFT_BEHIND = 40
"""Threads of all connections whose call does not end, beside which another one may start."""


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
        self, queue: WatchedQueue, listener: Listener, measuring: Measuring[QueueT]
    ) -> None:
        self._queue = queue
        self._listener = listener
        self._measuring = measuring

    @property
    def latest(self) -> Measurement | None:
        """The latest measurement, or None before the first one."""
        return self._queue.latest

    def request(self) -> None:
        """Ask for a measurement that starts after this call; `on_measurement` is called with it.

        Any thread may call this; it returns at once. A connection in back-off answers at its next
        try.
        """
        self._measuring.request(self._listener)

    def close(self) -> None:
        """Stop watching; returns at once. The connection ends with its last watch."""
        self._measuring.drop(self._listener)


class Meter(Generic[ConnectionT, QueueT]):
    """All measuring of one operator.

    `on_measurement` of a watch is called from a measuring thread: with every measurement whose
    result differs from the one before, and with every one that answers a request. To begin a watch
    is a request.
    """

    def __init__(
        self,
        interval_seconds: float = 0.8,
        *,
        connect: Callable[[ConnectionT], Probe[QueueT]],
        observer: MeterObserver | None = None,
        pace: MeterPace | None = None,
        overdue_seconds: float = OVERDUE_SECONDS,
    ) -> None:
        """Prepare; threads start with the first watch.

        connect: opens a connection. pace: replaces the one with the given interval.
        overdue_seconds: after which a call to a broker is given up.
        """
        self._overdue_seconds = overdue_seconds
        self._connect = connect
        self._environment = Environment(
            pace=pace or MeterPace(interval_seconds=interval_seconds),
            observer=observer or SilentObserver(),
        )
        self._lock = threading.Lock()
        self._measuring: dict[ConnectionT, Measuring[QueueT]] = {}
        self._supervisor: Supervisor | None = None

    def watch(
        self, connection: ConnectionT, queue: QueueT, on_measurement: OnMeasurement
    ) -> Watch[QueueT]:
        """Measure the queue until the returned watch is closed."""
        with self._lock:
            self._supervise()
            measuring = self._measuring.get(connection)
            watched = None if measuring is None else measuring.add(queue, on_measurement)
            if measuring is None or watched is None:
                # There is none with these settings, or it is just ending.
                line = Line(
                    connection.address, lambda: self._connect(connection), self._environment
                )
                measuring = Measuring(line, lambda ended: self._forget(connection, ended))
                self._measuring[connection] = measuring
                watched = measuring.start(queue, on_measurement)
            return Watch(*watched, measuring)

    def late_seconds(self) -> float:
        """Return how late the check for calls that don't end is; for the liveness probe.

        The calls themselves are no reason to restart, because the check gives them up.
        """
        with self._lock:
            return self._supervisor.late_seconds if self._supervisor else 0.0

    @property
    def connections(self) -> int:
        """How many different connection settings are watched."""
        with self._lock:
            return len(self._measuring)

    def close(self) -> None:
        """End all measuring, and wait for the threads, JOIN_TIMEOUT_SECONDS at most."""
        with self._lock:
            all_measuring = list(self._measuring.values())
            self._measuring.clear()
            supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            supervisor.end()
        for measuring in all_measuring:
            measuring.end()
        deadline = time.monotonic() + JOIN_TIMEOUT_SECONDS
        for measuring in all_measuring:
            measuring.join(max(deadline - time.monotonic(), 0.0))

    def _forget(self, connection: ConnectionT, ended: Measuring[QueueT]) -> None:
        with self._lock:
            if self._measuring.get(connection) is ended:
                del self._measuring[connection]

    def _supervise(self) -> None:
        if self._supervisor is None:
            self._supervisor = Supervisor(
                self._replace_overdue,
                interval_seconds=min(CHECK_INTERVAL_SECONDS, self._overdue_seconds / 3),
                clock=self._environment.clock,
            )
            self._supervisor.start()

    def _replace_overdue(self) -> None:
        with self._lock:
            all_measuring = list(self._measuring.values())
        for measuring in all_measuring:
            left_behind = sum(each.left_behind for each in all_measuring)
            measuring.replace_overdue(
                limit_seconds=self._overdue_seconds,
                now=self._environment.clock(),
                may_replace=left_behind <= MAX_THREADS_LEFT_BEHIND,
            )
