"""The rule that gives ready items their pods: within the waves that run, or by a new wave."""

from workqueuejob.planning.actions import Action, CreateWave, GrowWave, RaiseParallelism
from workqueuejob.planning.decision import IDLE_RECHECK_SECONDS, RECHECK_SECONDS, Plan
from workqueuejob.planning.evidence.futility import (
    MAX_FUTILE_WAVES,
    count_futile_pods,
    count_idle_exits,
    futility_delay_seconds,
    has_progressed,
)
from workqueuejob.planning.ledger.items import Doubt
from workqueuejob.planning.observing.observed import JobState, ObservedJob, count_active
from workqueuejob.planning.pods.job_manifest import hash_template
from workqueuejob.planning.rules.at_work import count_at_work, describe_work
from workqueuejob.planning.situation import Situation
from workqueuejob.planning.sizing.sizing import (
    MAX_COMPLETIONS,
    MAX_UNFINISHED_WAVES,
    cap_completions,
    count_missing,
    size,
)
from workqueuejob.planning.verdict import Progress, Verdict
from workqueuejob.planning.words import messages

_STALLED_SECONDS = 3.0
"""The time after which a missing pod is taken to be in a back-off.

It is longer than a Job's controller needs to make a pod, and shorter than any back-off.
"""

_PASSED_OVER_SECONDS = 10.0
"""The time after which ready items are taken to be for other pods than those that run.

A worker with room takes an item within a second, but not beside one that it works on alone.
"""


def plan_waves(situation: Situation) -> Plan:
    """Return the plan that gives the ready items their pods, within `parallelism`."""
    observed = situation.observed
    sizing = size(
        situation.spec,
        observed.jobs,
        situation.depth,
        stalled=_count_stalled(situation),
        full=situation.lasts(situation.evidence.passed_over, seconds=_PASSED_OVER_SECONDS),
        parallelism=situation.most,
    )
    raises, free_pods = _raise_waves(observed.unfinished, sizing.free_pods)
    may_create = (
        sizing.wanted > 0
        and free_pods > 0
        and observed.obstacle is None
        and not situation.is_dead_letter_target_missing
        and len(observed.listed) < MAX_UNFINISHED_WAVES
    )
    if not may_create:
        return Plan(
            describe_work(situation),
            raises,
            messages.raised(raises) if raises else None,
            recheck_after_seconds=_recheck_delay(situation),
        )
    if _is_growing_in_vain(situation):
        return _wait_for_straggler(situation, raises)
    grow = _find_growth(situation, pods=min(sizing.wanted, free_pods))
    if grow is not None:
        return _grow(situation, raises, grow)
    if count_futile_pods(situation.evidence, observed.jobs):
        return _retry_after_futile_wave(situation, few=min(sizing.wanted, free_pods))
    completions = _count_completions(situation, wanted=sizing.wanted, free_pods=free_pods)
    wave = _next_wave(situation, completions=completions, parallelism=min(free_pods, completions))
    pods = count_active(observed.jobs) + wave.parallelism
    return Plan(
        Verdict(Progress.WORKING, messages.working(count_at_work(situation, pods), of=pods)),
        (*raises, wave),
        messages.created(situation, wave),
        futile_waves=0 if has_progressed(situation.evidence) else None,
        recheck_after_seconds=IDLE_RECHECK_SECONDS,
    )


def _count_stalled(situation: Situation) -> int:
    """Return the number of completions whose pods don't come, so that others must take the items.

    When these pods come after all they may find nothing. Only workers leave by themselves then, so
    for a foreign program it is 0.
    """
    if not situation.has_workers:
        return 0
    lasts = situation.lasts(situation.evidence.stalled, seconds=_STALLED_SECONDS)
    return count_missing(situation.jobs) if lasts else 0


