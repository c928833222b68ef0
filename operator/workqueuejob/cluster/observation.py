"""Refuses a write that rests on an observation of more than 5 seconds ago. Reads no object.

Each task says with `rest_on` what its next writes rest on. The guard of the connection asks right
before a write is sent, so also after it has waited. A plan that waited while its loop stalled, or
while other requests went first, is not carried out: pods may have taken items since.

A task that has said nothing writes nothing.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from workqueuejob.errors import ObservationTooOld

LONGEST_AGE_SECONDS = 5.0

_rests_on: ContextVar[float] = ContextVar("rests_on", default=float("-inf"))


def rest_on(observed_at: float) -> None:
    """Record the time of the observation on which the next writes of this task rest.

    observed_at: in seconds on the monotonic clock.
    """
    _rests_on.set(observed_at)


@contextmanager
def resting_on_the_version() -> Iterator[None]:
    """Let the writes in the block rest on the resourceVersion that they carry.

    For writes that only depend on the object that they change: if it has changed, the API server
    refuses them.
    """
    token = _rests_on.set(time.monotonic())
    try:
        yield
    finally:
        _rests_on.reset(token)


def require_recent(longest_age_seconds: float = LONGEST_AGE_SECONDS) -> None:
    """Raise ObservationTooOld unless the writes of this task rest on a recent observation."""
    age = time.monotonic() - _rests_on.get()
    if age > longest_age_seconds:
        raise ObservationTooOld(
            f"the write would rest on an observation of {age:.1f} s ago; the operator observes"
            " again"
        )
