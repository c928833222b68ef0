"""Decides what to do next: asks the rules in order, and the first that answers decides.

What is observed: the controller's `observing.py` looks at the Jobs and then at the queue, and
`planning/observing` reads them as values. The reconciler has `ledger` reckon what the run has done
so far, and `evidence` add what was seen to earlier looks. All of this is one `Situation`, which
every rule is given.

What may be decided: one `Plan`, with actions on Jobs, the verdict that the status shows, and the
time of the next look. A rule that has nothing to say returns None, and the next one is asked. The
last one always answers. The same situation always gives the same plan.

In which order: `_RULES` has five parts, and each may rely on those before it.

1. What is decided whatever the queue holds: the run has ended, its namespace goes, its time is up,
   the user suspends it, or no Job can be made. All of this must work while the broker can't be
   reached.
2. Whether the queue's depth is known. An unknown depth is not zero, so no later rule is asked
   without one. While it is unknown, only part 1 acts: no Job is created and no run completes.
3. What has to be settled before the numbers say anything: where a log's run ends, and pods that are
   on their way out.
4. What ends pods or the run: pods on a lost node, pods without a worker, too many dead letters,
   warm waves that are not needed, too many failures, pods without an item, pods that can't start,
   and an empty queue.
5. What is left to do: the ready items get their pods.

`keep_warm` is no rule, because it decides nothing by itself: it adds the pods that a Continuous
run keeps to the plan of one of the last two rules. Asked earlier, `keep_warm` would hide their
answers; asked later, it would never be asked.

What every plan gets at last, whichever rule made it: deletions that would lose a wave's number are
put off, pods that don't end are named, and the doubts, the scaling and the Jobs beyond the history
limits are added.
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
from workqueuejob.planning.rules.endings import end_drained_run, end_surplus, wait_for_ending_jobs
from workqueuejob.planning.rules.failures import end_after_too_many_failures
from workqueuejob.planning.rules.history import list_expired_while_running
from workqueuejob.planning.rules.left_waves import end_left_waves
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
    """Return what to do about what was observed, and what to say of it.

    books: of this very observation.
    """
    seconds_per_item = evidence.pace.seconds_per_item if evidence.pace else None
    scaling = choose_scaling(observed, seconds_per_item, now=now)
    situation = Situation(observed, books, evidence, scaling, now)
    decided = next(filter(None, (rule(situation) for rule in _RULES)))
    return _complete(record_before_withdrawal(decided, situation), situation)


def _complete(decided: Plan, situation: Situation) -> Plan:
    """Return a rule's plan with what every plan says."""
    futile_pods = count_futile_pods(situation.evidence, situation.jobs)
    return replace(
        decided,
        verdict=_name_stuck_pods(situation, decided.verdict),
        doubt=replace(decided.doubt, doubtful=futile_pods),
        scaling=situation.scaling,
        deletions=list_expired_while_running(situation),
    )


def _name_stuck_pods(situation: Situation, verdict: Verdict) -> Verdict:
    """Say which pods don't end, whatever else there is to say; a recorded end stays as it is."""
    pods = situation.observed.stuck_pods
    if not pods or find_end(situation.observed.resource.status.conditions):
        return verdict
    return replace(verdict, message=f"{verdict.message}; {describe_stuck(pods)}")


def _stay_ended(situation: Situation) -> Plan | None:
    """Keep the end of a run that has ended."""
    end = find_end(situation.observed.resource.status.conditions)
    return Plan(Verdict.of_end(end)) if end else None


def _leave_namespace(situation: Situation) -> Plan | None:
    """Delete the Jobs of a namespace that is being deleted.

    The namespace's controller deletes pods first and waits for them, while a Job keeps the
    finalizer of its pods until it has counted and replaced them, which it can't any more. Without
    the Job the pods go at once. They have had their SIGTERM already, so a pod that holds an item
    loses nothing by it.
    """
    if not situation.observed.namespace_terminating:
        return None
    deletions = tuple(
        DeleteJob(job.name, uid=job.uid, resource_version=job.resource_version)
        for job in situation.observed.listed
    )
    return Plan(Verdict(NAMESPACE_TERMINATING, messages.NAMESPACE_TERMINATING), deletions)


def _report_obstacle(situation: Situation) -> Plan | None:
    """Say what stands in the way while no Job can be made and none runs."""
    obstacle = situation.observed.obstacle
    if obstacle is None or situation.observed.unfinished:
        return None
    return Plan(Verdict.of_obstacle(obstacle))


def _wait_for_measurement(situation: Situation) -> Plan | None:
    """Do nothing while the depth is unknown: unknown is not zero."""
    measurement = situation.observed.measurement
    if measurement is None:
        return Plan(Verdict(Progress.QUEUE_UNAVAILABLE, messages.NOT_MEASURED))
    if isinstance(measurement.result, QueueError):
        return Plan(Verdict(Progress.QUEUE_UNAVAILABLE, str(measurement.result)))
    return None


def _end_or_keep_warm(situation: Situation) -> Plan | None:
    """End a drained run, or let a Continuous one wait, with the pods that it keeps."""
    decided = end_drained_run(situation)
    return keep_warm(situation, decided) if decided else None


def _give_items_pods(situation: Situation) -> Plan:
    """Give the ready items their pods, and a Continuous run those that it keeps besides."""
    return keep_warm(situation, plan_waves(situation))


_RULES: tuple[Callable[[Situation], Plan | None], ...] = (
    # An end is a record: nothing that is seen later may undo it.
    _stay_ended,
    # The namespace waits for these Jobs, and nothing new can be made in it.
    _leave_namespace,
    # It needs no depth. Before follow_suspend, which would resume pods only for them to be ended.
    end_after_deadline,
    # It needs no depth: a user who suspends a run wants no pod of it, whatever the queue holds.
    follow_suspend,
    # While no Job can be made and none runs, the obstacle is what a person has to mend; the queue
    # can wait.
    _report_obstacle,
    # No rule from here on is asked without the depth.
    _wait_for_measurement,
    # What is left of a log is only known with its ends, and the pods are given them too.
    record_span,
    # A pod on its way out may still take or give back an item, so the numbers are not final yet.
    wait_for_ending_jobs,
    # A Job that has only pods on a lost node never ends by itself; all rules below would wait.
    end_stuck_waves,
    # Such a Job has no worker any more, and would keep the run from its end.
    end_left_waves,
    # Before the queue may be called drained: a run that put too much aside has failed even so.
    end_after_too_many_dead_letters,
    # Before the rule for failures, which waits until no pod is there: warm pods never leave.
    end_needless_warm_waves,
    # Before any rule that makes pods or calls the run complete: it has failed while items are left.
    end_after_too_many_failures,
    # Before the rule for outdated waves: where no item is left, a wave has succeeded.
    end_surplus,
    # Before new waves, because its pods count within `parallelism` beside those that could start.
    end_outdated_waves,
    # Nothing is left: the run is complete, or waits.
    _end_or_keep_warm,
    # Last, because it always answers: what is ready gets pods.
    _give_items_pods,
)
"""The rules in the order in which they are asked; each has the reason for its place."""
