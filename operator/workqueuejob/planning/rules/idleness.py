"""Decides whether a run waits for nothing but news of its queue."""

from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.observing.observed import Observed
from workqueuejob.planning.rules.secret_age import is_at_work
from workqueuejob.planning.verdict import Progress


def is_idle(observed: Observed, decided: Plan) -> bool:
    """Return whether it is enough to learn when the run's queue changes.

    A run that proves something, such as that its queue is empty, needs measurements although
    nothing changes: its plan says when to look again.
    """
    if observed.measurement is None or not isinstance(observed.measurement.result, QueueDepth):
        return False
    is_suspended = decided.verdict.progress == Progress.SUSPENDED
    return decided.recheck_after_seconds is None and (is_suspended or not is_at_work(observed))
