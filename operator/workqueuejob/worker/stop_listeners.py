"""The callbacks of a user's program that are called once a stop was requested.

A signal handler requests the stop, perhaps in the middle of a call. So the lease renewer's thread
looks for the request once a second, and a thread of their own calls them: they may take their time.
"""

import sys
import threading
import traceback
from collections.abc import Callable

from workqueuejob.worker.stop_request import StopRequest

Callback = Callable[[], object]


class StopListeners:
    """The callbacks of one worker, each called once."""

    def __init__(self, stop: StopRequest) -> None:
        self._stop = stop
        self._waiting: list[Callback] = []

    def add(self, callback: Callback) -> None:
        """Have a function called on a stop; within a second, if one was requested before."""
        self._waiting.append(callback)

    def look(self) -> None:
        """Call the callbacks, if a stop was requested; return at once."""
        if not (self._stop.requested and self._waiting):
            return
        due, self._waiting = self._waiting, []
        threading.Thread(target=_call, args=(due,), name="wqj-stop", daemon=True).start()


def _call(callbacks: list[Callback]) -> None:
    for callback in callbacks:
        try:
            callback()
        except Exception as error:  # noqa: BLE001 - the program's own, which must not end the others
            traceback.print_exception(error, file=sys.stderr)
