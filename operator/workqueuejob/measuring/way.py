"""The way of one login to its broker: opens its probe, brings it questions, and takes the answers.

Runs in the measuring thread. A probe that blocks is called in a thread of the pool; one that does
not lives on the thread's loop.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from workqueuejob.brokers.probe import LoopProbe, Probe
from workqueuejob.errors import ConnectionFailed, QueueError
from workqueuejob.measuring.ask import UNCHANGED, Answer, Ask
from workqueuejob.measuring.calls import CallingThread, Calls, measure_all
from workqueuejob.measuring.line import Line
from workqueuejob.measuring.watched import Environment

BATCH = 20
"""Queues that are asked in one call of a thread."""

QueueT = TypeVar("QueueT", bound=Hashable)
T = TypeVar("T")


class Thread(CallingThread, Protocol):
    """What a way needs of the measuring thread."""

    environment: Environment

    def look(self) -> None:
        """Look soon at what is due."""
        ...

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine as a task of the thread."""
        ...


class Way(Generic[QueueT]):
    """One login's probe, if it is open, and what is on its way."""

    def __init__(
        self,
        line: Line[QueueT],
        connect: Callable[[], Probe[QueueT] | LoopProbe[QueueT]],
        thread: Thread,
    ) -> None:
        self.used_at = thread.loop.time()
        """When it was last asked."""
        self._line = line
        self._connect = connect
        self._thread = thread
        self._probe: Probe[QueueT] | LoopProbe[QueueT] | None = None
        self._is_opening = False
        self._is_reading = False
        self._asked: set[Ask[QueueT]] = set()
        self._calls = Calls(line.address, thread)
        self._is_ended = False

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The measuring thread's loop."""
        return self._thread.loop

    @property
    def address(self) -> str:
        """Where it goes."""
        return self._line.address

    @property
    def is_open(self) -> bool:
        """Whether there is a connection, or one is being made."""
        return self._probe is not None or self._is_opening

    @property
    def is_opening(self) -> bool:
        """Whether a connection is being made."""
        return self._is_opening

    @property
    def is_opening_again(self) -> bool:
        """Whether one is being made that failed when it was last tried."""
        return self._is_opening and self._line.is_failing

    @property
    def is_busy(self) -> bool:
        """Whether questions are on their way."""
        return bool(self._asked)

    def find_room(self) -> tuple[int, int]:
        """Return how many more questions may be on their way: in all, and to hung queues."""
        probe = self._probe
        if self._is_opening or self._is_reading or self._is_ended:
            return 0, 0
        if isinstance(probe, LoopProbe):
            if self.loop.time() < probe.rest_until(is_requested=True):
                return 0, 0
            hung = sum(1 for ask in self._asked if ask.watched.hangs)
            return probe.room, max(probe.quarantine_room - hung, 0)
        room = 0 if self._asked or not self._calls.may_call else BATCH
        return room, room

    def count_questions(self, queue: QueueT) -> int:
        """Return how many questions a measurement of the queue takes."""
        return self._probe.count_questions(queue) if isinstance(self._probe, LoopProbe) else 1

    def begin(self, asks: list[Ask[QueueT]]) -> None:
        """Ask, after connecting if need be; the line gets the answers later."""
        self.used_at = self.loop.time()
        self._asked.update(asks)
        if self._probe is None:
            self._thread.start(self._open_and_ask(asks))
        else:
            self._ask(self._probe, asks)

    def run(self, call: Callable[[], T]) -> Awaitable[T]:
        """Run a call that blocks in another thread."""
        return self._calls.call(call, dispose=_ignore)

    def forget(self, queue: QueueT) -> None:
        """Keep nothing of a queue that is not measured any more."""
        if isinstance(self._probe, LoopProbe):
            self._probe.forget(queue)

    async def end(self) -> None:
        """Close, and ask nothing more."""
        self._is_ended = True
        probe = self._take_probe()
        if probe is not None:
            await self._release(probe)

    def close(self) -> None:
        """Wait for no answer any more, and release the connection; returns at once."""
        probe = self._take_probe()
        if probe is not None:
            self._thread.start(self._release(probe))

    def _take_probe(self) -> Probe[QueueT] | LoopProbe[QueueT] | None:
        """Have no connection any more; return the one there was."""
        probe, self._probe = self._probe, None
        self._asked.clear()
        if probe is not None:
            self._thread.environment.observer.connections_changed(-1)
        return probe

    async def _open_and_ask(self, asks: list[Ask[QueueT]]) -> None:
        self._is_opening = True
        try:
            probe = await self._open()
        except Exception as error:  # noqa: BLE001 (a client's edge: a bug must not stop measuring)
            self._fail(error, asks[0])
            return
        finally:
            self._is_opening = False
        if self._is_ended:
            await self._release(probe)
            return
        self._probe = probe
        self._thread.environment.observer.connections_changed(1)
        self._ask(probe, asks)

    async def _open(self) -> Probe[QueueT] | LoopProbe[QueueT]:
        probe = await self._calls.call(self._connect, dispose=_dispose)
        if isinstance(probe, LoopProbe):
            await probe.open(self, partial(self._on_lost, probe))
        return probe

    def _ask(self, probe: Probe[QueueT] | LoopProbe[QueueT], asks: list[Ask[QueueT]]) -> None:
        if not isinstance(probe, LoopProbe):
            self._thread.start(self._ask_by_call(probe, asks))
            return
        whole: list[Ask[QueueT]] = []
        postponed: list[Ask[QueueT]] = []
        rest_until = probe.rest_until(is_requested=False)
        is_resting = self.loop.time() < rest_until
        for ask in asks:
            has_to_wait = is_resting and not ask.is_requested
            if (ask.is_glance or has_to_wait) and self._glance(probe, ask):
                continue
            (postponed if has_to_wait else whole).append(ask)
        self._give_back(postponed, due_at=rest_until)
        if whole:
            self._thread.start(self._ask_on_loop(probe, whole))

    def _glance(self, probe: LoopProbe[QueueT], ask: Ask[QueueT]) -> bool:
        """Ask whether anything has changed, and measure if so; return False if that is unknown."""

        def on_answer(is_unchanged: bool | QueueError) -> None:
            if isinstance(is_unchanged, QueueError):
                self._answer(ask, is_unchanged)
            elif is_unchanged:
                self._answer(ask, UNCHANGED)
            elif ask in self._asked:
                self._thread.start(self._ask_on_loop(probe, [ask]))

        return probe.glance(ask.queue, on_answer)

    async def _ask_on_loop(self, probe: LoopProbe[QueueT], asks: list[Ask[QueueT]]) -> None:
        self._is_reading = True
        try:
            read = await probe.begin_round()
        except Exception as error:  # noqa: BLE001 (a client's edge: a bug must not stop measuring)
            if self._probe is probe:
                self._fail(error, asks[0])
            return
        finally:
            self._is_reading = False
        for ask in asks[1:]:
            self._thread.start(self._measure(probe, ask, read))
        await self._measure(probe, asks[0], read)

    async def _measure(self, probe: LoopProbe[QueueT], ask: Ask[QueueT], read: Any) -> None:
        try:
            answer: Answer = await probe.measure(ask.queue, read)
        except Exception as error:  # noqa: BLE001 (a client's edge: a bug must not stop measuring)
            answer = self._line.explain(error)
        self._answer(ask, answer)

    async def _ask_by_call(self, probe: Probe[QueueT], asks: list[Ask[QueueT]]) -> None:
        queues = [ask.queue for ask in asks]
        try:
            answers = await self._calls.call(partial(measure_all, probe, queues), dispose=_ignore)
        except Exception as error:  # noqa: BLE001 (a client's edge: a bug must not stop measuring)
            if self._probe is probe:
                self._fail(error, asks[0])
            return
        now = self._thread.environment.clock()
        self._give_back([ask for ask in asks[len(answers) :] if ask in self._asked], due_at=now)
        for ask, (answer, ended) in zip(asks, answers, strict=False):
            explained = self._line.explain(answer) if isinstance(answer, Exception) else answer
            self._answer(ask, explained, ended=ended)
        self._thread.look()

    def _give_back(self, asks: list[Ask[QueueT]], *, due_at: float) -> None:
        self._asked.difference_update(asks)
        self._line.give_back(asks, due_at=due_at)

    def _answer(self, ask: Ask[QueueT], answer: Answer, *, ended: float | None = None) -> None:
        if ask not in self._asked:
            # The connection was closed since, and what was asked over it has been answered.
            return
        if isinstance(answer, ConnectionFailed):
            self._fail(answer, ask)
            return
        self._asked.remove(ask)
        self._line.answer(ask, answer, ended=ended)
        if not self._line.watches(ask.queue):
            # It was asked when its last watch was closed, and the answer may have been kept.
            self.forget(ask.queue)
        self._thread.look()

    def _on_lost(self, probe: LoopProbe[QueueT], error: QueueError) -> None:
        if self._probe is probe:
            started = self._thread.environment.clock()
            self._line.fail(error, started=started, time=datetime.now(UTC))
            self.close()

    def _fail(self, error: Exception, ask: Ask[QueueT]) -> None:
        self._line.fail(self._line.explain(error), started=ask.started, time=ask.time)
        self.close()
        self._thread.look()

    async def _release(self, probe: Probe[QueueT] | LoopProbe[QueueT]) -> None:
        with suppress(Exception):
            if isinstance(probe, LoopProbe):
                await probe.close()
            else:
                await self._calls.call(probe.close, dispose=_ignore)


def _dispose(probe: Probe[Any] | LoopProbe[Any]) -> None:
    """Close a probe that came too late. One for the loop has not connected yet."""
    if not isinstance(probe, LoopProbe):
        probe.close()


def _ignore(_result: object) -> None:
    pass
