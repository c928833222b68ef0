"""The rule that gives ready items their pods: within the waves that run, or by a new wave."""

from workqueuejob.planning import messages
from workqueuejob.planning.actions import CreateWave, RaiseParallelism
from workqueuejob.planning.endings import find_waiting_pods
from workqueuejob.planning.futility import (
    MAX_FUTILE_WAVES,
    count_futile_pods,
    futility_delay_seconds,
    has_progressed,
)
from workqueuejob.planning.observed import ObservedJob, PodProblem, count_active
from workqueuejob.planning.pod_reading import BACK_OFF
from workqueuejob.planning.situation import (
    IDLE_RECHECK_SECONDS,
    RECHECK_SECONDS,
    Plan,
    Situation,
)
from workqueuejob.planning.sizing import MAX_UNFINISHED_WAVES, cap_completions, size
from workqueuejob.planning.verdict import Progress, Verdict

_FOREIGN_SUSPICION_SECONDS = 5.0


def plan_waves(situation: Situation) -> Plan:
    """Return what the ready items need, within `parallelism`."""
    observed = situation.observed
    sizing = size(situation.spec, observed.jobs, situation.depth)
    raises, room = _raise_waves(observed.unfinished, sizing.room)
    may_create = (
        sizing.wanted > 0
        and room > 0
        and observed.obstacle is None
        and len(observed.unfinished) < MAX_UNFINISHED_WAVES
    )
    if not may_create:
        return Plan(
            _describe_work(situation),
            raises,
            messages.raised(raises) if raises else None,
            recheck_after_seconds=_recheck_delay(situation),
        )
    if count_futile_pods(situation.evidence, observed.jobs):
        return _retry_after_futile_wave(situation, few=min(sizing.wanted, room))
    completions = cap_completions(situation.spec, sizing.wanted)
    wave = _next_wave(situation, completions=completions, parallelism=min(room, completions))
    return Plan(
        Verdict(Progress.WORKING, messages.working(count_active(observed.jobs) + wave.parallelism)),
        (*raises, wave),
        messages.created(situation, wave),
        futile_waves=0 if has_progressed(situation.evidence) else None,
        recheck_after_seconds=IDLE_RECHECK_SECONDS,
    )


def _next_wave(situation: Situation, *, completions: int, parallelism: int) -> CreateWave:
    return CreateWave(
        wave=situation.ledger.waves + 1, completions=completions, parallelism=parallelism
    )


def _retry_after_futile_wave(situation: Situation, *, few: int) -> Plan:
    """Follow a wave that settled nothing, after a growing delay, by small ones, then by none."""
    futile = count_futile_pods(situation.evidence, situation.jobs)
    delay = futility_delay_seconds(situation.futile_waves)
    message = messages.futile(futile, situation.depth, delay)
    verdict = Verdict(Progress.WORKING, message)
    if not situation.lasts(situation.evidence.quiet, seconds=delay):
        return Plan(verdict, recheck_after_seconds=RECHECK_SECONDS)
    waves = situation.futile_waves + 1
    if waves >= MAX_FUTILE_WAVES:
        total = situation.ledger.futile + futile
        message = messages.no_progress(total, waves, situation.depth)
        verdict = Verdict(Progress.FAILED, message, "NoProgress")
        return Plan(verdict, decision=message, futile_pods=futile, futile_waves=waves)
    wave = _next_wave(situation, completions=few, parallelism=few)
    decision = messages.created(situation, wave)
    return Plan(verdict, (wave,), decision, futile_pods=futile, futile_waves=waves)


def _raise_waves(
    unfinished: tuple[ObservedJob, ...], room: int
) -> tuple[tuple[RaiseParallelism, ...], int]:
    """Return what gives idle room to waves whose completions wait for it, and the room left."""
    raises: list[RaiseParallelism] = []
    for job in unfinished:
        more = min(room, job.open - job.parallelism)
        if more > 0:
            parallelism = job.parallelism + more
            raises.append(RaiseParallelism(job.name, parallelism, job.resource_version))
            room -= more
    return tuple(raises), room


def _describe_work(situation: Situation) -> Verdict:
    """Say what the run is waiting for, if it waits."""
    observed, active = situation.observed, count_active(situation.jobs)
    if observed.obstacle is not None:
        return Verdict.of_obstacle(observed.obstacle)
    if observed.pod_problem is not None:
        return _describe_problem(observed.pod_problem)
    waiting = find_waiting_pods(situation)
    if waiting is not None:
        return waiting
    if situation.lasts(situation.evidence.foreign, seconds=_FOREIGN_SUSPICION_SECONDS):
        return Verdict(Progress.WORKING, messages.working_with_strangers(situation.depth, active))
    if situation.spec.parallelism == 0 and not active:
        return Verdict(Progress.WORKING, messages.NO_PARALLELISM)
    return Verdict(Progress.WORKING, messages.working(active))


def _describe_problem(problem: PodProblem) -> Verdict:
    if problem.reason == BACK_OFF:
        return Verdict(Progress.WORKING, messages.backing_off(problem))
    return Verdict(Progress.PODS_NOT_STARTING, messages.not_starting(problem))


def _recheck_delay(situation: Situation) -> float:
    """Look often while evidence for an end is gathering, seldom otherwise."""
    evidence = situation.evidence
    return RECHECK_SECONDS if evidence.surplus or evidence.idle else IDLE_RECHECK_SECONDS
