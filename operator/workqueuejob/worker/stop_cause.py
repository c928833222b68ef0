"""Why a worker was told to stop, as far as it can tell: the item in hand is to blame, or not.

The kubelet sends the same SIGTERM to a container whatever the reason. The pod's deadline shows by
the time; a probe shows when the worker asks it once more. Everything else is no fault of the item.
"""

import threading
from collections.abc import Callable

from workqueuejob.contract.grace import is_deadline
from workqueuejob.contract.settings import WorkerSettings
from workqueuejob.worker.reasons import describe_deadline, describe_probe
from workqueuejob.worker.stop_request import StopRequest


class StopCause:
    """Asks the probes once, in a thread of their own, after the worker was told to stop."""

    def __init__(
        self, settings: WorkerSettings, stop: StopRequest, *, clock: Callable[[], float]
    ) -> None:
        self._deadline_seconds = settings.deadline_seconds
        self._probes = settings.probes or ()
        self._stop = stop
        self._clock = clock
        self._started_at = clock()
        self._has_looked = False
        self._asked: str | None = None
        self._late_at = float("inf")
        self._failed: str | None = None

    def look(self) -> None:
        """Have the probes asked, while the work that may make them fail still goes on."""
        if self._probes and not self._has_looked:
            self._has_looked = True
            threading.Thread(target=self._ask, name="wqj-probes", daemon=True).start()

    def blame_item(self) -> str | None:
        """Return why the item in hand has failed; None if the stop is no fault of it.

        A worker that its pod's deadline stops had all the time that there will ever be. A probe
        that has had its time and has not answered has failed.
        """
        limit, age = self._deadline_seconds, self._stop.requested_at - self._started_at
        if is_deadline(age, limit):
            return describe_deadline(limit)
        failed = self._failed or (self._asked if self._clock() >= self._late_at else None)
        return None if failed is None else describe_probe(failed)

    def _ask(self) -> None:
        # Only here: it is a start's time for every worker, and few have a probe.
        from workqueuejob.worker.container_probes import is_failing

        for probe in self._probes:
            self._late_at = self._clock() + probe.timeout_seconds
            self._asked = probe.kind
            is_failed = is_failing(probe)
            self._asked = None
            if is_failed:
                self._failed = probe.kind
                return
