"""SIGTERM in a user's program: stops the worker, and ends work that outlasts the grace.

Only where it is Python's default that would handle it, and only in the main thread, where alone
handlers can be set.
"""

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

from workqueuejob.contract import exit_codes
from workqueuejob.worker.item import Interrupted
from workqueuejob.worker.stop_request import StopRequest


class SigtermHandler:
    """The handler, and whether it may raise.

    allowed: whether an item is in the user's hand. happened: whether it raised.
    installed: whether SIGTERM is ours.
    busy: whether the broker is being spoken to, which an exception would leave in mid-sentence.
    """

    def __init__(self, stop: StopRequest, *, busy: Callable[[], bool]) -> None:
        self.allowed = False
        self.happened = False
        self.installed = False
        self._stop = stop
        self._busy = busy
        self._before: Any = None

    def install(self) -> None:
        """Handle SIGTERM if nobody does."""
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
        """In a forked child: let SIGTERM end it again, unless the program has seen to it since."""
        if self.installed and signal.getsignal(signal.SIGTERM) == self._handle:
            signal.signal(signal.SIGTERM, self._before)
        self.installed = self.allowed = False

    def interrupt(self) -> bool:
        """Have the work interrupted; return True when that was of no use.

        For the keeper's thread: the signal makes the main thread's system call return.
        """
        if self._stop.kill_due:
            return True
        if not self.happened:
            os.kill(os.getpid(), signal.SIGTERM)
        return False

    def _handle(self, _signal: int, _frame: FrameType | None) -> None:
        self._stop.request()
        if self.allowed and self._stop.expired and not (self.happened or self._busy()):
            self.happened = True
            raise Interrupted(exit_codes.STOPPED_EARLY)
