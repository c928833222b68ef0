"""Decides what to do next. The same observation and evidence give the same plan.

The rules stand in the order in which they are asked, and the first that has something to say
decides. An unknown depth never creates, shrinks or finishes anything.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from workqueuejob.errors import QueueError
from workqueuejob.planning.actions import DeleteJob
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.evidence.evidence import Evidence
from workqueuejob.planning.evidence.futility import count_futile_pods
from workqueuejob.planning.ledger.books import Books
from workqueuejob.planning.observing.observed import Observed
from workqueuejob.planning.observing.stuck_pods import describe_stuck
from workqueuejob.planning.rules.breaker import end_after_too_many_dead_letters
from workqueuejob.planning.rules.endings import (
    end_after_too_many_failures,
    end_drained_run,
    end_surplus,
    wait_for_ending_jobs,
)
from workqueuejob.planning.rules.history import list_expired_while_running
from workqueuejob.planning.rules.limits import end_after_deadline
from workqueuejob.planning.rules.outdated import end_outdated_waves
from workqueuejob.planning.rules.span_start import record_span
from workqueuejob.planning.rules.stuck_waves import end_stuck_waves
from workqueuejob.planning.rules.suspending import follow_suspend
from workqueuejob.planning.rules.warm import end_needless_warm_waves, keep_warm
from workqueuejob.planning.rules.waves import plan_waves
from workqueuejob.planning.rules.withdrawal import record_before_withdrawal
from workqueuejob.planning.situation import Situation
from workqueuejob.planning.sizing.autoscale import choose_scaling
from workqueuejob.planning.verdict import NAMESPACE_TERMINATING, Progress, Verdict, find_end
from workqueuejob.planning.words import messages


def plan(observed: Observed, evidence: Evidence, *, books: Books, now: datetime) -> Plan:
    """Return what to do about what was observed.

    books: of this very observation.
    """
    seconds_per_item = evidence.pace.seconds_per_item if evidence.pace else None
    scaling = choose_scaling(observed, seconds_per_item, now=now)
    situation = Situation(observed, books, evidence, scaling, now)
    decided = next(filter(None, (rule(situation) for rule in _RULES)), None)
    wanted = decided or keep_warm(situation, plan_waves(situation))
    chosen = record_before_withdrawal(wanted, situation)
    return replace(
        chosen,
        verdict=_name_stuck_pods(situation, chosen.verdict),
        doubt=replace(chosen.doubt, doubtful=count_futile_pods(evidence, observed.jobs)),
        scaling=scaling,
        deletions=list_expired_while_running(situation),
    )


def _name_stuck_pods(situation: Situation, verdict: Verdict) -> Verdict:
    """Say which pods don't end, whatever else there is to say; a recorded end stays as it is."""
    pods = situation.observed.stuck_pods
    if not pods or find_end(situation.observed.resource.status.conditions):
        return verdict
    return replace(verdict, message=f"{verdict.message}; {describe_stuck(pods)}")


def _stay_ended(situation: Situation) -> Plan | None:
    """A run that ended stays ended."""
    end = find_end(situation.observed.resource.status.conditions)
    return Plan(Verdict.of_end(end)) if end else None


def _leave_namespace(situation: Situation) -> Plan | None:
    """Delete the Jobs of a namespace that is being deleted.

    It deletes pods first and waits for them, while a Job keeps the finalizer of its pods until it
    has counted and replaced them, which it can't any more. Without the Job they are let go at once.
    They have been told to end already, so nothing is taken from one that holds an item.
    """
    if not situation.observed.namespace_terminating:
        return None
    deletions = tuple(
        DeleteJob(job.name, uid=job.uid, resource_version=job.resource_version)
        for job in situation.observed.listed
    )
    return Plan(Verdict(NAMESPACE_TERMINATING, messages.NAMESPACE_TERMINATING), deletions)


def _report_obstacle(situation: Situation) -> Plan | None:
    """While no Job can be made and none runs, what stands in the way is all there is to say."""
    obstacle = situation.observed.obstacle
    if obstacle is None or situation.observed.unfinished:
        return None
    return Plan(Verdict.of_obstacle(obstacle))


def _wait_for_measurement(situation: Situation) -> Plan | None:
    """Unknown is not zero."""
    measurement = situation.observed.measurement
    if measurement is None:
        return Plan(Verdict(Progress.QUEUE_UNAVAILABLE, messages.NOT_MEASURED))
    if isinstance(measurement.result, QueueError):
        return Plan(Verdict(Progress.QUEUE_UNAVAILABLE, str(measurement.result)))
    return None


def _follow_drained(situation: Situation) -> Plan | None:
    """A Continuous run may want pods that wait, whatever else an empty queue means."""
    decided = end_drained_run(situation)
    return keep_warm(situation, decided) if decided else None


_RULES: tuple[Callable[[Situation], Plan | None], ...] = (
    _stay_ended,
    _leave_namespace,
    end_after_deadline,
    follow_suspend,
    _report_obstacle,
    _wait_for_measurement,
    record_span,
    wait_for_ending_jobs,
    end_stuck_waves,
    end_after_too_many_dead_letters,
    end_needless_warm_waves,
    end_after_too_many_failures,
    end_surplus,
    end_outdated_waves,
    _follow_drained,
)
