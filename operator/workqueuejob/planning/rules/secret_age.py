"""Decides how old the knowledge of a run's Secrets may be, and what may not rest on older one."""

from workqueuejob.errors import QueueError
from workqueuejob.planning.actions import CreateWave, EndJob
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.observing.observed import Observed
from workqueuejob.planning.verdict import QUEUE_DRAINED, Progress

FIRST_RETRY_SECONDS = 2.0
LONGEST_RETRY_SECONDS = 10.0
AT_WORK_SECONDS = 5.0
IDLE_SECONDS = 60.0


def choose_longest_age(*, failures: int, is_at_work: bool) -> float:
    """Return after how many seconds Secrets are read again.

    failures: readings in a row after which the queue could not be measured: whatever the error
    is, it may be mended in a Secret. 2, 4, 8, 10, 10 … seconds.
    """
    if failures:
        return min(FIRST_RETRY_SECONDS * 2.0 ** min(failures - 1, 10), LONGEST_RETRY_SECONDS)
    return AT_WORK_SECONDS if is_at_work else IDLE_SECONDS


def is_at_work(observed: Observed) -> bool:
    """Return whether a run has pods, or items to make pods for."""
    depth = observed.depth
    return bool(observed.unfinished or (depth is not None and depth.left))


def needs_current_secrets(observed: Observed, decided: Plan) -> bool:
    """Return whether a plan may only be carried out if the Secrets are those of its measurement.

    New pods are given what is in the Secrets now. A first wave would be sized by another broker
    than that which its pods ask, and a run would end because another broker's queue is empty.
    """
    if observed.measurement is None or isinstance(observed.measurement.result, QueueError):
        return False
    is_end = decided.verdict.progress == Progress.COMPLETE or decided.period_end is not None
    begins = not observed.unfinished and any(isinstance(a, CreateWave) for a in decided.actions)
    ends = any(isinstance(a, EndJob) and a.reason == QUEUE_DRAINED for a in decided.actions)
    return is_end or begins or ends
