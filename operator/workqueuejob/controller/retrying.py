"""Decides how long a WorkQueueJob's loop waits after a failed reconcile, and logs the failure."""

import random

import structlog

from workqueuejob.errors import ClusterError
from workqueuejob.metrics import RECONCILE_ERRORS
from workqueuejob.planning.pacing.doubling import double

_log = structlog.get_logger(__name__)

_FIRST_CONFLICT_DELAY_SECONDS = 0.2
_FIRST_DELAY_SECONDS = 0.5
_LONGEST_DELAY_SECONDS = 30.0
_LONGEST_AGE_DELAY_SECONDS = 5.0
_LASTING_FAILURES = 3
"""Failures in a row from which on the loop waits out its back-off."""


class Retrying:
    """Counts the failures in a row of one loop."""

    def __init__(self) -> None:
        self._failures = 0
        self._failing: str | None = None

    @property
    def is_repeated(self) -> bool:
        """Whether at least the last two reconciles failed."""
        return self._failures > 1

    @property
    def is_lasting(self) -> bool:
        """Whether so many reconciles failed that only an edit may shorten the back-off."""
        return self._failures >= _LASTING_FAILURES

    def succeed(self) -> None:
        """Note a reconcile that succeeded."""
        self._failures = 0
        if self._failing is not None:
            self._failing = None
            _log.info("reconciling again")

    def meet_conflict(self, error: ClusterError) -> float:
        """Note that another client wrote in between; return the seconds to wait."""
        if self.is_lasting:
            self._log(error.reason, error)
        return self._back_off(_FIRST_CONFLICT_DELAY_SECONDS)

    def meet_age(self, error: ClusterError) -> float:
        """Note that an observation was too old to write by; return the seconds to wait.

        The pause stays short, because part of the plan may have been carried out before.
        """
        return min(_LONGEST_AGE_DELAY_SECONDS, self.meet_conflict(error))

    def meet(self, reason: str, error: Exception) -> float:
        """Note any other failure; return the seconds to wait."""
        self._log(reason, error)
        return self._back_off(_FIRST_DELAY_SECONDS)

    def _back_off(self, first_seconds: float) -> float:
        self._failures += 1
        seconds = double(first_seconds, self._failures, cap=_LONGEST_DELAY_SECONDS)
        return seconds * random.uniform(0.8, 1.2)  # noqa: S311 - jitter

    def _log(self, reason: str, error: Exception) -> None:
        """Count a failure, and log it unless the one before had the same reason."""
        RECONCILE_ERRORS.labels(reason).inc()
        if self._failing != reason:
            self._failing = reason
            _log.error(
                "reconcile failed",
                reason=reason,
                error=str(error),
                exc_info=None if isinstance(error, ClusterError) else error,
            )
