"""What the workers of a user's program have in common: their start, their stop and their end.

`library` takes items for threads, and `async_library` for tasks. Both keep out of the program's
way: they handle SIGTERM only where the program does not, reap no children, and write to stderr only
when something went wrong.
"""

import atexit
import os
from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn

from workqueuejob.brokers.broker import Broker
from workqueuejob.contract import exit_codes
from workqueuejob.contract.notices import say
from workqueuejob.contract.report import HELD_MAX
from workqueuejob.contract.settings import WorkerSettings
from workqueuejob.errors import SettingsInvalid, WorkQueueJobError
from workqueuejob.worker.connecting import open_broker, read_environment
from workqueuejob.worker.engine import Engine
from workqueuejob.worker.forking import REFUSED, disown_in_children
from workqueuejob.worker.item import Item
from workqueuejob.worker.item_limit import ItemLimit
from workqueuejob.worker.lease_renewer import LeaseRenewer
from workqueuejob.worker.reconnecting import Timing
from workqueuejob.worker.sigterm import SigtermHandler
from workqueuejob.worker.stop_listeners import StopListeners
from workqueuejob.worker.stop_request import StopRequest

TOLD_TO_STOP = "told to stop before the work was done"
STILL_AT_WORK = "an item's work did not end in time, and a thread can't be ended"
LEFT_EARLY = "the worker's loop was left before the item was settled"


