"""How long a WorkQueueJob's loop waits after a round that failed, and what is logged of it."""

import random

import structlog

from workqueuejob.errors import ClusterError
from workqueuejob.metrics import RECONCILE_ERRORS

_log = structlog.get_logger(__name__)

_FIRST_CONFLICT_SECONDS = 0.2
_FIRST_SECONDS = 0.5
_LONGEST_SECONDS = 30.0
_LASTING_FAILURES = 3


class Retrying:
    """The failures in a row of one loop."""

    def __init__(self) -> None:
        self._failures = 0
        self._failing: str | None = None

    @property
    def is_repeated(self) -> bool:
        """Whether the last rounds failed, and not only the last one."""
        return self._failures > 1

    @property
    def is_lasting(self) -> bool:
        """Whether it fails for so long that what wakes the loop must not make it try earlier."""
        return self._failures >= _LASTING_FAILURES

    def succeed(self) -> None:
        """Note a round that did not fail."""
        self._failures = 0
        if self._failing is not None:
            self._failing = None
            _log.info("reconciling again")

    def meet_conflict(self, error: ClusterError) -> float:
        """Note that another client wrote in between; return the seconds to wait."""
        if self.is_lasting:
            self._tell(error.reason, error)
        return self._back_off(_FIRST_CONFLICT_SECONDS)

    def meet(self, reason: str, error: Exception) -> float:
        """Note any other failure; return the seconds to wait."""
        self._tell(reason, error)
        return self._back_off(_FIRST_SECONDS)

    def _back_off(self, first_seconds: float) -> float:
        # Bounded before it is multiplied: a failure may last for months.
        seconds = min(_LONGEST_SECONDS, first_seconds * 2.0 ** min(self._failures, 10))
        self._failures += 1
        return seconds * random.uniform(0.8, 1.2)  # noqa: S311 - jitter

    def _tell(self, reason: str, error: Exception) -> None:
        RECONCILE_ERRORS.labels(reason).inc()
        if self._failing != reason:
            self._failing = reason
            _log.error(
                "reconcile failed",
                reason=reason,
                error=str(error),
                exc_info=None if isinstance(error, ClusterError) else error,
            )
