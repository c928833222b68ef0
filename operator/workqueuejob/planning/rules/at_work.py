"""What is said of a run that makes no wave: how many pods are at work, or what it waits for.

It is asked by the rule for waves, and decides nothing about Jobs.
"""

from workqueuejob.brokers.traits import Abandonment, read_traits
from workqueuejob.planning.observing.observed import count_active
from workqueuejob.planning.rules.endings import find_waiting_pods
from workqueuejob.planning.rules.hindrances import find_hindrance
from workqueuejob.planning.situation import Situation
from workqueuejob.planning.verdict import Progress, Verdict
from workqueuejob.planning.words import items as item_messages
from workqueuejob.planning.words import messages

_UNTAKEN_SUSPICION_SECONDS = 30.0
"""The time in which one of the workers that run should have taken an item."""

_FOREIGN_SUSPICION_SECONDS = 5.0
"""The time for which the queue must have too many consumers before the status says so."""


def describe_work(situation: Situation) -> Verdict:
    """Return the verdict of a run that makes no wave: at work, or what it waits for."""
    active = count_active(situation.jobs)
    waiting = find_hindrance(situation) or find_waiting_pods(situation)
    if waiting is not None:
        return waiting
    if situation.evidence.abandoned is not None:
        return _describe_abandoned(situation)
    abandonment = _find_stalled(situation)
    if abandonment is not None:
        message = item_messages.stalled(abandonment, situation.depth, active)
        return Verdict(Progress.WORKING, message)
    if situation.lasts(situation.evidence.foreign, seconds=_FOREIGN_SUSPICION_SECONDS):
        return Verdict(Progress.WORKING, messages.working_with_strangers(situation.depth, active))
    if situation.spec.parallelism == 0 and not active:
        return Verdict(Progress.WORKING, messages.NO_PARALLELISM)
    at_work = count_at_work(situation, active)
    if situation.lasts(situation.evidence.untaken, seconds=_UNTAKEN_SUSPICION_SECONDS):
        return Verdict(Progress.WORKING, messages.untaken(situation, active))
    if situation.depth.delayed and not at_work and not situation.depth.ready:
        return Verdict(Progress.WORKING, item_messages.resting(situation.depth))
    wanted = situation.most if active > situation.most else None
    return Verdict(Progress.WORKING, messages.working(at_work, of=active, wanted=wanted))


def count_at_work(situation: Situation, pods: int) -> int:
    """Return how many of the pods have something to do, as far as the broker tells.

    Where it counts what workers hold as of now, a pod is at work that holds an item. Elsewhere only
    warm pods are known to have nothing, and only while nothing is ready.
    """
    depth = situation.depth
    if situation.has_workers and depth.in_flight is not None:
        return min(pods, depth.in_flight)
    held = depth.in_flight_known
    if depth.ready or held is None or not any(j.is_warm for j in situation.observed.unfinished):
        return pods
    return min(pods, held)


def _find_stalled(situation: Situation) -> Abandonment | None:
    """Return how to get back what a foreign program's pods hold, if none may work on it."""
    abandonment = _find_abandonment(situation)
    if abandonment is None or not situation.depth.in_flight:
        return None
    is_idle = situation.lasts(situation.evidence.idle, seconds=abandonment.seconds)
    return abandonment if is_idle else None


def _describe_abandoned(situation: Situation) -> Verdict:
    """Return the verdict that items are held although the run has no pod."""
    depth, abandonment = situation.depth, _find_abandonment(situation)
    since = situation.evidence.abandoned
    if abandonment is not None and situation.lasts(since, seconds=abandonment.seconds):
        return Verdict(Progress.ITEMS_ABANDONED, item_messages.abandoned(abandonment, depth))
    return Verdict(Progress.WORKING, item_messages.held_by_nobody(depth))


def _find_abandonment(situation: Situation) -> Abandonment | None:
    """Return how to get back what a foreign program holds; a worker's leases run out."""
    if situation.spec.worker is not None:
        return None
    return read_traits(situation.spec.queue).abandonment
