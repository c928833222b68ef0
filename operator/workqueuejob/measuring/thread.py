"""The measuring thread: looks at what is due in all logins, and shares out the questions.

It runs an asyncio loop. Whatever blocks runs in the pool's threads, so nothing that a broker does
stops the loop. The questions of all logins have one budget, and so have their connections.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from workqueuejob.measuring.line import Line
from workqueuejob.measuring.places import Places, choose_spare
from workqueuejob.measuring.pool import Pool
from workqueuejob.measuring.turns import Demand, Kind, take_turns
from workqueuejob.measuring.watched import Environment
from workqueuejob.measuring.way import Way
from workqueuejob.planning.pacing.bucket import Bucket

QUESTIONS_PER_SECOND = 1400.0
"""Of all logins together. A question takes about 0.1 ms of the processor."""

BURST_SECONDS = 0.1
"""How long the budget can be saved up."""

ENTRY_QUESTIONS = 20.0
"""What a new connection takes of the budget."""

MAX_CONNECTIONS = 200
SPACING_SECONDS = 0.01
LONGEST_REST_SECONDS = 1.0
CLOSING_SECONDS = 2.0
JOIN_SECONDS = 1.0
"""For connections to close, and then for the pool's threads to end, when the thread ends."""

MOST_DUE = 64
"""Queues of one kind and login that are counted; more are not granted at once."""

log = structlog.get_logger(__name__)


