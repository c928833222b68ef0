"""The rule that lets a mended template take effect where the old one can't start a pod.

A Job's template can't be changed, and running pods keep theirs. But a wave whose pods wait for an
image that does not exist, or for a node that they will never fit, would wait for ever.
"""

from workqueuejob.planning.decision import Plan, plan_end_of
from workqueuejob.planning.evidence.evidence import is_anything_held
from workqueuejob.planning.observing.observed import JobState, ObservedJob
from workqueuejob.planning.pods.job_manifest import hash_template
from workqueuejob.planning.situation import Situation
from workqueuejob.planning.verdict import TEMPLATE_CHANGED
from workqueuejob.planning.words import messages


def end_outdated_waves(situation: Situation) -> Plan | None:
    """End waves of a former template whose pods don't start, so that new ones take their place.

    While anything is held, nothing is ended: a pod that has just started may hold it, and its Job
    tells so only later.
    """
    if situation.observed.pod_problem is None:
        return None
    current = hash_template(situation.observed.resource)
    stuck = [job for job in situation.observed.unfinished if _is_stuck(job, current)]
    if not stuck or is_anything_held(situation.depth):
        return None
    message = messages.outdated(stuck)
    return plan_end_of(
        stuck,
        succeeded=False,
        reason=TEMPLATE_CHANGED,
        message=message,
        with_grace=situation.has_workers,
    )


def _is_stuck(job: ObservedJob, current: str) -> bool:
    """Return whether no pod of a former template runs; one that is about to end has run."""
    runs = job.ready > 0 or job.terminating > job.stuck
    return job.state is JobState.RUNNING and not runs and job.template_hash != current
