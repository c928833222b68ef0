"""The thread that keeps hold of an item while it is worked on.

It renews the lease, or services the connection, as often as the broker wants, and looks once in a
second whether the worker was told to stop, and whether its grace is over. Between items it shares
the broker's lock with the main thread, so nothing is handed from thread to thread for an item.
"""

import threading
from collections.abc import Callable

from workqueuejob.contract.notices import say
from workqueuejob.errors import WorkQueueJobError
from workqueuejob.worker.engine import Engine

TICK_SECONDS = 1.0


def _nothing() -> None:
    """Stand for a callback that nobody gave."""


class LeaseRenewer:
    """One daemon thread for one engine. on_tick: called once in a second, in that thread."""

    def __init__(self, engine: Engine, *, on_tick: Callable[[], None] = _nothing) -> None:
        self._engine = engine
        self._on_tick = on_tick
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wqj-lease-renewer", daemon=True)
        self._clock = engine.clock

    def start(self) -> None:
        """Begin to keep."""
        self._thread.start()

    def close(self) -> None:
        """End the thread; a call to the broker that it is in is waited for."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        due_at = self._clock()
        while True:
            rest = due_at - self._clock()
            if self._closing.wait(min(max(rest, 0), TICK_SECONDS)):
                return
            self._engine.note_stop()
            self._on_tick()
            if self._clock() >= due_at:
                due_at = self._clock() + self._renew()

    def _renew(self) -> float:
        try:
            return self._engine.renew()
        except WorkQueueJobError as error:
            # The main thread meets the same at its next call, and ends the worker.
            say("item can't be kept", error=error)
            return TICK_SECONDS
