"""The rule that fails a run because too many of its items were put aside."""

from workqueuejob.api import ItemsStatus
from workqueuejob.api.retry import FailurePolicy
from workqueuejob.planning.decision import Plan, plan_end_of
from workqueuejob.planning.ledger.items import count_put_aside, count_settled
from workqueuejob.planning.ledger.periods import count_since
from workqueuejob.planning.situation import Situation
from workqueuejob.planning.verdict import TOO_MANY_DEAD_LETTERED, Progress, Verdict
from workqueuejob.planning.words import items as item_messages


def end_after_too_many_dead_letters(situation: Situation) -> Plan | None:
    """End the pods once `failurePolicy` is broken, and fail the run when they are gone.

    It is a circuit breaker: workers finish their items or give them back, and what is left stays in
    the queue. While pods run, the number may rest on the dead-letter target, which others may fill
    too. So the run fails only by the reports that are there when its pods have ended.
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

    Items that workers finish after the breaker has opened lower a percentage, and must not close
    the breaker again. So each number of settled items since then is tried.
    """
    dead, settled = count_put_aside(items), count_settled(items)
    ended = [job for job in situation.jobs if job.failure_reason == TOO_MANY_DEAD_LETTERED]
    earliest = max(dead, settled - sum(job.parallelism for job in ended))
    return all(
        policy.allows(dead_lettered=dead, settled=then) for then in range(earliest, settled + 1)
    )
