"""The rule that ends Jobs of which no worker is left, because another container keeps their pods.

A pod ends when all its containers have ended. An ordinary container beside the worker, such as a
proxy of a service mesh, does not end by itself. Such a pod holds no item and takes none, and its
Job waits for it without an end. What its worker reported was read when the worker ended.
"""

from workqueuejob.planning.decision import Plan, plan_end_of
from workqueuejob.planning.situation import Situation
from workqueuejob.planning.verdict import WORKERS_ENDED
from workqueuejob.planning.words import messages

_PATIENCE_SECONDS = 30.0
"""The time in which another container may end by itself, after the first Job had no worker."""


def end_left_waves(situation: Situation) -> Plan | None:
    """End the Jobs whose active pods have no worker any more; what is left gets a new wave."""
    left = [job for job in situation.observed.unfinished if job.is_left]
    if not left or not situation.lasts(situation.evidence.left, seconds=_PATIENCE_SECONDS):
        return None
    return plan_end_of(
        left,
        succeeded=True,
        reason=WORKERS_ENDED,
        message=messages.workers_ended(left),
        with_grace=True,
    )
