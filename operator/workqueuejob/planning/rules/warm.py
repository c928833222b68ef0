"""What is decided about pods that are kept although nothing is ready, as `minParallelism` asks for.

A warm pod waits for its first item. Once it has had one it ends like any other pod, with its
report, and another pod takes its place. A warm pod is ended only after several measurements that
say that nothing is held.
"""

from collections.abc import Iterator
from dataclasses import replace

from workqueuejob.planning.actions import CreateWave
from workqueuejob.planning.decision import RECHECK_SECONDS, Plan, plan_end_of
from workqueuejob.planning.evidence.futility import MAX_FUTILE_WAVES, futility_delay_seconds
from workqueuejob.planning.observing.observed import JobState, ObservedJob, count_open
from workqueuejob.planning.pods.job_manifest import hash_template
from workqueuejob.planning.rules.failures import is_given_up
from workqueuejob.planning.rules.hindrances import find_hindrance
from workqueuejob.planning.situation import Situation
from workqueuejob.planning.sizing.sizing import MAX_UNFINISHED_WAVES, count_free_pods
from workqueuejob.planning.verdict import WARM_PODS_NOT_NEEDED, Progress, Verdict
from workqueuejob.planning.words import messages
from workqueuejob.planning.words import warm_pods as warm_messages

_MOST_WAVES = 25
"""The most warm waves that may be unfinished at once.

Each replacement is a wave by itself, and other waves must be possible beside them.
"""


def keep_warm(situation: Situation, plan: Plan) -> Plan:
    """Return the plan with a wave for the pods that are missing, and with words for those kept.

    While items are ready they alone decide how many pods there are.
    """
    plan = _await_end(situation, _describe(situation, plan))
    missing = min(
        situation.kept - count_open(situation.jobs),
        count_free_pods(situation.spec.parallelism, situation.jobs),
    )
    if missing <= 0 or situation.depth.ready or plan.actions:
        return plan
    pause_seconds = RECHECK_SECONDS if is_given_up(situation) else _pause_seconds(situation)
    if pause_seconds > 0:
        return _look_again(plan, pause_seconds)
    return _start(situation, plan, missing) if _may_start(situation) else plan


def end_needless_warm_waves(situation: Situation) -> Plan | None:
    """End warm waves that are not needed: the run pauses, or wants fewer pods or other ones.

    A pod that takes an item in this very moment gets SIGTERM: it finishes the item within its
    grace, or gives it back, and no attempt is counted.
    """
    needless = tuple(_list_needless(situation))
    if not situation.lasts(situation.evidence.unheld, seconds=situation.proof_seconds):
        return None
    message = warm_messages.ended(situation, needless)
    end = plan_end_of(
        needless, succeeded=True, reason=WARM_PODS_NOT_NEEDED, message=message, with_grace=True
    )
    return end if end.actions else None


def find_newest_warm(situation: Situation) -> ObservedJob | None:
    """Return the newest of the waves that are kept warm, also if it is over."""
    if not situation.kept:
        return None
    return max(situation.observed.warm, key=lambda job: job.wave, default=None)


def _start(situation: Situation, plan: Plan, missing: int) -> Plan:
    wave = CreateWave(situation.ledger.waves + 1, missing, missing, is_warm=True)
    message = messages.created(situation, wave)
    is_another_try = _find_useless(situation) is not None
    return replace(
        plan,
        actions=(wave,),
        decision=f"{plan.decision}; {message}" if plan.decision else message,
        futile_waves=situation.futile_waves + 1 if is_another_try else plan.futile_waves,
    )


def _may_start(situation: Situation) -> bool:
    waves = [job for job in situation.observed.unfinished if job.is_warm]
    return (
        situation.observed.obstacle is None
        and not situation.is_dead_letter_target_missing
        and len(waves) < _MOST_WAVES
        and len(situation.observed.listed) < MAX_UNFINISHED_WAVES
    )


def _describe(situation: Situation, plan: Plan) -> Plan:
    """Return the plan with words for the pods that are kept, where the run waits for items."""
    if not situation.kept or plan.verdict.progress != Progress.WAITING_FOR_ITEMS:
        return plan
    waiting = Verdict(Progress.WAITING_FOR_ITEMS, warm_messages.waiting(situation))
    verdict = find_hindrance(situation) or _describe_pause(situation) or waiting
    return replace(plan, verdict=verdict)


def _describe_pause(situation: Situation) -> Verdict | None:
    """Return the verdict that pods don't wait as they should, or None."""
    useless = _find_useless(situation)
    if useless is None or count_open(situation.jobs) >= situation.kept:
        return None
    delay = futility_delay_seconds(situation.futile_waves)
    message = warm_messages.failing(useless, delay)
    if useless.state is JobState.FAILED:
        return Verdict(Progress.BACKOFF_LIMIT_EXCEEDED, message)
    if situation.futile_waves + 1 >= MAX_FUTILE_WAVES:
        return Verdict(Progress.NO_PROGRESS, message)
    return Verdict(Progress.WORKING, message)


def _pause_seconds(situation: Situation) -> float:
    """Return how long the next wave still has to wait because the one before it was useless."""
    useless = _find_useless(situation)
    if useless is None or useless.ending_since is None:
        return 0.0
    passed = situation.now - useless.ending_since
    return futility_delay_seconds(situation.futile_waves) - passed.total_seconds()


def _find_useless(situation: Situation) -> ObservedJob | None:
    """Return the newest warm wave if it is over, and failed or moved nothing; else None.

    Its pods are replaced after a pause that grows, as after any other useless attempt.
    """
    newest, movement = find_newest_warm(situation), situation.evidence.movement
    if newest is None or not newest.state.is_terminal or newest.ended_by_us:
        return None
    has_moved = movement is None or newest.wave <= movement.still_after
    return None if newest.state is JobState.COMPLETE and has_moved else newest


def _await_end(situation: Situation, plan: Plan) -> Plan:
    """Return the plan with an early look, and words, where warm pods are not needed any more."""
    if not any(_list_needless(situation)) or situation.depth.ready:
        return plan
    is_idle = plan.verdict.progress == Progress.WORKING and not plan.actions
    if is_idle and find_hindrance(situation) is None:
        verdict = Verdict(Progress.WORKING, warm_messages.remaining(situation))
        plan = replace(plan, verdict=verdict)
    return _look_again(plan, RECHECK_SECONDS)


def _look_again(plan: Plan, seconds: float) -> Plan:
    sooner = plan.recheck_after_seconds
    return replace(plan, recheck_after_seconds=seconds if sooner is None else min(sooner, seconds))


def _list_needless(situation: Situation) -> Iterator[ObservedJob]:
    """Yield the warm waves that are not needed, the newest first.

    The parallelism of a wave is never lowered, so a wave with too many pods is replaced by a
    smaller one.
    """
    warm = [job for job in reversed(situation.observed.unfinished) if job.is_warm and job.open]
    if not warm:
        return
    current, kept = hash_template(situation.observed.resource), situation.kept
    if is_given_up(situation) and not situation.observed.is_passing:
        # They would keep the run from its pause.
        kept = 0
    for job in warm:
        if job.template_hash == current and job.open <= kept:
            kept -= job.open
        else:
            yield job
