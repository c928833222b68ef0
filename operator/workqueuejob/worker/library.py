"""The Python library: a loop over the queue's items, with the guarantees of `wqj-worker run`.

It runs inside a user's program, so it keeps out of the program's way: it handles SIGTERM only where
the program does not, reaps no children, and writes to stderr only when something went wrong.
"""

import atexit
import os
from collections.abc import Callable, Iterator
from types import TracebackType

from workqueuejob.brokers.broker import Broker
from workqueuejob.contract import exit_codes
from workqueuejob.contract.notices import say
from workqueuejob.contract.settings import WorkerSettings
from workqueuejob.errors import HandlerInvalid, SettingsInvalid, WorkQueueJobError
from workqueuejob.worker.connecting import open_broker, read_environment
from workqueuejob.worker.engine import Engine
from workqueuejob.worker.forking import REFUSED, disown_in_children
from workqueuejob.worker.handlers import refuse_unfinished, refuse_unfit
from workqueuejob.worker.item import Item
from workqueuejob.worker.lease_renewer import LeaseRenewer
from workqueuejob.worker.reconnecting import Timing
from workqueuejob.worker.sigterm import SigtermHandler
from workqueuejob.worker.stop_request import StopRequest

TOLD_TO_STOP = "told to stop before the work was done"
LEFT_EARLY = "the worker's loop was left before the item was settled"


class Worker:
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

    After SIGTERM the worker takes no more items. The loop ends by SystemExit(75), or as usual when
    the quota is settled. The item in hand may be finished within the pod's grace, less five seconds
    (at least half of it): 25 of 30 seconds. Then SystemExit is raised in its work, and the item is
    given back, which does not count as an attempt. A program that handles SIGTERM itself calls
    `stop` instead.
    """

    def __init__(
        self,
        settings: WorkerSettings | None = None,
        *,
        broker: Broker | None = None,
        prefetch: int = 1,
        timing: Timing = Timing(),  # noqa: B008 - a value
    ) -> None:
        """Read the settings; raise SettingsInvalid. Connects when the loop asks for an item.

        prefetch: how many items are fetched at once, at most the quota. Above 1 it saves waiting
            for the broker between items. It is safe where items take well under a second and none
            of them kills its worker, because no other worker can take the items that wait behind
            the one in hand, and each of them counts as attempted when the worker is killed.
        broker: the broker to use, such as a MemoryBroker in tests.
        """
        if prefetch < 1:
            raise SettingsInvalid(f"prefetch is {prefetch}; fetch at least one item at once")
        settings = settings if settings is not None else read_environment(os.environ)
        self._stop = StopRequest(settings.grace_seconds, clock=timing.clock)
        connect = _build_opener(settings, broker, prefetch)
        self._engine = Engine(settings, connect, stop=self._stop, timing=timing)
        self._engine.settlement.on_refused = self._end
        self._sigterm = SigtermHandler(self._stop, in_call=self._engine.broker.lock.locked)
        self._renewer = LeaseRenewer(self._engine, on_tick=self._end_overdue_work)
        self._state = "new"
        disown_in_children(self)

    def __iter__(self) -> Iterator[Item]:
        """Yield items to work on, one at a time; close the worker after the last one.

        Raises a WorkQueueJobError that says what to change where the worker never connected, or the
        dead-letter queue is missing. Raises SystemExit(75) where the broker refuses later, or the
        worker was stopped.
        """
        if self._state == "disowned":
            raise RuntimeError(REFUSED)
        if self._engine.settlement.held is not None:
            raise RuntimeError("another loop over this worker has an item in hand")
        self._start()
        engine, sigterm = self._engine, self._sigterm
        try:
            while (item := engine.next()) is not None:
                try:
                    sigterm.allowed = True
                    yield item
                except GeneratorExit:
                    sigterm.allowed = False
                    self._leave(item)
                    raise
                sigterm.allowed = False
                if not item.is_settled:
                    engine.settlement.succeed(item)
        except WorkQueueJobError as error:
            self._end(error)
        code = engine.exit_code
        if code != exit_codes.DONE:
            engine.report.note(TOLD_TO_STOP)
        # Items that a consumer has fetched would otherwise be kept from the other workers.
        self.close()
        if code != exit_codes.DONE:
            raise SystemExit(code)

    def run(self, handler: Callable[[Item], object]) -> None:
        """Call `handler` with every item; an exception fails the item, as in `with item:`.

        Raises HandlerInvalid for a handler that only begins its work, as a coroutine or generator
        function does: before an item is taken, or, where only the handler's result shows it, after
        giving the item back.
        """
        try:
            refuse_unfit(handler)
            for item in self:
                with item:
                    refuse_unfinished(handler, handler(item))
        except HandlerInvalid as error:
            self._end(error)

    def stop(self) -> None:
        """Stop as on SIGTERM, but without interrupting the item in hand; any thread may call it."""
        self._stop.request()

    def close(self) -> None:
        """Fail the item in hand, give back what was fetched, and disconnect.

        A second call does nothing.
        """
        if self._state in ("closed", "disowned"):
            return
        started, self._state = self._state == "started", "closed"
        atexit.unregister(self.close)
        self._sigterm.restore()
        item = self._engine.settlement.held
        if item is not None:
            self._leave(item)
        if started:
            self._renewer.close()
        self._engine.close()

    def disown(self) -> None:
        """In a forked child: leave everything to the parent; `forking` calls this."""
        self._state = "disowned"
        atexit.unregister(self.close)
        atexit.unregister(self._engine.report.rewrite)
        self._sigterm.disown()
        self._engine.disown()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _start(self) -> None:
        if self._state == "closed":
            raise RuntimeError("the worker is closed")
        if self._state == "new":
            self._state = "started"
            self._sigterm.install()
            self._renewer.start()
            # Python calls the last registered first: `close` settles the item in hand and gives
            # back what was fetched, and then the report replaces what the program wrote there.
            atexit.register(self._engine.report.rewrite)
            atexit.register(self.close)

    def _leave(self, item: Item) -> None:
        if self._state == "disowned":
            return
        try:
            if self._sigterm.happened:
                self._engine.settlement.interrupt(item)
            else:
                item.fail(LEFT_EARLY)
        except WorkQueueJobError as error:
            say("item not settled, it will be delivered again", id=item.id, error=error)

    def _end(self, error: WorkQueueJobError) -> None:
        code = self._engine.exit_code_after(error)
        self._engine.report.note(str(error))
        self.close()
        if code == exit_codes.FAILED:
            raise error
        say("can't go on", error=error)
        raise SystemExit(code) from error

    def _end_overdue_work(self) -> None:
        """In the lease renewer's thread: end work that takes longer than the grace."""
        item = self._engine.settlement.held
        if item is None or not self._stop.expired or not self._sigterm.installed:
            return
        if not self._sigterm.interrupt():
            return
        # The exception did not end the work; code in C may not even see it.
        self._engine.settlement.interrupt(item)
        say("stopped, the work did not end in time", id=item.id)
        self._engine.report.note(TOLD_TO_STOP)
        self._engine.close()
        os._exit(self._engine.exit_code)


def _build_opener(
    settings: WorkerSettings, broker: Broker | None, prefetch: int
) -> Callable[[], Broker]:
    if broker is not None:
        return lambda: broker
    prefetch = prefetch if settings.quota is None else max(min(prefetch, settings.quota), 1)
    return lambda: open_broker(settings, os.environ, prefetch=prefetch)


__all__ = ["Item", "Worker"]