def _count_completions(situation: Situation, *, wanted: int, free_pods: int) -> int:
    """Return the completions of a new wave; a Fine wave has as many pods at once."""
    if situation.spec.mode == "Fine":
        return min(wanted, free_pods)
    capped = cap_completions(situation.spec, wanted)
    scaling = situation.scaling
    if scaling is None:
        return capped
    pods = -(-scaling.items_ahead // situation.spec.items_settled_per_pod)
    return min(capped, max(pods, free_pods))


def _find_growth(situation: Situation, *, pods: int) -> GrowWave | None:
    """Return the action that gives a running Fine wave so many pods more; None without such a wave.

    A wave of a former template keeps that template, so it gets no new pods.
    """
    if situation.spec.mode != "Fine":
        return None
    current = hash_template(situation.observed.resource)
    for job in reversed(situation.observed.unfinished):
        if _is_elastic(job) and job.template_hash == current and not job.is_warm:
            completions = job.completions + pods
            return GrowWave(job.name, completions, job.resource_version)
    return None


def _is_elastic(job: ObservedJob) -> bool:
    return (
        job.state is JobState.RUNNING
        and not job.suspended
        and not job.is_queued
        and not job.stuck
        and job.completions == job.parallelism
        and job.open > 0
        and job.completions < MAX_COMPLETIONS
    )


def _is_growing_in_vain(situation: Situation) -> bool:
    """Return whether pods of a Fine wave leave without an item although items are ready.

    A pod may leave in the moment in which an item arrives. It is in vain if as many have left as
    may run at once.
    """
    return (
        situation.spec.mode == "Fine"
        and situation.observed.is_passing
        and count_idle_exits(situation.evidence, situation.ledger) >= situation.spec.parallelism
    )


def _wait_for_straggler(situation: Situation, raises: tuple[RaiseParallelism, ...]) -> Plan:
    message = messages.taken_by_nobody(situation)
    return Plan(
        Verdict(Progress.WORKING, message), raises, recheck_after_seconds=IDLE_RECHECK_SECONDS
    )


def _grow(situation: Situation, raises: tuple[RaiseParallelism, ...], grow: GrowWave) -> Plan:
    actions: tuple[Action, ...] = (*raises, grow)
    pods = count_active(situation.jobs)
    return Plan(
        Verdict(Progress.WORKING, messages.working(count_at_work(situation, pods), of=pods)),
        actions,
        messages.grown(situation, grow),
        recheck_after_seconds=IDLE_RECHECK_SECONDS,
    )


def _next_wave(situation: Situation, *, completions: int, parallelism: int) -> CreateWave:
    return CreateWave(
        wave=situation.ledger.waves + 1, completions=completions, parallelism=parallelism
    )


def _retry_after_futile_wave(situation: Situation, *, few: int) -> Plan:
    """Make a wave after one that settled nothing: later each time, and none after the third."""
    futile = count_futile_pods(situation.evidence, situation.jobs)
    delay = futility_delay_seconds(situation.futile_waves)
    verdict = _describe_futility(situation, futile, delay)
    if not situation.lasts(situation.evidence.quiet, seconds=delay):
        return Plan(verdict, recheck_after_seconds=RECHECK_SECONDS)
    waves, doubt = situation.futile_waves + 1, Doubt(futile=futile)
    if waves >= MAX_FUTILE_WAVES and not situation.is_continuous:
        message = messages.no_progress(situation, futile, waves)
        verdict = Verdict(Progress.FAILED, message, Progress.NO_PROGRESS)
        return Plan(verdict, decision=message, doubt=doubt, futile_waves=waves)
    wave = _next_wave(situation, completions=few, parallelism=few)
    decision = messages.created(situation, wave)
    return Plan(verdict, (wave,), decision, doubt=doubt, futile_waves=waves)


def _describe_futility(situation: Situation, futile: int, delay: float) -> Verdict:
    """Return the verdict that a wave settled nothing.

    A Continuous run goes on where another run fails, and gets the reason of that failure.
    """
    waves = situation.futile_waves + 1
    if waves >= MAX_FUTILE_WAVES and situation.is_continuous:
        message = messages.no_progress(situation, futile, waves)
        return Verdict(Progress.NO_PROGRESS, message)
    return Verdict(Progress.WORKING, messages.futile(futile, situation.depth, delay))


def _raise_waves(
    unfinished: tuple[ObservedJob, ...], free_pods: int
) -> tuple[tuple[RaiseParallelism, ...], int]:
    """Return the actions that give waves with waiting completions more pods, and the pods left."""
    raises: list[RaiseParallelism] = []
    for job in unfinished:
        more = 0 if job.is_queued or job.stuck else min(free_pods, job.open - job.parallelism)
        if more > 0:
            parallelism = job.parallelism + more
            raises.append(RaiseParallelism(job.name, parallelism, job.resource_version))
            free_pods -= more
    return tuple(raises), free_pods


def _recheck_delay(situation: Situation) -> float:
    """Return when to look again: soon while evidence of an end is gathering."""
    evidence = situation.evidence
    gathering = evidence.surplus or evidence.spare or evidence.idle or evidence.abandoned
    return RECHECK_SECONDS if gathering else IDLE_RECHECK_SECONDS