class Program:
    """One worker of a program, from its settings to its end."""

    def __init__(
        self,
        settings: WorkerSettings | None = None,
        *,
        concurrency: int | None = None,
        broker: Broker | None = None,
        prefetch: int = 1,
        timing: Timing = Timing(),  # noqa: B008 - a value
    ) -> None:
        """Read the settings; raise SettingsInvalid. Connects when an item is asked for.

        concurrency: how many items `run` has in hand at once, from 1 to 256; a loop has one. None:
            as the settings say, and 1 outside of a pod.
        prefetch: how many items are fetched at once, at most the quota. Above 1 it saves waiting
            for the broker between items. It is safe where items take well under a second and none
            of them kills its worker, because no other worker can take the items that wait behind
            those in hand, and each of them counts as attempted when the worker is killed.
        broker: the broker to use, such as a MemoryBroker in tests.
        """
        if prefetch < 1:
            raise SettingsInvalid(f"prefetch is {prefetch}; fetch at least one item at once")
        if concurrency is not None and not 1 <= concurrency <= HELD_MAX:
            raise SettingsInvalid(f"concurrency is {concurrency}; it must be from 1 to {HELD_MAX}")
        settings = settings if settings is not None else read_environment(os.environ)
        if concurrency is not None:
            settings = replace(settings, concurrency=concurrency)
        self._given_broker = broker
        self._prefetch = prefetch
        self._at_once = 1
        self._stop = StopRequest(settings.grace_seconds, clock=timing.clock)
        self._engine = Engine(settings, self._connect, stop=self._stop, timing=timing)
        self._engine.settlement.on_refused = self._end
        self._sigterm = SigtermHandler(self._stop, in_call=self._engine.broker.lock.locked)
        self._limit = ItemLimit(
            settings.item_timeout_seconds, timing.clock, in_call=self._engine.broker.lock.locked
        )
        self._listeners = StopListeners(self._stop)
        self._renewer = LeaseRenewer(self._engine, on_tick=self._look_at_time)
        self._state = "new"
        disown_in_children(self)

    @property
    def stopping(self) -> bool:
        """Whether the worker is to stop, by SIGTERM or `stop`: it takes no more items."""
        return self._stop.requested

    @property
    def stop_seconds_left(self) -> float:
        """How long the items in hand may still be finished; infinite while there is no stop."""
        return self._stop.seconds_left

    def on_stop(self, callback: Callable[[], object]) -> None:
        """Have a function called within a second after a stop is requested.

        It is called once, in a thread of its own, while the work on the items in hand goes on. The
        process does not wait for it. An exception of it is written to stderr.
        """
        self._listeners.add(callback)

    def stop(self) -> None:
        """Stop as on SIGTERM, but without interrupting the item in hand; any thread may call it."""
        self._stop.request()

    def disown(self) -> None:
        """In a forked child: leave everything to the parent; `forking` calls this."""
        self._state = "disowned"
        atexit.unregister(self._close)
        atexit.unregister(self._engine.report.rewrite)
        self._sigterm.disown()
        self._limit.disown()
        self._engine.disown()

    def _connect(self) -> Broker:
        if self._given_broker is not None:
            return self._given_broker
        settings, prefetch = self._engine.settings, self._prefetch
        if settings.quota is not None:
            prefetch = max(min(prefetch, settings.quota), 1)
        settings = replace(settings, concurrency=self._at_once)
        return open_broker(settings, os.environ, prefetch=prefetch)

    def _start(self, *, at_once: int) -> None:
        """Begin to work, unless that was done. at_once: how many items will be in hand."""
        if self._state == "disowned":
            raise RuntimeError(REFUSED)
        if self._engine.settlement.held:
            raise RuntimeError("another loop over this worker has an item in hand")
        if self._state == "closed":
            raise RuntimeError("the worker is closed")
        self._at_once = at_once
        if self._state == "new":
            self._state = "started"
            self._sigterm.install()
            self._renewer.start()
            # Python calls the last registered first: `_close` settles the items in hand and gives
            # back what was fetched, and then the report replaces what the program wrote there.
            atexit.register(self._engine.report.rewrite)
            atexit.register(self._close)

    def _close(self) -> None:
        if self._state in ("closed", "disowned"):
            return
        started, self._state = self._state == "started", "closed"
        self._listeners.look()
        atexit.unregister(self._close)
        self._sigterm.restore()
        self._limit.restore()
        for item in self._engine.begun:
            self._leave(item)
        if started:
            self._renewer.close()
        self._engine.close()

    def _finish(self, *, still_at_work: bool = False) -> None:
        """Close after the last item; raise SystemExit where the worker stopped early.

        still_at_work: whether the work on an item goes on that was settled without it.
        """
        code = exit_codes.STOPPED_EARLY if still_at_work else self._engine.exit_code
        if code != exit_codes.DONE:
            self._engine.report.note(TOLD_TO_STOP if self._stop.requested else STILL_AT_WORK)
        # Items that a consumer has fetched would otherwise be kept from the other workers.
        self._close()
        if code != exit_codes.DONE:
            raise SystemExit(code)

    def _leave(self, item: Item) -> None:
        if self._state == "disowned":
            return
        try:
            if self._sigterm.happened:
                self._engine.settlement.interrupt(item)
            else:
                item.fail(self._limit.explain(item) or LEFT_EARLY)
        except WorkQueueJobError as error:
            say("item not settled, it will be delivered again", id=item.id, error=error)

    def _end(self, error: WorkQueueJobError) -> NoReturn:
        code = self._engine.exit_code_after(error)
        self._engine.report.note(str(error))
        self._close()
        if code == exit_codes.FAILED:
            raise error
        say("can't go on", error=error)
        raise SystemExit(code) from error

    def _look_at_time(self) -> None:
        """In the lease renewer's thread: pass a stop request on, and end work that is overdue."""
        self._listeners.look()
        self._end_overdue_work()
        try:
            must_end = self._limit.check()
        except WorkQueueJobError as error:
            say("item not settled, it will be delivered again", error=error)
            must_end = False
        if must_end:
            say(STILL_AT_WORK)
            self._engine.report.note(STILL_AT_WORK)
            self._engine.close()
            os._exit(exit_codes.STOPPED_EARLY)

    def _end_overdue_work(self) -> None:
        """In the lease renewer's thread: end work that takes longer than the grace."""
        held = self._engine.begun
        if not held or not self._stop.expired or not self._sigterm.installed:
            return
        if not self._sigterm.interrupt():
            return
        # The exception did not end the work; code in C may not even see it.
        for item in held:
            self._engine.settlement.interrupt(item)
            say("stopped, the work did not end in time", id=item.id)
        self._engine.report.note(TOLD_TO_STOP)
        self._engine.close()
        os._exit(self._engine.exit_code)
