"""SIGTERM in a user's program: stops the worker, and interrupts work that outlasts the grace.

Handled only where Python's default would handle it, and only if the worker starts in the main
thread, because Python sets signal handlers in no other.
"""

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

from workqueuejob.contract import exit_codes
from workqueuejob.worker.interruptions import Interrupted
from workqueuejob.worker.stop_request import StopRequest


class SigtermHandler:
    """The handler of SIGTERM, which raises `Interrupted` in the user's code.

    allowed: whether it may raise, because the user's code works on an item.
    happened: whether it has raised.
    installed: whether it handles SIGTERM now.
    in_call: returns whether a call of the broker runs, which an exception would break off half-way.
    """

    def __init__(self, stop: StopRequest, *, in_call: Callable[[], bool]) -> None:
        self.allowed = False
        self.happened = False
        self.installed = False
        self._stop = stop
        self._in_call = in_call
        self._before: Any = None

    def install(self) -> None:
        """Handle SIGTERM, unless the program handles it."""
        if threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            self._before = signal.signal(signal.SIGTERM, self._handle)
            self.installed = True

    def restore(self) -> None:
        """Leave SIGTERM as it was found."""
        if self.installed and threading.current_thread() is threading.main_thread():
            self.installed = False
            with suppress(ValueError):
                signal.signal(signal.SIGTERM, self._before)

    def disown(self) -> None:
        """In a forked child: let SIGTERM end it again, unless the program handles SIGTERM now."""
        if self.installed and signal.getsignal(signal.SIGTERM) == self._handle:
            signal.signal(signal.SIGTERM, self._before)
        self.installed = self.allowed = False

    def interrupt(self) -> bool:
        """Interrupt the work; return True where that had no effect until it must be ended by force.

        Called by the lease renewer's thread. It sends SIGTERM, because a signal makes the main
        thread's system call return.
        """
        if self._stop.kill_due:
            return True
        if not self.happened:
            os.kill(os.getpid(), signal.SIGTERM)
        return False

    def _handle(self, _signal: int, _frame: FrameType | None) -> None:
        self._stop.request()
        if self.allowed and self._stop.expired and not (self.happened or self._in_call()):
            self.happened = True
            raise Interrupted(exit_codes.STOPPED_EARLY)
