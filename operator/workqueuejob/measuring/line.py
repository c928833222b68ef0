"""The schedule of one login: which of its queues are due, and what becomes of the answers.

The measuring thread takes what is due and brings the answers. Watchers call from other threads, so
a lock guards the queues and their listeners. Errors become measurements. A state that lasts is
logged once. The line knows no broker, and asks nothing itself.
"""

import threading
from collections.abc import Hashable, Iterable
from datetime import UTC, datetime
from typing import Generic, TypeVar

import structlog

from workqueuejob.brokers.depth import Measurement, QueueDepth
from workqueuejob.errors import ConnectionFailed, QueueError
from workqueuejob.measuring.agenda import Agenda
from workqueuejob.measuring.ask import Answer, Ask, Unchanged
from workqueuejob.measuring.interval import say_interval, smooth
from workqueuejob.measuring.turns import Grant, Kind
from workqueuejob.measuring.watched import (
    Environment,
    Listener,
    OnMeasurement,
    WatchedQueue,
    same_result,
)

QueueT = TypeVar("QueueT", bound=Hashable)

log = structlog.get_logger(__name__)


class Line(Generic[QueueT]):
    """One login, its queues, and their listeners."""

    def __init__(self, address: str, environment: Environment) -> None:
        self.lock = threading.Lock()
        self.address = address
        self.is_ended = False
        """Whether its last watch was closed; it takes no other."""
        self.intervals: dict[Kind, float] = dict.fromkeys(Kind, 0.0)
        """The seconds between two regular questions to a queue, as they have been lately."""
        self._environment = environment
        self._queues: dict[QueueT, WatchedQueue] = {}
        self._agenda: Agenda[QueueT] = Agenda()
        self._broken: Measurement | None = None
        self._failures = 0
        self._retry_at = float("-inf")

    # Called from any thread

    def watch(
        self, queue: QueueT, on_measurement: OnMeasurement
    ) -> tuple[WatchedQueue, Listener] | None:
        """Watch a queue and return both halves of the watch; None if the line has ended."""
        with self.lock:
            if self.is_ended:
                return None
            watched = self._queues.setdefault(queue, WatchedQueue())
            listener = Listener(on_measurement)
            watched.listeners.append(listener)
            self._agenda.request(queue)
        return watched, listener

    def request(self, queue: QueueT, listener: Listener) -> None:
        """Have the listener's queue measured soon."""
        with self.lock:
            listener.wanting = True
            if queue in self._queues:
                self._agenda.request(queue)

    def set_idle(self, listener: Listener, is_idle: bool) -> None:
        """Note whether a listener waits for nothing but new items."""
        with self.lock:
            listener.is_idle = is_idle

    def drop(self, queue: QueueT, listener: Listener) -> bool:
        """Remove a listener; return whether its queue has none any more."""
        with self.lock:
            watched = self._queues.get(queue)
            if watched is None or listener not in watched.listeners:
                return False
            watched.listeners.remove(listener)
            if watched.listeners:
                return False
            del self._queues[queue]
            self._agenda.forget(queue)
            self.is_ended = not self._queues
            return True

    # Called from the measuring thread

    @property
    def is_failing(self) -> bool:
        """Whether its connection could not be made, or broke, when it was last tried."""
        return self._broken is not None

    @property
    def size(self) -> int:
        """How many queues and dates it keeps; bounded by what is watched, however long it runs."""
        with self.lock:
            return len(self._queues) + self._agenda.size

    def watches(self, queue: QueueT) -> bool:
        """Return whether a queue is watched."""
        return queue in self._queues

    def count_due(self, now: float, *, at_most: int) -> tuple[int, int, int, int]:
        """Return how many queues of each kind are due, counted up to a limit."""
        if self._broken is not None:
            self._notify_newcomers(self._broken)
        if now < self._retry_at:
            return (0, 0, 0, 0)
        with self.lock:
            return self._agenda.count_due(self._queues, now, at_most=at_most)

    def next_due_at(self) -> float:
        """Return when a queue will be due that is not yet; infinity if there is none."""
        return max(self._agenda.next_due_at, self._retry_at)

    def take(self, grant: Grant, now: float) -> list[Ask[QueueT]]:
        """Return the questions that the grant allows; each must be answered, or given back."""
        pace = self._environment.pace
        next_at = now + pace.next_round()
        asks: list[Ask[QueueT]] = []
        with self.lock:
            for kind in Kind:
                for queue in self._agenda.take(kind, grant[kind], self._queues, now=now):
                    watched = self._queues[queue]
                    wanting = watched.take_wanting()
                    self._note_interval(kind, now - watched.asked_at)
                    is_glance = not wanting and watched.may_glance(now, pace)
                    watched.begin(now, wanting, gap_seconds=pace.gap_seconds)
                    ask = Ask(
                        queue, watched, bool(wanting), is_glance, now, datetime.now(UTC), next_at
                    )
                    asks.append(ask)
        return asks

    def answer(self, ask: Ask[QueueT], answer: Answer, *, ended: float | None = None) -> None:
        """Take in the answer to a question. A ConnectionFailed ends the connection: `fail`.

        ended: when it had come, on the meter's clock; None for now.
        """
        if isinstance(answer, ConnectionFailed):
            self.fail(answer, started=ask.started, time=ask.time)
            return
        self._mend()
        now, watched = self._environment.clock(), ask.watched
        failed_before = watched.failures > 0
        wanting = watched.end()
        due_at = ask.next_at
        if isinstance(answer, QueueError):
            due_at = now + watched.count_failure(now - ask.started, self._environment.pace)
        else:
            watched.count_success()
        self._put_back(ask.queue, watched, due_at)
        if isinstance(answer, Unchanged):
            return
        interval_seconds = say_interval(self.intervals[watched.kind])
        measurement = Measurement(
            ask.started,
            ask.time,
            answer,
            ended=now if ended is None else ended,
            interval_seconds=interval_seconds,
        )
        self._observe(measurement)
        if self._queues.get(ask.queue) is watched and watched.publish(measurement, wanting):
            self._log_change(ask.queue, answer, failed_before=failed_before)

    def give_back(self, asks: Iterable[Ask[QueueT]], *, due_at: float) -> None:
        """Take questions back that were not asked."""
        for ask in asks:
            for listener in ask.watched.end():
                listener.wanting = True
            self._put_back(ask.queue, ask.watched, due_at)

    def fail(self, error: QueueError, *, started: float, time: datetime) -> None:
        """Publish to all why there is no connection, and wait before the next try.

        It answers every request, and everything that was asked.
        """
        now = self._environment.clock()
        self._failures += 1
        self._retry_at = now + self._environment.pace.next_connection_try(self._failures)
        measurement = Measurement(started, time, error)
        before, self._broken = self._broken, measurement
        if before is None or not same_result(before, measurement):
            log.warning(
                "broker can't be reached",
                broker=self.address,
                reason=error.reason,
                detail=str(error),
            )
        answered = []
        with self.lock:
            for queue, watched in self._queues.items():
                answered.append((watched, [*watched.end(), *watched.take_wanting()]))
                self._agenda.put(queue, watched, self._retry_at)
        for watched, wanting in answered:
            watched.publish(measurement, wanting)
        self._observe(measurement)

    def explain(self, error: Exception) -> QueueError:
        """Return the error as one of the tree; log the others, which are bugs."""
        if isinstance(error, QueueError):
            return error
        # Only the class, because an unknown exception's text may hold a secret.
        named = ConnectionFailed(
            f"{self.address}: {type(error).__name__} while measuring; see the operator's log"
        )
        if self._broken is None or str(self._broken.result) != str(named):
            log.error("measuring failed unexpectedly", broker=self.address, exc_info=error)
        return named

    def _note_interval(self, kind: Kind, seconds: float) -> None:
        if kind is not Kind.REQUESTED and seconds != float("inf"):
            self.intervals[kind] = smooth(self.intervals[kind], seconds)

    def _put_back(self, queue: QueueT, watched: WatchedQueue, due_at: float) -> None:
        with self.lock:
            if self._queues.get(queue) is not watched:
                return
            self._agenda.put(queue, watched, due_at)
            if any(listener.wanting for listener in watched.listeners):
                self._agenda.request(queue)

    def _notify_newcomers(self, lasting: Measurement) -> None:
        """Publish the lasting error to queues that were watched only after it was published."""
        with self.lock:
            requested = [self._queues[queue] for queue in self._agenda.requested]
        for watched in requested:
            if watched.latest is None:
                watched.publish(lasting, ())

    def _observe(self, measurement: Measurement) -> None:
        duration = self._environment.clock() - measurement.started
        try:
            self._environment.observer.measured(measurement, duration)
        except Exception:
            # The requests are taken: a failing observer must not leave them unanswered.
            log.exception("the meter's observer failed")

    def _log_change(
        self, queue: QueueT, result: QueueDepth | QueueError, *, failed_before: bool
    ) -> None:
        bound = log.bind(broker=self.address, queue=str(queue))
        if isinstance(result, QueueError):
            bound.warning("queue can't be measured", reason=result.reason, detail=str(result))
        elif failed_before:
            bound.info("queue can be measured again")

    def _mend(self) -> None:
        if self._broken is not None:
            log.info("broker can be reached again", broker=self.address)
        self._broken, self._failures, self._retry_at = None, 0, float("-inf")
