"""Finds what keeps pods from being made or from starting, in the words of what refuses them."""

from dataclasses import replace

from workqueuejob.errors import WorkQueueJobError
from workqueuejob.planning.actions import Action
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.evidence.resumes import find_resume
from workqueuejob.planning.observing.observed import PodProblem
from workqueuejob.planning.observing.waiting_pods import BACK_OFF
from workqueuejob.planning.situation import Situation
from workqueuejob.planning.verdict import Progress, Verdict
from workqueuejob.planning.words import items as item_messages
from workqueuejob.planning.words import messages


def find_hindrance(situation: Situation) -> Verdict | None:
    """Return the verdict that something keeps pods from being made or from starting, or None."""
    observed = situation.observed
    if observed.obstacle is not None:
        return Verdict.of_obstacle(observed.obstacle)
    if situation.is_dead_letter_target_missing:
        message = item_messages.dead_letter_target_missing(situation.spec)
        return Verdict(Progress.DEAD_LETTER_TARGET_MISSING, message)
    if observed.pod_problem is not None:
        return _describe_problem(observed.pod_problem)
    return _find_unadmitted(situation) or _find_suspended(situation)


def admit_refusal(decided: Plan, refusal: WorkQueueJobError, done: tuple[Action, ...]) -> Plan:
    """Return the plan as far as it was carried out, with the refusal of the rest.

    done: the actions that were carried out. Without all of them the plan has no decision.
    """
    is_done = decided.actions == done
    return replace(
        decided,
        verdict=Verdict.of_obstacle(refusal),
        actions=done,
        decision=decided.decision if is_done else None,
    )


def _find_unadmitted(situation: Situation) -> Verdict | None:
    """Return the verdict that every Job of the run waits for Kueue, or None."""
    unfinished = situation.observed.unfinished
    if not unfinished or not all(job.is_queued and job.suspended for job in unfinished):
        return None
    return Verdict(Progress.WAITING_FOR_ADMISSION, messages.waiting_for_admission(unfinished))


def _find_suspended(situation: Situation) -> Verdict | None:
    """Return the verdict that others suspend Jobs of the run, or None."""
    jobs = [job for job in situation.observed.listed if job.suspended and not job.is_queued]
    for job in jobs:
        resume = find_resume(situation.evidence.resumes, job)
        if resume is not None:
            message = messages.suspended_by_others(resume, now=situation.now)
            return Verdict(Progress.SUSPENDED_BY_OTHERS, message)
    return None


def _describe_problem(problem: PodProblem) -> Verdict:
    if problem.reason == BACK_OFF:
        return Verdict(Progress.WORKING, messages.backing_off(problem))
    return Verdict(Progress.PODS_NOT_STARTING, messages.not_starting(problem))
