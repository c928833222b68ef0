"""Whether the item in hand is to blame for a stop; requests no stop and settles nothing.

The kubelet sends the same SIGTERM to a container for every reason. The worker recognizes its pod's
deadline by the time, and a failing container probe by running that probe once more. Any other stop
is no fault of the item.
"""

import threading
from collections.abc import Callable

from workqueuejob.contract.grace import is_deadline
from workqueuejob.contract.settings import WorkerSettings
from workqueuejob.worker.reasons import describe_deadline, describe_probe
from workqueuejob.worker.stop_request import StopRequest


class StopCause:
    """Runs the container probes once, in a separate thread, after a stop was requested."""

    def __init__(
        self, settings: WorkerSettings, stop: StopRequest, *, clock: Callable[[], float]
    ) -> None:
        self._deadline_seconds = settings.deadline_seconds
        self._probes = settings.probes or ()
        self._stop = stop
        self._clock = clock
        self._started_at = clock()
        self._has_looked = False
        self._running: str | None = None
        self._late_at = float("inf")
        self._failed: str | None = None

    def look(self) -> None:
        """Start to run the container probes, while the work that may make them fail goes on."""
        if self._probes and not self._has_looked:
            self._has_looked = True
            threading.Thread(target=self._run_probes, name="wqj-probes", daemon=True).start()

    def blame_item(self) -> str | None:
        """Return why the item in hand has failed; None where the stop is no fault of the item.

        An item that the pod's deadline interrupts would be interrupted in the next pod, too. A
        container probe that has not answered within its timeout has failed.
        """
        limit, age = self._deadline_seconds, self._stop.requested_at - self._started_at
        if is_deadline(age, limit):
            return describe_deadline(limit)
        failed = self._failed or (self._running if self._clock() >= self._late_at else None)
        return None if failed is None else describe_probe(failed)

    def _run_probes(self) -> None:
        # Imported here, because it slows the start of every worker, and few have a probe.
        from workqueuejob.worker.container_probes import is_failing

        for probe in self._probes:
            self._late_at = self._clock() + probe.timeout_seconds
            self._running = probe.kind
            is_failed = is_failing(probe)
            self._running = None
            if is_failed:
                self._failed = probe.kind
                return
