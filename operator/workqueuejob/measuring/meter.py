"""Measures every watched queue again and again: one thread and one connection per broker.

However many watch a queue, it is measured once a round, and a broker that is slow or down delays
no other: a call that does not end is given up. The meter plans nothing and never reads a Secret:
other credentials are other settings, and so another watch.
"""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar

from workqueuejob.brokers.depth import Measurement
from workqueuejob.brokers.probe import Probe
from workqueuejob.measuring.backoff import Pace
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
"""For one call to a broker, whose own deadlines make it end after 20 at most."""
CHECK_SECONDS = 1.0
MOST_LEFT_BEHIND = 40
"""Threads of all connections whose call does not end."""


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
        self, queue: WatchedQueue, listener: Listener, measuring: Measuring[QueueT]
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
        pace: Pace | None = None,
        overdue_seconds: float = OVERDUE_SECONDS,
    ) -> None:
        """Prepare; a thread starts with the first watch.

        pace: in the place of the one that goes with the interval.
        overdue_seconds: after which a call to a broker is given up.
        """
        self._overdue_seconds = overdue_seconds
        self._connect = connect
        self._environment = Environment(
            pace=pace or Pace(interval_seconds=interval_seconds),
            observer=observer or SilentObserver(),
        )
        self._lock = threading.Lock()
        self._measuring: dict[ConnectionT, Measuring[QueueT]] = {}
        self._supervisor: Supervisor | None = None

    def watch(
        self, connection: ConnectionT, queue: QueueT, on_measurement: OnMeasurement
    ) -> Watch[QueueT]:
        """Measure the queue until the watch is closed."""
        with self._lock:
            self._supervise()
            measuring = self._measuring.get(connection)
            watched = None if measuring is None else measuring.add(queue, on_measurement)
            if measuring is None or watched is None:
                # None there, or one that is just ending.
                line = Line(
                    connection.address, lambda: self._connect(connection), self._environment
                )
                measuring = Measuring(line, lambda ended: self._forget(connection, ended))
                self._measuring[connection] = measuring
                watched = measuring.start(queue, on_measurement)
            return Watch(*watched, measuring)

    def late_seconds(self) -> float:
        """How long nobody has looked for calls that don't end; for a liveness probe.

        A call that doesn't end is no reason to restart: it is given up.
        """
        with self._lock:
            return self._supervisor.late_seconds if self._supervisor else 0.0

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
            supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            supervisor.end()
        for one in all_measuring:
            one.end()
        deadline = time.monotonic() + JOIN_TIMEOUT_SECONDS
        for one in all_measuring:
            one.join(max(deadline - time.monotonic(), 0.0))

    def _forget(self, connection: ConnectionT, ended: Measuring[QueueT]) -> None:
        with self._lock:
            if self._measuring.get(connection) is ended:
                del self._measuring[connection]

    def _supervise(self) -> None:
        if self._supervisor is None:
            self._supervisor = Supervisor(
                self._replace_overdue,
                interval_seconds=min(CHECK_SECONDS, self._overdue_seconds / 3),
                clock=self._environment.clock,
            )
            self._supervisor.start()

    def _replace_overdue(self) -> None:
        with self._lock:
            every = list(self._measuring.values())
        for one in every:
            left_behind = sum(other.left_behind for other in every)
            one.replace_overdue(
                limit_seconds=self._overdue_seconds,
                now=self._environment.clock(),
                may_replace=left_behind <= MOST_LEFT_BEHIND,
            )
