"""The time limit of the item in a loop's hand: a signal raises `TimedOut` in the user's code.

The lease renewer's thread looks once a second whether the limit is over. It sends a signal that
programs don't use, because a signal makes the main thread's system call return. Where that is
impossible (the loop runs in another thread, or the program handles that signal), and where the
exception has no effect, the item fails without it, and the worker takes no more.
"""

import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

from workqueuejob.worker.command_attempt import TIMEOUT_KILL_SECONDS
from workqueuejob.worker.interruptions import TimedOut
from workqueuejob.worker.item import Item
from workqueuejob.worker.reasons import describe_limit

ALARM = signal.SIGRTMIN + 9
"""A real-time signal without a meaning."""

_NEVER = float("inf")


class ItemLimit:
    """Limits the time of one item after the other.

    has_failed: whether the item in hand failed while its work went on.
    """

    def __init__(
        self,
        limit_seconds: float | None,
        clock: Callable[[], float],
        *,
        in_call: Callable[[], bool],
    ) -> None:
        """Limit nothing yet.

        limit_seconds: None sets no limit. in_call: returns whether a call of the broker runs, which
            an exception would break off half-way.
        """
        self.has_failed = False
        self._limit_seconds = limit_seconds
        self._clock = clock
        self._in_call = in_call
        self._item: Item | None = None
        self._late_at = _NEVER
        self._has_raised = False
        self._is_installed = False
        self._is_refused = False

    def restore(self) -> None:
        """Leave the signal as it was found."""
        if self._is_installed and threading.current_thread() is threading.main_thread():
            self._is_installed = False
            with suppress(ValueError):
                signal.signal(ALARM, signal.SIG_DFL)

    def disown(self) -> None:
        """In a forked child: limit nothing any more."""
        self._item = None
        self.restore()

    def begin(self, item: Item) -> None:
        """Start the time of an item that is handed to the user's code."""
        if self._limit_seconds is None:
            return
        if not (self._is_installed or self._is_refused):
            self._install()
        self._has_raised = False
        self._late_at = self._clock() + self._limit_seconds
        self._item = item

    def end(self) -> None:
        """Stop the time: the user's code is done with the item."""
        self._item = None

    def explain(self, item: Item) -> str | None:
        """Return why an item has failed whose work the limit interrupted; None if it did not."""
        is_due = self._has_raised and not item.is_settled
        return describe_limit(self._limit_seconds) if is_due else None

    def check(self) -> bool:
        """In the lease renewer's thread: interrupt work that is late, or fail its item.

        Return whether an exception has not ended the work, so that the process must be ended.
        """
        item = self._item
        if item is None or item.is_settling or self._clock() < self._late_at:
            return False
        main = threading.main_thread().ident
        if self._is_installed and main is not None:
            if not self._has_raised:
                signal.pthread_kill(main, ALARM)
            if self._clock() < self._late_at + TIMEOUT_KILL_SECONDS:
                return False
        self.has_failed = True
        item.fail(describe_limit(self._limit_seconds))
        return self._is_installed

    def _install(self) -> None:
        """Handle the signal, if this is the main thread and the program does not handle it."""
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and signal.getsignal(ALARM) is signal.SIG_DFL:
            signal.signal(ALARM, self._handle)
            self._is_installed = True
        else:
            self._is_refused = True

    def _handle(self, _signal: int, _frame: FrameType | None) -> None:
        item: Any = self._item
        if item is None or item.is_settling or self._has_raised or self._in_call():
            return
        if self._clock() >= self._late_at:
            self._has_raised = True
            raise TimedOut(describe_limit(self._limit_seconds))
