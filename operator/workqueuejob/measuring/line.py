"""One connection's schedule: decides which queues are due, measures them, and passes results on.

`step` runs in one thread. Watchers call from others, so a lock guards the queues and their
listeners. Errors become measurements. A state that lasts is logged once. The line knows no broker:
it calls a `Probe`.
"""

import threading
from collections.abc import Callable, Hashable
from datetime import UTC, datetime
from typing import Generic, TypeVar

import structlog

from workqueuejob.brokers.depth import Measurement, QueueDepth
from workqueuejob.brokers.probe import Probe
from workqueuejob.errors import ConnectionFailed, QueueError
from workqueuejob.measuring.watched import Environment, Listener, WatchedQueue, same_result

QueueT = TypeVar("QueueT", bound=Hashable)
Round = dict[QueueT, list[Listener]]

log = structlog.get_logger(__name__)


class Line(Generic[QueueT]):
    """One connection, its queues, and their listeners."""

    def __init__(
        self, address: str, connect: Callable[[], Probe[QueueT]], environment: Environment
    ) -> None:
        self.lock = threading.Lock()
        self.queues: dict[QueueT, WatchedQueue] = {}
        self.wake_at = environment.clock()
        """When `step` should run next; while it runs, when its present call began."""
        self.is_abandoned = False
        """Whether another line has taken over; this one then publishes nothing more."""
        self.address = address
        self._connect = connect
        self._environment = environment
        self._probe: Probe[QueueT] | None = None
        self._broken: Measurement | None = None
        self._failures = 0
        self._retry_at = 0.0
        self._next_round_at = float("-inf")
        self._last_start = float("-inf")

    def step(self) -> float:
        """Measure the queues that are due; return the seconds until the next call."""
        now = self._environment.clock()
        self.wake_at = now
        if self._broken is not None and now < self._retry_at:
            self.notify_newcomers()
        elif now >= self._last_start + self._environment.pace.gap_seconds:
            self._run_round(now)
        self.wake_at = self._next_due()
        return max(self.wake_at - self._environment.clock(), 0.0)

    def hand_over(self) -> "Line[QueueT]":
        """Abandon this line and return its successor, which takes over the queues and the lock.

        Called with the lock held, by another thread, while a call of this line does not end.
        """
        self.is_abandoned = True
        successor = Line(self.address, self._connect, self._environment)
        successor.lock = self.lock
        successor.queues, self.queues = self.queues, {}
        successor.stay_broken(failures=self._failures + 1)
        return successor

    def notify_all(self, error: ConnectionFailed) -> None:
        """Publish an error to all listeners; it answers every request until the next try."""
        measurement = Measurement(self._environment.clock(), datetime.now(UTC), error)
        self._broken = measurement
        log.warning("broker can't be reached", broker=self.address, detail=str(error))
        for _, queue in self.list_queues():
            queue.take_wanting()
            queue.publish(measurement, list(queue.listeners))

    def notify_newcomers(self) -> None:
        """Publish the lasting error to queues that were watched only after it was published."""
        for _, queue in self.list_queues():
            if queue.latest is None and self._broken is not None:
                queue.publish(self._broken, ())

    def stay_broken(self, *, failures: int) -> None:
        """Count the connection's failures in a row, and wait accordingly before the next try."""
        self._failures = failures
        wait = self._environment.pace.next_connection_try(failures)
        self._retry_at = self.wake_at = self._environment.clock() + wait

    def close(self) -> None:
        """Close the connection."""
        probe, self._probe = self._probe, None
        if probe is not None:
            self._environment.observer.connections_changed(-1)
            probe.close()

    def _next_due(self) -> float:
        if self._broken is not None:
            return self._retry_at
        earliest = self._last_start + self._environment.pace.gap_seconds
        with self.lock:
            listeners = (listener for queue in self.queues.values() for listener in queue.listeners)
            if any(listener.wanting for listener in listeners):
                return earliest
        return max(earliest, self._next_round_at)

    def _run_round(self, now: float) -> None:
        due = self._take_due(now)
        if not due:
            return
        self._last_start = now
        # After the requests were taken and before the broker is asked, so that it answers them.
        started, time = self._environment.clock(), datetime.now(UTC)
        try:
            probe = self._probe or self._open()
            probe.begin_round()
        except Exception as error:  # noqa: BLE001 (the thread's edge: a bug must not stop measuring)
            if not self.is_abandoned:
                self._break(Measurement(started, time, self._explain(error)), due)
            return
        for name, wanting in due.items():
            result = self._measure(probe, name)
            if self.is_abandoned:
                return
            measurement = Measurement(started, time, result, ended=self._environment.clock())
            if isinstance(result, ConnectionFailed):
                self._break(measurement, due)
                return
            self._publish(name, measurement, wanting)
        self._mend()

    def _take_due(self, now: float) -> Round[QueueT]:
        mending = self._broken is not None
        regular = mending or now >= self._next_round_at
        if regular:
            self._next_round_at = now + self._environment.pace.next_round()
        due: Round[QueueT] = {}
        with self.lock:
            for name, queue in self.queues.items():
                wanting = queue.take_wanting()
                if wanting or mending or (regular and now >= queue.due_at):
                    due[name] = wanting
        return due

    def _open(self) -> Probe[QueueT]:
        self._probe = self._connect()
        self._environment.observer.connections_changed(1)
        return self._probe

    def _measure(self, probe: Probe[QueueT], name: QueueT) -> QueueDepth | QueueError:
        self.wake_at = self._environment.clock()
        try:
            return probe.measure(name)
        except Exception as error:  # noqa: BLE001 (the thread's edge: a bug must not stop measuring)
            return self._explain(error)

    def _explain(self, error: Exception) -> QueueError:
        if isinstance(error, QueueError):
            return error
        # Only the class, because an unknown exception's text may hold a secret.
        named = ConnectionFailed(
            f"{self.address}: {type(error).__name__} while measuring; see the operator's log"
        )
        if self._broken is None or str(self._broken.result) != str(named):
            log.error("measuring failed unexpectedly", broker=self.address, exc_info=error)
        return named

    def _publish(self, name: QueueT, measurement: Measurement, wanting: list[Listener]) -> None:
        queue = self.queues.get(name)
        if queue is None:
            return
        before, result = queue.failures, measurement.result
        if isinstance(result, QueueError):
            queue.failures += 1
            wait = self._environment.pace.next_queue_try(queue.failures)
            queue.due_at = self._environment.clock() + wait
        else:
            queue.failures, queue.due_at = 0, 0.0
        self._observe(measurement)
        if queue.publish(measurement, wanting):
            self._log_change(name, result, failed_before=before > 0)

    def _observe(self, measurement: Measurement) -> None:
        duration = self._environment.clock() - measurement.started
        try:
            self._environment.observer.measured(measurement, duration)
        except Exception:
            # The requests are taken: a failing observer must not leave them unanswered.
            log.exception("the meter's observer failed")

    def _log_change(
        self, name: QueueT, result: QueueDepth | QueueError, *, failed_before: bool
    ) -> None:
        bound = log.bind(broker=self.address, queue=str(name))
        if isinstance(result, QueueError):
            bound.warning("queue can't be measured", reason=result.reason, detail=str(result))
        elif failed_before:
            bound.info("queue can be measured again")

    def _break(self, measurement: Measurement, due: Round[QueueT]) -> None:
        self.close()
        self._failures += 1
        wait = self._environment.pace.next_connection_try(self._failures)
        self._retry_at = self._environment.clock() + wait
        before, self._broken = self._broken, measurement
        if before is None or not same_result(before, measurement):
            reason = measurement.result.reason if isinstance(measurement.result, QueueError) else ""
            log.warning(
                "broker can't be reached",
                broker=self.address,
                reason=reason,
                detail=str(measurement.result),
            )
        for name, queue in self.list_queues():
            queue.publish(measurement, due.get(name, ()))
        self._observe(measurement)

    def _mend(self) -> None:
        if self._broken is not None:
            log.info("broker can be reached again", broker=self.address)
        self._broken, self._failures = None, 0

    def list_queues(self) -> list[tuple[QueueT, WatchedQueue]]:
        """Return a copy of the queues, taken under the lock."""
        with self.lock:
            return list(self.queues.items())
