"""The Python library: a loop over the queue's items, with the guarantees of `wqj-worker run`.

The one part of the worker that runs inside a user's program, so it keeps out of its way: it takes
over SIGTERM only where nobody handles it, reaps no children, and writes to stderr when something
went wrong.
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
from workqueuejob.worker.connecting import read_environment
from workqueuejob.worker.engine import Engine
from workqueuejob.worker.forking import REFUSED, disown_in_children
from workqueuejob.worker.handlers import refuse_unfinished, refuse_unfit
from workqueuejob.worker.item import Item
from workqueuejob.worker.lease_renewer import LeaseRenewer
from workqueuejob.worker.opening import open_broker
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

    An item is acknowledged when the block ends, and failed when it raises: then it is tried again
    after a back-off, or dead-lettered after its last attempt, and the loop goes on. Without the
    inner `with`, an item is acknowledged when the loop asks for the next one; leaving the loop
    (`break`, `return`, an exception) fails the item in hand unless it was settled before, for
    Python does not tell a loop why it was left. A worker whose program dies loses its hold, and the
    item is delivered again: at least once, so let work bear a repetition.

    In a pod of a WorkQueueJob the environment holds everything. Anywhere else set `BROKER_URL`
    (amqp://, amqps://, redis:// or rediss://) and `QUEUE`.

    On SIGTERM no more items are taken, and iteration ends by SystemExit(75), or as always when the
    quota is settled. The item in hand may be finished within the pod's grace, less five seconds (at
    least half of it); then SystemExit is raised in its work, and the item given back, which does
    not count as an attempt. A program that handles SIGTERM itself calls `stop` instead.
    """

    def __init__(
        self,
        settings: WorkerSettings | None = None,
        *,
        broker: Broker | None = None,
        prefetch: int = 1,
        timing: Timing = Timing(),  # noqa: B008 - a value
    ) -> None:
        """Read the settings; raise SettingsInvalid. Connects with the first item.

        prefetch: how many items are fetched at once, never more than the quota. Above 1 it saves
            waiting for the broker between items, and is safe where items take well under a second
            and none of them kills its worker: nobody else can take what waits behind the item in
            hand, and all that a killed worker had fetched counts as attempted.
        broker: a connection of its own, such as a MemoryBroker; for tests.
        """
        if prefetch < 1:
            raise SettingsInvalid(f"prefetch is {prefetch}; fetch at least one item at once")
        found = settings if settings is not None else read_environment(os.environ)
        self._stop = StopRequest(found.grace_seconds, clock=timing.clock)
        opening = _opener(found, broker, prefetch)
        self._engine = Engine(found, opening, stop=self._stop, timing=timing)
        self._engine.settlement.on_refused = self._end
        self._sigterm = SigtermHandler(self._stop, busy=self._engine.broker.lock.locked)
        self._renewer = LeaseRenewer(self._engine, on_tick=self._look_at_the_clock)
        self._state = "new"
        disown_in_children(self)

    def __iter__(self) -> Iterator[Item]:
        """Give items to work on, one at a time; the worker is closed after the last one.

        Raises a WorkQueueJobError that says what to change if the broker never let us in, or lacks
        the dead-letter queue; SystemExit(75) if it refuses later, or when told to stop.
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
        # What came to a consumer that nobody asks any more would be kept from the others.
        self.close()
        if code != exit_codes.DONE:
            raise SystemExit(code)

    def run(self, handler: Callable[[Item], object]) -> None:
        """Call `handler` with every item; what it raises fails its item, as `with item:` does.

        Raises HandlerInvalid for one that only begins its work, as a coroutine or generator
        function does: before an item is taken, or, where only what it returns shows it, with the
        item given back.
        """
        try:
            refuse_unfit(handler)
            for item in self:
                with item:
                    refuse_unfinished(handler, handler(item))
        except HandlerInvalid as error:
            self._end(error)

    def stop(self) -> None:
        """Stop as on SIGTERM, but never interrupt the item in hand; may be called anywhere."""
        self._stop.request()

    def close(self) -> None:
        """Give back what was fetched, and disconnect; fails the item in hand. Harmless twice."""
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
        """Leave everything to the parent, for this is a forked child of it; Python calls it."""
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
            # What is fetched is given back, and the item in hand settled, however a program ends;
            # after that, because the last comes first, the report outlives what it wrote there.
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

    def _look_at_the_clock(self) -> None:
        """In the keeper's thread: end work that takes longer than the grace."""
        item = self._engine.settlement.held
        if item is None or not self._stop.expired or not self._sigterm.installed:
            return
        if not self._sigterm.interrupt():
            return
        # It did not let itself be interrupted, as code that is not Python's own may not.
        self._engine.settlement.interrupt(item)
        say("stopped, the work did not end in time", id=item.id)
        self._engine.report.note(TOLD_TO_STOP)
        self._engine.close()
        os._exit(self._engine.exit_code)


def _opener(settings: WorkerSettings, broker: Broker | None, prefetch: int) -> Callable[[], Broker]:
    if broker is not None:
        return lambda: broker
    at_once = prefetch if settings.quota is None else max(min(prefetch, settings.quota), 1)
    return lambda: open_broker(settings, os.environ, prefetch=at_once)


__all__ = ["Item", "Worker"]
