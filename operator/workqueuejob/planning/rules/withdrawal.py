"""Puts off the deletion of a Job that status has not recorded, so that its number is not lost.

An operator that died between two writes may have made a wave that status doesn't have. If its Job
were deleted, the next wave would get the same number and the same name.
"""

from dataclasses import replace

from workqueuejob.planning.actions import Action, DeleteJob
from workqueuejob.planning.decision import RECHECK_SECONDS, Plan
from workqueuejob.planning.situation import Situation


def record_before_withdrawal(decided: Plan, situation: Situation) -> Plan:
    """Return the plan without deletions of Jobs whose numbers status has not recorded.

    The patch at the end of this round records them, and the next round decides again. Until then
    the plan has no decision. In a namespace that is being deleted no wave follows, so nothing is
    put off.
    """
    if situation.observed.namespace_terminating:
        return decided
    recorded = situation.observed.resource.status.waves or 0
    unrecorded = {job.name for job in situation.jobs if job.wave > recorded}

    def is_put_off(action: Action) -> bool:
        return isinstance(action, DeleteJob) and action.job in unrecorded

    actions = tuple(action for action in decided.actions if not is_put_off(action))
    if actions == decided.actions:
        return decided
    return replace(decided, actions=actions, decision=None, recheck_after_seconds=RECHECK_SECONDS)
