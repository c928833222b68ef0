"""The limits in time: when a run must be over, and when an ended run may be deleted."""

from dataclasses import replace
from datetime import datetime, timedelta

from workqueuejob.api import WorkQueueJob
from workqueuejob.planning.actions import change_suspend
from workqueuejob.planning.decision import RECHECK_SECONDS, Plan, plan_end_of
from workqueuejob.planning.evidence.proof import RETURN_SECONDS
from workqueuejob.planning.observing.observed import JobState
from workqueuejob.planning.situation import Situation
from workqueuejob.planning.verdict import RUN_DEADLINE, Progress, Verdict, find_end
from workqueuejob.planning.words import messages

DEADLINE_EXCEEDED = "DeadlineExceeded"


def end_after_deadline(situation: Situation) -> Plan | None:
    """End the run's pods, at work or not, and call it Failed when they are gone.

    It needs no measurement, because a run whose queue can't be reached must end too. A Job that is
    still suspended, as after a restart, is ended first and then resumed, or it would never finish.
    """
    start, limit = situation.observed.resource.status.start_time, situation.spec.active_deadline
    if start is None or limit is None or situation.spec.suspend or situation.now < start + limit:
        return None
    message = messages.deadline_exceeded(situation)
    verdict = Verdict(Progress.WORKING, message)
    unfinished = situation.observed.unfinished
    if not unfinished:
        if _may_item_return(situation):
            return Plan(verdict, recheck_after_seconds=RECHECK_SECONDS)
        verdict = Verdict(Progress.FAILED, message, DEADLINE_EXCEEDED)
        return Plan(verdict, decision=message)
    end = plan_end_of(
        unfinished, succeeded=False, reason=RUN_DEADLINE, message=message, with_grace=True
    )
    ending = [job for job in unfinished if job.state is JobState.ENDING]
    return replace(end, actions=(*end.actions, *change_suspend(ending, suspend=False)))


def _may_item_return(situation: Situation) -> bool:
    """Return whether the number of items left may still rise: a worker's item comes back late."""
    observed = situation.observed
    if observed.depth is None or observed.depth.consumers is None or not situation.has_workers:
        return False
    return not situation.lasts(situation.evidence.quiet, seconds=RETURN_SECONDS)


def time_left(resource: WorkQueueJob, *, now: datetime) -> timedelta | None:
    """Return how long an ended run is still kept: zero or less if it may be deleted now.

    None: it has not ended, or is not deleted by the operator.
    """
    end, seconds = find_end(resource.status.conditions), resource.spec.ttl_seconds_after_finished
    if end is None or seconds is None:
        return None
    return end.last_transition_time + timedelta(seconds=seconds) - now
