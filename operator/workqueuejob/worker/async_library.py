"""The library for programs on asyncio: a loop over items, or a handler that runs in many tasks.

One thread of the worker asks the broker, so the event loop never waits for it. Another renews the
leases, so a handler that blocks the event loop costs no item its lease.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TypeVar

from workqueuejob.errors import HandlerInvalid, WorkQueueJobError
from workqueuejob.worker.async_item import AsyncItem
from workqueuejob.worker.engine import SLICE_SECONDS
from workqueuejob.worker.handler_threads import LOOK_SECONDS, NEXT_SECONDS
from workqueuejob.worker.handlers import refuse_synchronous
from workqueuejob.worker.item import Item, ends_worker
from workqueuejob.worker.program import Program

T = TypeVar("T")
AsyncHandler = Callable[[AsyncItem], Awaitable[object]]


class AsyncWorker(Program):
    """Takes items from the queue until its quota is settled or nothing is ready any more.

        async with AsyncWorker(concurrency=8) as worker:
            await worker.run(convert)

    `run` calls a coroutine function with up to so many items at once, each in a task of one group.
    An exception fails the item of its task, and no other. When `run` is cancelled, all tasks are
    cancelled, and their items given back. An item that takes longer than `itemTimeoutSeconds` is
    cancelled and fails.

        async for item in worker:
            async with item:
                await convert(item.body)

    The loop has one item in hand. After SIGTERM the worker takes no more items. Those in hand may
    be finished within the pod's grace, less five seconds; then `run` cancels them and gives them
    back. It ends by SystemExit(75), or as usual when the quota is settled.
    """

    _executor: ThreadPoolExecutor | None = None

    async def run(self, handler: AsyncHandler) -> None:
        """Call `handler` with every item, and await it; an exception fails the item.

        Raises HandlerInvalid, before an item is taken, for a handler that is no coroutine function,
        and otherwise what a loop raises.
        """
        try:
            refuse_synchronous(handler)
        except HandlerInvalid as error:
            self._end(error)
        self._start(at_once=self._engine.settings.concurrency)
        shift = _Shift(self, handler)
        self._engine.settlement.on_refused = shift.note
        await self._guard(shift.run())
        self._finish()

    async def __aiter__(self) -> AsyncIterator[AsyncItem]:
        """Yield items to work on, one at a time; close the worker after the last one.

        Raises as the loop of a `Worker` does.
        """
        self._start(at_once=1)
        while (item := await self._guard(self.take_next())) is not None:
            yield self.wrap(item)
            if not (item.is_settled or item.is_lost):
                await self._guard(self.ask(item.ack))
        self._finish()

    def on_stop(self, callback: Callable[[], object]) -> None:
        """Have a function called once on this event loop, within a second after a stop request."""
        loop = asyncio.get_running_loop()
        super().on_stop(lambda: loop.call_soon_threadsafe(callback))

    async def close(self) -> None:
        """Fail the items in hand, give back what was fetched, and disconnect."""
        self._close()

    async def __aenter__(self) -> "AsyncWorker":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def wrap(self, item: Item) -> AsyncItem:
        """Return the item as a task sees it."""
        limit = self._engine.settings.item_timeout_seconds
        return AsyncItem(item, self.ask, interrupt=self._give_back, limit_seconds=limit)

    async def ask(self, act: Callable[[], T]) -> T:
        """Call a function in the thread that asks the broker, and return what it returns."""
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, thread_name_prefix="wqj-broker")
        return await asyncio.get_running_loop().run_in_executor(self._executor, act)

    async def take_next(self) -> Item | None:
        """Return the next item, with none in hand; None when there is no more to take."""
        taking = asyncio.ensure_future(self.ask(self._engine.next))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            # The thread goes on, and may take an item that no task would work on.
            self._stop.request()
            item = await taking
            if item is not None:
                await self.ask(item.release)
            raise

    def _close(self) -> None:
        super()._close()
        if self._executor is not None:
            self._executor.shutdown(wait=False)

    def _give_back(self, item: Item) -> bool:
        if self._stop.expired:
            return self._engine.settlement.interrupt(item)
        return item.release()

    async def _guard(self, work: Awaitable[T]) -> T:
        try:
            return await work
        except WorkQueueJobError as error:
            self._end(error)


class _Shift:
    """One `run`: its tasks, and the first error that ends it."""

    def __init__(self, worker: AsyncWorker, handler: AsyncHandler) -> None:
        self._worker = worker
        self._handler = handler
        self._engine = worker._engine  # noqa: SLF001 - a part of the worker
        self._stop = worker._stop  # noqa: SLF001 - a part of the worker
        self._tasks: set[asyncio.Task[None]] = set()
        self._has_settled = False
        self._failure: BaseException | None = None

    def note(self, error: BaseException) -> None:
        """Remember the first error that ends the worker; any thread may call this."""
        self._failure = self._failure or error

    async def run(self) -> None:
        """Work until there is no more to take; raise the error that ends the worker before."""
        async with asyncio.TaskGroup() as group:
            try:
                while self._failure is None and (item := await self._worker.take_next()):
                    self._begin(group, item)
                    while self._tasks:
                        await self._fill(group)
                        await self._supervise()
            except WorkQueueJobError as error:
                self.note(error)
        if self._failure is not None:
            raise self._failure

    def _begin(self, group: asyncio.TaskGroup, item: Item) -> None:
        task = group.create_task(self._work(item))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _fill(self, group: asyncio.TaskGroup) -> None:
        seconds = NEXT_SECONDS if self._has_settled else 0.0
        self._has_settled = False
        while self._failure is None and self._engine.has_room:
            looking = asyncio.ensure_future(self._worker.ask(lambda: self._engine.look(seconds)))
            try:
                item = await asyncio.shield(looking)
            except asyncio.CancelledError:
                if (item := await looking) is not None:
                    await self._worker.ask(item.release)
                raise
            except WorkQueueJobError as error:
                self.note(error)
                return
            if item is None:
                return
            self._begin(group, item)

    async def _supervise(self) -> None:
        """Wait until a task has ended, or it is time to look again."""
        may_take = self._failure is None and self._engine.has_room
        seconds = min(
            LOOK_SECONDS if may_take else SLICE_SECONDS,
            max(self._stop.finish_by - self._engine.clock(), 0.0),
        )
        waiting = tuple(self._tasks)
        if not waiting:
            return
        done, _ = await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        self._has_settled = bool(done)
        if self._stop.expired:
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting)

    async def _work(self, item: Item) -> None:
        """Await the handler, and settle the item by how it ends."""
        limit = self._engine.settings.item_timeout_seconds
        raised: BaseException | None = None
        wrapped = self._worker.wrap(item)
        try:
            async with asyncio.timeout(limit) as time:
                await self._handler(wrapped)
        except asyncio.CancelledError as error:
            if _is_cancelled():
                await wrapped.give_back()
                raise
            raised = error
        except TimeoutError as error:
            if time.expired():
                await self._settle(wrapped.time_out())
                return
            raised = error
        except BaseException as error:  # noqa: BLE001 - it is raised below where it ends the program
            raised = error
        if raised is not None and ends_worker(raised):
            self.note(raised)
        goes_on = await self._settle(wrapped.conclude(raised))
        if raised is not None and not (goes_on or ends_worker(raised)):
            raise raised

    async def _settle(self, settling: Awaitable[bool]) -> bool:
        """Return what settling an item returns; True where an error ended it that is noted."""
        try:
            return await settling
        except WorkQueueJobError as error:
            self.note(error)
            return True


def _is_cancelled() -> bool:
    """Return whether the task was cancelled, and did not raise CancelledError by itself."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


__all__ = ["AsyncItem", "AsyncWorker"]
