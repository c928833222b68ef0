"""Decides when a run's Secrets are read again, and which plans need them as they are now."""

from workqueuejob.errors import QueueError
from workqueuejob.planning.actions import CreateWave, EndJob
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.observing.observed import Observed
from workqueuejob.planning.pacing.doubling import double
from workqueuejob.planning.verdict import QUEUE_DRAINED, Progress

FIRST_RETRY_SECONDS = 2.0
LONGEST_RETRY_SECONDS = 10.0
"""The greatest age while the queue can't be measured, at first and at most."""

AT_WORK_SECONDS = 5.0
"""The greatest age while the run has pods or items."""

IDLE_SECONDS = 60.0
"""The greatest age of any other run's Secrets."""


def choose_longest_age(*, failures: int, is_at_work: bool) -> float:
    """Return after how many seconds Secrets are read again.

    failures: how many readings in a row were of no use, because the queue could not be measured
        after them. Any such error may be corrected in a Secret, so they are read again after 2, 4,
        8, 10, 10 … seconds.
    """
    if failures:
        return double(FIRST_RETRY_SECONDS, failures, cap=LONGEST_RETRY_SECONDS)
    return AT_WORK_SECONDS if is_at_work else IDLE_SECONDS


def is_at_work(observed: Observed) -> bool:
    """Return whether a run has pods, or items that need pods."""
    depth = observed.depth
    return bool(observed.unfinished or (depth is not None and depth.left))


def needs_current_secrets(observed: Observed, decided: Plan) -> bool:
    """Return whether a plan may be carried out only if its measurement used the current Secrets.

    New pods get what is in the Secrets now. With older ones the operator might size a first wave by
    another broker than its pods connect to, or end a run because another broker's queue is empty.
    """
    if observed.measurement is None or isinstance(observed.measurement.result, QueueError):
        return False
    is_end = decided.verdict.progress == Progress.COMPLETE or decided.period_end is not None
    begins = not observed.unfinished and any(isinstance(a, CreateWave) for a in decided.actions)
    ends = any(isinstance(a, EndJob) and a.reason == QUEUE_DRAINED for a in decided.actions)
    return is_end or begins or ends
