"""Puts off the deletion of a Job that is not recorded: its number would be forgotten with it.

An operator that died between the two writes may have made a wave of which status knows nothing.
Where its Job goes, the next wave gets the same number and the same name.
"""

from dataclasses import replace

from workqueuejob.planning.actions import Action, DeleteJob
from workqueuejob.planning.decision import RECHECK_SECONDS, Plan
from workqueuejob.planning.situation import Situation


def record_before_withdrawal(decided: Plan, situation: Situation) -> Plan:
    """Return the plan without deletions of Jobs whose numbers status doesn't know.

    The patch at the end of this round records them, and the next round decides again. A decision
    that is not carried out is none. Where the namespace goes no wave follows, and nothing waits.
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
