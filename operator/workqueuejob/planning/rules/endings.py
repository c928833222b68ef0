"""The rules that end pods or the run because no item is left.

They end a pod only where the numbers say that no pod holds an item, or where the broker can't tell
and the user's own limit (`surplusPodTimeoutSeconds`) has passed. What a foreign program holds shows
in the broker's numbers alone, so several spaced measurements must agree.
"""

from workqueuejob.api import ItemsStatus
from workqueuejob.brokers.traits import read_traits
from workqueuejob.planning.decision import (
    IDLE_RECHECK_SECONDS,
    RECHECK_SECONDS,
    Plan,
    plan_end_of,
)
from workqueuejob.planning.evidence.proof import (
    BLIND_PROOF_SECONDS,
    RETURN_SECONDS,
    SPARE_PROOF_SECONDS,
)
from workqueuejob.planning.evidence.signs import is_drained
from workqueuejob.planning.evidence.silence import seconds_awaited
from workqueuejob.planning.ledger.items import count_put_aside
from workqueuejob.planning.ledger.periods import PeriodEnd
from workqueuejob.planning.observing.observed import JobState, count_active
from workqueuejob.planning.situation import Situation
from workqueuejob.planning.verdict import (
    QUEUE_DRAINED,
    Progress,
    Verdict,
)
from workqueuejob.planning.words import items as item_messages
from workqueuejob.planning.words import messages

_IDLE_SUSPICION_SECONDS = 30.0
"""The time without any change after which pods may be waiting in vain."""


def wait_for_ending_jobs(situation: Situation) -> Plan | None:
    """Decide nothing else while pods of an ended Job are on their way out.

    A program that is PID 1 and has no handler for SIGTERM may still take an item that arrives
    meanwhile. The broker delivers it again when the program is gone.
    """
    ending = [job for job in situation.observed.unfinished if job.state is JobState.ENDING]
    if not ending:
        return None
    verdict = Verdict(Progress.WORKING, messages.ending(ending))
    return Plan(verdict, recheck_after_seconds=RECHECK_SECONDS)


def end_surplus(situation: Situation) -> Plan | None:
    """End completions for which no item is left. Their Jobs succeed, by the pods before them."""
    proofs = (_is_surplus_proved, _is_spare_proved, _is_surplus_timed_out)
    if not any(is_proved(situation) for is_proved in proofs):
        return None
    passing = [job for job in situation.observed.passing if not job.state.is_terminal]
    message = messages.surplus_ended([job for job in passing if job.open])
    return plan_end_of(
        passing,
        succeeded=True,
        reason=QUEUE_DRAINED,
        message=message,
        with_grace=situation.has_workers,
    )


def find_waiting_pods(situation: Situation) -> Verdict | None:
    """Return the verdict that pods may wait for an item that never comes, or None.

    Only where the broker can't tell and the user has set no limit: it doesn't count what is held,
    or it knows no consumers and counts nothing as held. A worker leaves by itself.
    """
    active, depth = count_active(situation.jobs), situation.depth
    cannot_tell = not situation.has_workers and (
        depth.in_flight_known is None or (depth.consumers is None and not depth.in_flight)
    )
    is_idle = situation.lasts(situation.evidence.idle, seconds=_IDLE_SUSPICION_SECONDS)
    if active and cannot_tell and is_idle and _surplus_timeout_seconds(situation) is None:
        message = messages.surplus_waiting(situation.spec, active)
        return Verdict(Progress.SURPLUS_PODS_WAITING, message)
    return None


def end_drained_run(situation: Situation) -> Plan | None:
    """Call the run complete when the queue stays empty after every pod has ended.

    A Continuous run ends its busy period, and waits for items. Without a busy period it just waits,
    which needs no proof. So does a run that waits for its first item.
    """
    drained = situation.evidence.drained
    if drained is None:
        return _await_item(situation)
    spec, waves = situation.spec, situation.ledger.waves
    waiting = Verdict(Progress.WAITING_FOR_ITEMS, messages.WATCHING_FOR_ITEMS)
    if situation.is_continuous and not situation.is_busy:
        return Plan(waiting)
    if waves == 0 and spec.empty_start == "Wait":
        return Plan(Verdict(Progress.WAITING_FOR_ITEMS, messages.WAITING_FOR_ITEMS))
    seconds = _drained_proof_seconds(situation)
    if not situation.lasts(drained, seconds=seconds):
        message = messages.verifying(situation, seconds)
        verdict = Verdict(Progress.VERIFYING_DRAINED, message)
        return Plan(verdict, recheck_after_seconds=RECHECK_SECONDS)
    if situation.is_continuous:
        message = messages.period_over(situation)
        return Plan(waiting, decision=message, futile_waves=0, period_end=PeriodEnd(drained.since))
    items = situation.books.items
    message = messages.drained(situation, drained.reads, items)
    reason = _name_completion(items) if waves else "QueueEmpty"
    return Plan(Verdict(Progress.COMPLETE, message, reason), decision=message)


def _await_item(situation: Situation) -> Plan | None:
    """Wait for an item that a pod may have left in flight, where nothing else is left."""
    observed, depth, silence = situation.observed, situation.depth, situation.evidence.silence
    seconds = seconds_awaited(silence, depth, situation.spec, read=situation.read)
    is_over = is_drained(observed.passing, depth, warm=observed.warm)
    if silence is None or not seconds or not is_over:
        return None
    if situation.is_continuous and not situation.is_busy:
        return None
    message = item_messages.awaited(situation.spec, depth, silence.pods, seconds)
    verdict = Verdict(Progress.VERIFYING_DRAINED, message)
    return Plan(verdict, recheck_after_seconds=IDLE_RECHECK_SECONDS)


def _name_completion(items: ItemsStatus | None) -> str:
    put_aside = count_put_aside(items) if items is not None else 0
    return "CompletedWithDeadLetters" if put_aside else "Drained"


def _drained_proof_seconds(situation: Situation) -> float:
    """Return how long the queue must stay empty: longer if items have gone that no pod settled.

    Another consumer may have taken them, or the broker may be answering with a false zero.
    """
    asked, depth = situation.spec.drained_after_seconds, situation.depth
    # A committed offset is never a false zero.
    is_doubtful = depth.in_flight is None and depth.log is None
    if situation.evidence.vanished and is_doubtful:
        return max(BLIND_PROOF_SECONDS, asked)
    return max(RETURN_SECONDS, asked) if situation.is_return_expected else asked


def _is_surplus_proved(situation: Situation) -> bool:
    seconds = max(situation.proof_seconds, situation.spec.drained_after_seconds)
    return situation.lasts(situation.evidence.surplus, seconds=seconds)


def _is_spare_proved(situation: Situation) -> bool:
    """Return whether completions of workers are known to be spare.

    It needs no long proof: if items come after all, they get a new wave.
    """
    return situation.lasts(situation.evidence.spare, seconds=SPARE_PROOF_SECONDS)


def _is_surplus_timed_out(situation: Situation) -> bool:
    """Return whether the user's limit for pods that may just wait has passed."""
    timeout = _surplus_timeout_seconds(situation)
    return (
        timeout is not None
        and not situation.depth.in_flight_known
        and any(job.open and not job.suspended for job in situation.observed.unfinished)
        and situation.lasts(situation.evidence.idle, seconds=timeout)
    )


def _surplus_timeout_seconds(situation: Situation) -> int | None:
    # A worker leaves by itself, and may hold what the queue doesn't show.
    if situation.has_workers:
        return None
    return read_traits(situation.spec.queue).surplus_timeout_seconds
