"""The thread that renews the lease of an item while the main thread works on it.

It renews as often as the broker wants, which also keeps the connection's heartbeats. Once a second
it looks whether a stop was requested, and whether the grace is over. It takes no item.
Both threads call the broker under one lock, so no item is passed from one thread to the other.
It can't run while code in C keeps Python's interpreter to itself (the GIL), or while the process is
frozen. If that costs an item, it says so afterwards.
"""

import threading
from collections.abc import Callable

from workqueuejob.contract.notices import say
from workqueuejob.errors import WorkQueueJobError
from workqueuejob.worker.engine import Engine

TICK_SECONDS = 1.0


class LeaseRenewer:
    """One daemon thread for one engine. on_tick: called once a second, in that thread."""

    def __init__(self, engine: Engine, *, on_tick: Callable[[], None] = lambda: None) -> None:
        self._engine = engine
        self._on_tick = on_tick
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wqj-lease-renewer", daemon=True)
        self._clock = engine.clock

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """End the thread, and wait for a call of the broker that it has begun."""
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
            late_seconds = self._clock() - due_at
            if late_seconds >= 0:
                due_at = self._clock() + self._renew(late_seconds)

    def _renew(self, late_seconds: float) -> float:
        try:
            return self._engine.renew(late_seconds=late_seconds)
        except WorkQueueJobError as error:
            # The main thread gets the same error from its next call, and ends the worker.
            say("item can't be kept", error=error)
            return TICK_SECONDS
