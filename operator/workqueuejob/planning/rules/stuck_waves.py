"""The rule that lets a run go on without pods that don't end, as on a node that is lost.

A Job replaces such a pod only when it is gone. So a Job that has nothing else left is ended here,
and a new wave takes its place. If the node comes back, the ended Job makes no pods beside those of
the new wave. An item that the stuck pod holds, if it still runs, is waited for like that of any
other pod.
"""

from workqueuejob.planning.decision import Plan, plan_end_of
from workqueuejob.planning.observing.observed import JobState, ObservedJob
from workqueuejob.planning.situation import Situation
from workqueuejob.planning.verdict import PODS_STUCK
from workqueuejob.planning.words import messages


def end_stuck_waves(situation: Situation) -> Plan | None:
    """End the waves that can have no pod but stuck ones. They succeed, by the pods before these."""
    stuck = [job for job in situation.observed.unfinished if _has_only_stuck_pods(job)]
    if not stuck:
        return None
    message = messages.stuck_waves_ended(stuck)
    return plan_end_of(stuck, succeeded=True, reason=PODS_STUCK, message=message, with_grace=True)


def _has_only_stuck_pods(job: ObservedJob) -> bool:
    """Return whether a Job has only stuck pods and makes none beside them."""
    is_running = job.state is JobState.RUNNING and not job.suspended
    has_only_stuck = job.stuck > 0 and not job.active and job.share <= job.stuck
    return is_running and job.open > 0 and has_only_stuck
