"""The rule that lets a corrected template take effect where the old one can't start a pod.

A Job's template can't be changed, and running pods keep theirs. But pods that wait for an image
that does not exist, or for a node that they will never fit, would wait without an end.
"""

from workqueuejob.planning.decision import Plan, plan_end_of
from workqueuejob.planning.evidence.signs import is_anything_held
from workqueuejob.planning.observing.observed import JobState, ObservedJob
from workqueuejob.planning.pods.job_manifest import hash_template
from workqueuejob.planning.situation import Situation
from workqueuejob.planning.verdict import TEMPLATE_CHANGED
from workqueuejob.planning.words import messages


def end_outdated_waves(situation: Situation) -> Plan | None:
    """End waves of a former template whose pods don't start, so that new ones take their place.

    While an item is held, nothing is ended: a pod that has just started may hold it, and its Job
    shows that only later.
    """
    if situation.observed.pod_problem is None:
        return None
    current = hash_template(situation.observed.resource)
    waiting = [job for job in situation.observed.unfinished if _waits_in_vain(job, current)]
    if not waiting or is_anything_held(situation.depth):
        return None
    message = messages.outdated(waiting)
    return plan_end_of(
        waiting,
        succeeded=False,
        reason=TEMPLATE_CHANGED,
        message=message,
        with_grace=situation.has_workers,
    )


def _waits_in_vain(job: ObservedJob, current: str) -> bool:
    """Return whether a Job has a former template and no pod that runs or is being ended."""
    runs = job.ready > 0 or job.terminating > job.stuck
    return job.state is JobState.RUNNING and not runs and job.template_hash != current
