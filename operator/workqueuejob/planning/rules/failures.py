"""The rule that fails a run because too many of its pods failed.

It ends a pod only where the numbers say that no pod holds an item.
"""

from workqueuejob.planning.decision import RECHECK_SECONDS, Plan, plan_end_of
from workqueuejob.planning.evidence.futility import futility_delay_seconds
from workqueuejob.planning.evidence.signs import is_anything_held
from workqueuejob.planning.ledger.periods import PeriodEnd
from workqueuejob.planning.observing.observed import ObservedJob
from workqueuejob.planning.rules.endings import end_surplus, find_waiting_pods
from workqueuejob.planning.situation import Situation
from workqueuejob.planning.verdict import RUN_FAILED, RUN_FAILED_BY_POLICY, Progress, Verdict
from workqueuejob.planning.words import messages

_FAILED_BY_POLICY = frozenset({Progress.POD_FAILURE_POLICY, RUN_FAILED_BY_POLICY})
GIVEN_UP = frozenset({Progress.BACKOFF_LIMIT_EXCEEDED, RUN_FAILED}) | _FAILED_BY_POLICY
"""The reasons of Jobs that failed for good.

The first of each pair is Kubernetes' own reason, the second that of the operator.
"""


def end_after_too_many_failures(situation: Situation) -> Plan | None:
    """Start no wave beyond `backoffLimit`; fail the run when its pods have finished their items.

    The same holds after the user's `podFailurePolicy` said FailJob. By that Kubernetes has ended
    the other pods of that Job, but not those of the run's other Jobs.
    """
    if not is_given_up(situation):
        return None
    observed, jobs = situation.observed, _list_period(situation)
    by_policy = next((job for job in jobs if job.failure_reason in _FAILED_BY_POLICY), None)
    cause = _find_cause(jobs)
    if by_policy is None:
        reason, end_reason = Progress.BACKOFF_LIMIT_EXCEEDED, RUN_FAILED
        message = messages.backoff_limit_exceeded(situation, cause)
    else:
        reason, end_reason = Progress.POD_FAILURE_POLICY, RUN_FAILED_BY_POLICY
        message = messages.failed_by_policy(situation, by_policy.name, cause)
    verdict = Verdict(Progress.WORKING, message)
    if not observed.unfinished:
        is_forgiven = by_policy is None or situation.is_continuous
        if situation.depth.ready == 0 and is_forgiven:
            return None
        if situation.is_return_expected:
            return Plan(verdict, recheck_after_seconds=RECHECK_SECONDS)
        return _give_up(situation, reason, message)
    if _may_hold_an_item(situation):
        # A pod that waits for an item that never comes seems to hold one; end_surplus ends it.
        verdict = find_waiting_pods(situation) or verdict
        return end_surplus(situation) or Plan(verdict, recheck_after_seconds=RECHECK_SECONDS)
    return plan_end_of(
        observed.unfinished,
        succeeded=False,
        reason=end_reason,
        message=message,
        with_grace=situation.has_workers,
    )


def is_given_up(situation: Situation) -> bool:
    """Return whether so many pods have failed in this busy period that no more are started.

    While a Continuous run waits for items, only warm pods can fail, and these don't count.
    """
    if situation.is_continuous and not situation.is_busy:
        return False
    # The operator's reasons count too: failures are not counted any more that it had not recorded
    # when it ended their Job.
    has_verdict = any(job.failure_reason in GIVEN_UP for job in _list_period(situation))
    return has_verdict or situation.pods_failed > situation.spec.backoff_limit


def _list_period(situation: Situation) -> list[ObservedJob]:
    return [job for job in situation.jobs if job.wave > situation.before.waves]


def _give_up(situation: Situation, reason: Progress, message: str) -> Plan:
    """End the run as Failed. A Continuous run pauses, and then counts from zero."""
    if not situation.is_continuous:
        verdict = Verdict(Progress.FAILED, message, reason)
        return Plan(verdict, decision=message)
    verdict = Verdict(reason, message)
    delay = futility_delay_seconds(situation.periods_given_up)
    if not situation.lasts(situation.evidence.quiet, seconds=delay):
        return Plan(verdict, recheck_after_seconds=RECHECK_SECONDS)
    return Plan(
        verdict,
        decision=message,
        period_end=PeriodEnd(situation.now, is_given_up=True),
        recheck_after_seconds=RECHECK_SECONDS,
    )


def _find_cause(jobs: list[ObservedJob]) -> messages.Cause:
    """Return why pods failed, as far as it is known.

    A worker's own words say most, then what ended a pod, and then what the pod's status says.
    """
    complaint = next((job.complaint for job in reversed(jobs) if job.complaint), None)
    ended_by = next((job.ended_by for job in reversed(jobs) if job.ended_by), None)
    failure = next((job.failure for job in reversed(jobs) if job.failure), None)
    if complaint is not None:
        return messages.said(complaint)
    if ended_by is not None:
        return messages.ended_by(ended_by)
    return messages.failed_so(failure) if failure is not None else messages.Cause()


def _may_hold_an_item(situation: Situation) -> bool:
    """Return whether a pod may hold an item, or take one before it is ended.

    Where the broker knows no consumers, a pod that holds nothing may be between two items. And a
    worker may hold an item that the queue doesn't show any more.
    """
    is_unseen = situation.has_workers or situation.depth.consumers is None
    is_there = any(job.active or job.terminating for job in situation.jobs)
    return is_anything_held(situation.depth) or (is_unseen and is_there)
