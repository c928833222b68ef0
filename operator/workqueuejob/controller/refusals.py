"""Remembers which changes of Jobs the API server refused, and when each may be tried again.

A webhook or a policy may refuse the same change in every reconcile. Each change has its own
back-off. So a refused change neither floods the API server nor delays another change.
"""

import time
from dataclasses import dataclass

from workqueuejob.controller.obstacles import name_refusal
from workqueuejob.errors import ClusterError
from workqueuejob.planning.actions import Action, Change, CreateWave

_FIRST_DELAY_SECONDS = 2.0
_LONGEST_DELAY_SECONDS = 30.0

_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Refusal:
    error: ClusterError
    delay_seconds: float
    retry_at: float


class Refusals:
    """The refused changes of one WorkQueueJob's Jobs."""

    def __init__(self) -> None:
        self._refused: dict[_Key, _Refusal] = {}

    @property
    def current(self) -> ClusterError | None:
        """The oldest refusal of a change that is still wanted, or None."""
        return next((refusal.error for refusal in self._refused.values()), None)

    @property
    def retry_after_seconds(self) -> float | None:
        """Seconds until the next try; None without a refusal."""
        if not self._refused:
            return None
        earliest = min(refusal.retry_at for refusal in self._refused.values())
        return max(0.0, earliest - time.monotonic())

    def keep(self, actions: tuple[Action, ...]) -> None:
        """Forget the refusals of changes that are not among these actions."""
        wanted = {_key(action) for action in actions if not isinstance(action, CreateWave)}
        self._refused = {key: error for key, error in self._refused.items() if key in wanted}

    def may_try(self, action: Change) -> bool:
        """Return whether a change was not refused, or its back-off is over."""
        refusal = self._refused.get(_key(action))
        return refusal is None or time.monotonic() >= refusal.retry_at

    def meet(self, action: Change, error: ClusterError) -> None:
        """Remember a refusal; the pause before the next try doubles, from 2 to 30 seconds."""
        known = self._refused.get(_key(action))
        delay = min(_LONGEST_DELAY_SECONDS, known.delay_seconds * 2) if known else None
        seconds = delay or _FIRST_DELAY_SECONDS
        retry_at = time.monotonic() + seconds
        self._refused[_key(action)] = _Refusal(name_refusal(error), seconds, retry_at)

    def forget(self, action: Change) -> None:
        """Forget that a change was refused, because it was carried out."""
        self._refused.pop(_key(action), None)

    def clear(self) -> None:
        """Forget all refusals, because the API server may have been away."""
        self._refused.clear()


def _key(action: Change) -> _Key:
    return type(action).__name__, action.job
