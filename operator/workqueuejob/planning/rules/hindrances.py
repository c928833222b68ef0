"""Finds what keeps pods from being made or from starting, in the words of what refuses them."""

from dataclasses import replace

from workqueuejob.errors import WorkQueueJobError
from workqueuejob.planning.actions import Action
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.evidence.resumes import find_resume
from workqueuejob.planning.observing.lingering_pods import CONTAINERS_LEFT
from workqueuejob.planning.observing.observed import PodProblem
from workqueuejob.planning.observing.waiting_pods import BACK_OFF
from workqueuejob.planning.situation import Situation
from workqueuejob.planning.verdict import Progress, Verdict
from workqueuejob.planning.words import items as item_messages
from workqueuejob.planning.words import messages

_IDLE_SECONDS = 30.0
"""The time without any change after which containers are taken to be left over."""


def find_hindrance(situation: Situation) -> Verdict | None:
    """Return the verdict that something keeps pods from being made or from starting, or None."""
    observed = situation.observed
    if observed.obstacle is not None:
        return Verdict.of_obstacle(observed.obstacle)
    if situation.is_dead_letter_target_missing:
        message = item_messages.dead_letter_target_missing(situation.spec)
        return Verdict(Progress.DEAD_LETTER_TARGET_MISSING, message)
    if observed.pod_problem is not None and _is_certain(situation, observed.pod_problem):
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


def _is_certain(situation: Situation, problem: PodProblem) -> bool:
    """Return whether a problem is one for certain.

    Which of a user's own containers works is not known. So one that ends before the others is a
    problem only when nothing is left to do.
    """
    is_guess = problem.reason == CONTAINERS_LEFT and not situation.has_workers
    return not is_guess or situation.lasts(situation.evidence.idle, seconds=_IDLE_SECONDS)


def _describe_problem(problem: PodProblem) -> Verdict:
    if problem.reason == BACK_OFF:
        return Verdict(Progress.WORKING, messages.backing_off(problem))
    if problem.reason == CONTAINERS_LEFT:
        return Verdict(Progress.SURPLUS_PODS_WAITING, messages.left_over(problem))
    return Verdict(Progress.PODS_NOT_STARTING, messages.not_starting(problem))
