"""A thread that runs a check again and again, and says how late the next check is."""

import threading
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)


class Supervisor:
    """Calls `check` at an interval, from `start` to `end`. A bug in `check` does not end it."""

    def __init__(
        self, check: Callable[[], None], *, interval_seconds: float, clock: Callable[[], float]
    ) -> None:
        self._check = check
        self._interval_seconds = interval_seconds
        self._clock = clock
        self._last_check = clock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor of meters", daemon=True)
        self.start, self.end = self._thread.start, self._ended.set

    @property
    def late_seconds(self) -> float:
        """Seconds since the last check, less the interval; 0 when it is not late."""
        return max(self._clock() - self._last_check - self._interval_seconds, 0.0)

    def _run(self) -> None:
        while not self._ended.wait(self._interval_seconds):
            try:
                self._check()
            except Exception:
                log.exception("the supervisor of measuring met a bug, and goes on")
            self._last_check = self._clock()