class MeasuringThread:
    """The thread, the ways of all logins, and the pool.

    list_logins: returns those that are watched; called in the thread.
    """

    def __init__(
        self,
        list_logins: Callable[[], list[tuple[Line[Any], Callable[[], Any]]]],
        environment: Environment,
        *,
        overdue_seconds: float,
    ) -> None:
        self.environment = environment
        self.overdue_seconds = overdue_seconds
        self.loop = asyncio.new_event_loop()
        self.pool = Pool(self.loop)
        self._list_logins = list_logins
        self._bucket = Bucket(QUESTIONS_PER_SECOND, QUESTIONS_PER_SECOND * BURST_SECONDS)
        self._ways: dict[Line[Any], Way[Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._looked_at = environment.clock()
        self._observed_at = float("-inf")
        self._first = 0
        self._is_poked = False
        self._is_ending = False
        self._thread = threading.Thread(target=self._run, name="meter", daemon=True)

    # Called from any thread

    def begin(self) -> None:
        """Start the thread."""
        self._thread.start()

    def poke(self) -> None:
        """Have it look soon at what is due; returns at once."""
        if not self._is_poked:
            self._is_poked = True
            self._post(self._on_poke)

    def forget(self, line: Line[Any], queue: object) -> None:
        """Keep nothing of a queue that is not watched any more; returns at once."""
        self._post(lambda: self._ways[line].forget(queue) if line in self._ways else None)

    def end(self) -> None:
        """Let it close all connections and end; returns at once."""
        self._post(lambda: self.start(self._end()))

    def join(self, timeout_seconds: float) -> None:
        """Wait for the thread to end, unless it is the caller."""
        if self._thread is not threading.current_thread():
            self._thread.join(timeout_seconds)

    @property
    def late_seconds(self) -> float:
        """Seconds since it last looked, less the longest rest; 0 when it is not late."""
        return max(self.environment.clock() - self._looked_at - LONGEST_REST_SECONDS, 0.0)

    # Called in the thread

    def look(self) -> None:
        """Look soon at what is due."""
        self._look_after(SPACING_SECONDS)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine as a task of the thread."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_done)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.call_soon(self._look)
        try:
            self.loop.run_forever()
        finally:
            self.loop.close()
            self.pool.join(JOIN_SECONDS)

    def _post(self, callback: Callable[[], Any]) -> None:
        try:
            self.loop.call_soon_threadsafe(callback)
        except RuntimeError:
            # It has ended, so there is nothing left to do.
            return

    def _on_poke(self) -> None:
        self._is_poked = False
        self._look_after(0.0)

    def _on_done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("the measuring thread met a bug, and goes on", exc_info=task.exception())

    def _look_after(self, seconds: float) -> None:
        at = self.loop.time() + seconds
        if self._timer is not None:
            if self._timer.when() <= at:
                return
            self._timer.cancel()
        self._timer = self.loop.call_at(at, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._is_ending:
            return
        rest_seconds = LONGEST_REST_SECONDS
        try:
            rest_seconds = self._ask_what_is_due()
            self._observe_intervals()
        except Exception:
            log.exception("the measuring thread met a bug, and goes on")
        self._looked_at = self.environment.clock()
        self._look_after(rest_seconds)

    def _ask_what_is_due(self) -> float:
        """Ask what is due, as far as the budget goes; return the seconds until the next look."""
        now = self.environment.clock()
        self._follow_logins()
        if self._ask_in_turns(self._find_demands(now), now):
            return SPACING_SECONDS
        next_due_at = min((line.next_due_at() for line in self._ways), default=float("inf"))
        rest_seconds = min(next_due_at, now + LONGEST_REST_SECONDS) - self.environment.clock()
        return max(rest_seconds, SPACING_SECONDS)

    def _find_demands(self, now: float) -> list[tuple[Line[Any], Way[Any], Demand]]:
        """Return what the logins want to ask that have a connection, or a place for one."""
        places = Places(MAX_CONNECTIONS, self._ways.values())
        demands = []
        for line, way in self._ways.items():
            due = line.count_due(now, at_most=MOST_DUE)
            if not any(due):
                continue
            room, quarantine_room = way.find_room()
            if max(room, quarantine_room) > 0 and (
                way.is_open or places.take(line.address, is_failing=line.is_failing)
            ):
                entry = 0.0 if way.is_open else ENTRY_QUESTIONS
                demands.append((line, way, Demand(due, room, quarantine_room, entry)))
        self._make_places(places.wanted)
        return demands

    def _ask_in_turns(self, demands: list[tuple[Line[Any], Way[Any], Demand]], now: float) -> bool:
        """Ask what the budget grants to each login; return whether any wants to ask more."""
        self._first += 1
        grants = take_turns(
            [demand for *_, demand in demands], tokens=self._bucket.fill(now), first=self._first
        )
        is_backlog = False
        for (line, way, demand), grant in zip(demands, grants, strict=True):
            is_backlog = is_backlog or sum(grant) < sum(demand.due)
            asks = line.take(grant, now)
            if asks:
                questions = sum(1 if a.is_glance else way.count_questions(a.queue) for a in asks)
                self._bucket.take(demand.entry + questions)
                way.begin(asks)
        return is_backlog

    def _follow_logins(self) -> None:
        """Have a way for each login that is watched, and for no other."""
        watched = dict(self._list_logins())
        for line in [line for line in self._ways if line not in watched]:
            self.start(self._ways.pop(line).end())
        for line, connect in watched.items():
            if line not in self._ways:
                self._ways[line] = Way(line, connect, self)

    def _make_places(self, count: int) -> None:
        """Close so many connections, those first that were used longest ago."""
        for way in choose_spare(self._ways.values(), count, now=self.loop.time()):
            way.close()

    def _observe_intervals(self) -> None:
        """Let the observer know the longest intervals, once in a while."""
        now = self.environment.clock()
        if now - self._observed_at < LONGEST_REST_SECONDS:
            return
        self._observed_at = now
        longest = {
            kind: max((line.intervals[kind] for line in self._ways), default=0.0) for kind in Kind
        }
        self.environment.observer.interval_changed(
            at_work=longest[Kind.AT_WORK], idle=longest[Kind.IDLE]
        )

    async def _end(self) -> None:
        """Close all connections within a moment, and stop the loop."""
        if self._is_ending:
            return
        self._is_ending = True
        for way in self._ways.values():
            self.start(way.end())
        self._ways.clear()
        left = self._tasks - {asyncio.current_task()}
        if left:
            _, late = await asyncio.wait(left, timeout=CLOSING_SECONDS)
            for task in late:
                task.cancel()
            if late:
                # They end at once, and would be complained of if the loop were gone before.
                await asyncio.wait(late, timeout=JOIN_SECONDS)
        self.pool.close()
        self.loop.stop()
