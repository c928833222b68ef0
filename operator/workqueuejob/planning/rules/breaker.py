"""The rule that gives a run up because too much of it is bad."""

from workqueuejob.api import ItemsStatus
from workqueuejob.api.worker import FailurePolicy
from workqueuejob.planning.decision import Plan, plan_end_of
from workqueuejob.planning.ledger.items import count_put_aside, count_settled
from workqueuejob.planning.ledger.periods import count_since
from workqueuejob.planning.situation import Situation
from workqueuejob.planning.verdict import TOO_MANY_DEAD_LETTERED, Progress, Verdict
from workqueuejob.planning.words import items as item_messages


def end_after_too_many_dead_letters(situation: Situation) -> Plan | None:
    """Start no new work once `failurePolicy` is broken; workers finish or give back what they hold.

    A circuit breaker: what is left stays in the queue. While pods run, the dead-letter target may
    be all that tells, and others may fill it too; so the verdict waits for the workers' reports.
    """
    observed, policy = situation.observed, situation.spec.failure_policy
    items = situation.books.items
    if policy is None or items is None:
        return None
    items = count_since(items, situation.before)
    if _is_allowed(situation, policy, items):
        return None
    message = item_messages.too_many_dead_lettered(items, policy)
    if not observed.unfinished and not situation.is_return_expected:
        verdict = Verdict(Progress.FAILED, message, TOO_MANY_DEAD_LETTERED)
        return Plan(verdict, decision=message)
    return plan_end_of(
        observed.unfinished,
        succeeded=False,
        reason=TOO_MANY_DEAD_LETTERED,
        message=message,
        with_grace=True,
    )


def _is_allowed(situation: Situation, policy: FailurePolicy, items: ItemsStatus) -> bool:
    """Return whether the run may go on.

    What workers finished after the breaker had opened makes a percentage smaller, and must not
    close it again.
    """
    dead, settled = count_put_aside(items), count_settled(items)
    ended = [job for job in situation.jobs if job.failure_reason == TOO_MANY_DEAD_LETTERED]
    earliest = max(dead, settled - sum(job.parallelism for job in ended))
    return all(
        policy.allows(dead_lettered=dead, settled=then) for then in range(earliest, settled + 1)
    )
