"""The Python library: a loop over the queue's items, with the guarantees of `wqj-worker run`."""

from collections.abc import Callable, Iterator
from types import TracebackType

from workqueuejob.errors import HandlerInvalid, WorkQueueJobError
from workqueuejob.worker.handler_threads import HandlerThreads
from workqueuejob.worker.handlers import refuse_unfinished, refuse_unfit
from workqueuejob.worker.item import Item
from workqueuejob.worker.program import Program


class Worker(Program):
    """Takes items from the queue until its quota is settled or nothing is ready any more.

        worker = Worker()
        for item in worker:
            with item:
                convert(item.body)

    An item is acknowledged when the block ends, and failed when the block raises: then it is tried
    again after a back-off, or dead-lettered after its last attempt, and the loop goes on. Without
    the inner `with`, an item is acknowledged when the loop asks for the next one. Leaving the loop
    (`break`, `return`, an exception) fails the item in hand unless it was settled before, because
    Python does not tell a generator why its loop was left. When a program dies, its item is
    delivered again. So an item may be worked on more than once, and the work must allow that.

    In a pod of a WorkQueueJob the environment holds everything. Anywhere else set `BROKER_URL`
    (such as amqp://localhost or memory://) and `QUEUE`; docs/worker.md says more.

    An item that takes longer than `itemTimeoutSeconds` fails: TimedOut is raised in its work, and
    the loop goes on. An item whose work does not end by that fails as well, and then the process
    ends with 75.

    After SIGTERM the worker takes no more items. The loop ends by SystemExit(75), or as usual when
    the quota is settled. The item in hand may be finished within the pod's grace, less five seconds
    (at least half of it): 25 of 30 seconds. Then SystemExit is raised in its work, and the item is
    given back, which does not count as an attempt. A program that handles SIGTERM itself calls
    `stop` instead.
    """

    def __iter__(self) -> Iterator[Item]:
        """Yield items to work on, one at a time; close the worker after the last one.

        Raises a WorkQueueJobError that says what to change where the worker never connected, or the
        dead-letter queue is missing. Raises SystemExit(75) where the broker refuses later, or the
        worker was stopped.
        """
        self._start(at_once=1)
        engine, sigterm = self._engine, self._sigterm
        try:
            while (item := engine.next()) is not None:
                try:
                    self._limit.begin(item)
                    sigterm.allowed = True
                    yield item
                except GeneratorExit:
                    sigterm.allowed = False
                    self._limit.end()
                    self._leave(item)
                    raise
                sigterm.allowed = False
                self._limit.end()
                if not item.is_settled:
                    engine.settlement.succeed(item)
                if self._limit.has_failed:
                    break
        except WorkQueueJobError as error:
            self._end(error)
        self._finish(still_at_work=self._limit.has_failed)

    def run(self, handler: Callable[[Item], object]) -> None:
        """Call `handler` with every item; an exception fails the item, as in `with item:`.

        With a concurrency above 1 it is called in as many threads (`handler_threads`).
        Raises HandlerInvalid for a handler that only begins its work, as a coroutine or generator
        function does: before an item is taken, or, where only the handler's result shows it, after
        giving the item back.
        """
        try:
            refuse_unfit(handler)
            if self._engine.settings.concurrency > 1:
                self._run_in_threads(handler)
                return
            for item in self:
                with item:
                    refuse_unfinished(handler, handler(item))
        except HandlerInvalid as error:
            self._end(error)

    def close(self) -> None:
        """Fail the items in hand, give back what was fetched, and disconnect.

        A second call does nothing.
        """
        self._close()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _run_in_threads(self, handler: Callable[[Item], object]) -> None:
        self._start(at_once=self._engine.settings.concurrency)
        threads = HandlerThreads(self._engine, self._stop, handler)
        self._engine.settlement.on_refused = threads.note
        try:
            threads.run()
        except WorkQueueJobError as error:
            self._end(error)
        self._finish(still_at_work=threads.is_still_at_work)


__all__ = ["Item", "Worker"]
