"""`Worker.run` with several items in hand: the handler runs in as many threads.

The thread that called `run` takes the items, and watches their time limits and the worker's grace.
Each of the others calls the handler with one item after the other, and settles them by how it ends.

Python can't end a thread. So where a handler takes longer than its item's limit, the item fails,
the worker takes no more, and the process is to end once the other items are done. Where a handler
goes on after the grace, its item is given back, and the process is to end at once.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue

from workqueuejob.contract.notices import say
from workqueuejob.errors import WorkQueueJobError
from workqueuejob.worker.engine import SLICE_SECONDS, Engine
from workqueuejob.worker.handlers import refuse_unfinished
from workqueuejob.worker.item import Item, ends_worker
from workqueuejob.worker.reasons import describe_limit
from workqueuejob.worker.stop_request import StopRequest

LOOK_SECONDS = 0.05
"""How long to wait for handlers before the queue is asked again for what there is room for."""

NEXT_SECONDS = 0.01
"""How long to wait for the item that takes the place of one that was settled."""

Ended = tuple[Item, BaseException | None]


class HandlerThreads:
    """Calls one handler in several threads.

    is_still_at_work: whether a handler goes on with an item that was settled without it.
    """

    def __init__(
        self, engine: Engine, stop: StopRequest, handler: Callable[[Item], object]
    ) -> None:
        self.is_still_at_work = False
        self._engine = engine
        self._stop = stop
        self._handler = handler
        self._limit_seconds = engine.settings.item_timeout_seconds or float("inf")
        self._waiting: SimpleQueue[Item | None] = SimpleQueue()
        self._ended: SimpleQueue[Ended] = SimpleQueue()
        self._late_at: dict[Item, float] = {}
        self._threads = 0
        self._has_settled = False
        self._failure: BaseException | None = None

    def run(self) -> None:
        """Work until there is no more to take; raise the error that ends the worker before."""
        try:
            while self._may_take and (item := self._engine.next()) is not None:
                self._begin(item)
                while self._late_at:
                    self._fill()
                    self._supervise()
        except BaseException:
            for item in self._late_at:
                with suppress(WorkQueueJobError):
                    item.release()
            raise
        finally:
            for _ in range(self._threads):
                self._waiting.put(None)
        if self._failure is not None:
            raise self._failure

    def note(self, error: BaseException) -> None:
        """Remember the first error that ends the worker; any thread may call this."""
        self._failure = self._failure or error

    @property
    def _may_take(self) -> bool:
        return self._failure is None and not self.is_still_at_work

    def _begin(self, item: Item) -> None:
        self._late_at[item] = self._engine.clock() + self._limit_seconds
        self._waiting.put(item)
        if len(self._late_at) > self._threads:
            self._threads += 1
            name = f"wqj-handler-{self._threads}"
            # A daemon, because a handler that does not end must not keep the process from its end.
            threading.Thread(target=self._work, name=name, daemon=True).start()

    def _fill(self) -> None:
        """Take and begin as many items as there is room for and are ready."""
        seconds = NEXT_SECONDS if self._has_settled else 0.0
        self._has_settled = False
        while self._may_take and self._engine.has_room:
            try:
                item = self._engine.look(seconds)
            except WorkQueueJobError as error:
                self.note(error)
                return
            if item is None:
                return
            self._begin(item)

    def _supervise(self) -> None:
        """Wait until a handler has ended, or it is time to do something."""
        due = min(*self._late_at.values(), self._stop.finish_by) - self._engine.clock()
        longest = LOOK_SECONDS if self._may_take and self._engine.has_room else SLICE_SECONDS
        self._hear(timeout_seconds=min(max(due, 0.0), longest))
        now = self._engine.clock()
        for item in [item for item, late_at in self._late_at.items() if now >= late_at]:
            say("stopped taking items, a handler takes too long and can't be ended", id=item.id)
            self._settle(item, describe_limit(self._limit_seconds))
        if self._stop.expired:
            for item in tuple(self._late_at):
                say("stopped, the work did not end in time", id=item.id)
                self._settle(item, None)

    def _hear(self, *, timeout_seconds: float) -> None:
        """Wait for the end of a handler, and take note of all that have ended."""
        with suppress(Empty):
            while True:
                item, error = self._ended.get(timeout=timeout_seconds)
                timeout_seconds = 0.0
                self._has_settled = True
                self._late_at.pop(item, None)
                if error is not None:
                    self.note(error)

    def _settle(self, item: Item, reason: str | None) -> None:
        """Settle an item whose handler goes on; it failed if there is a reason."""
        del self._late_at[item]
        self.is_still_at_work = True
        try:
            if reason is None:
                self._engine.settlement.interrupt(item)
            else:
                item.fail(reason)
        except WorkQueueJobError as error:
            self.note(error)

    def _call(self, item: Item) -> None:
        try:
            refuse_unfinished(self._handler, self._handler(item))
        except BaseException as error:
            if ends_worker(error):
                # Before its item is given back, which makes room for another one.
                self.note(error)
            raise

    def _work(self) -> None:
        while (item := self._waiting.get()) is not None:
            error: BaseException | None = None
            try:
                with item:
                    self._call(item)
            except BaseException as raised:  # noqa: BLE001 - the thread that takes items raises it
                error = raised
            self._ended.put((item, error))
