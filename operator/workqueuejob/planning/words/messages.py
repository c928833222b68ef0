"""The sentences about a run as a whole, its waves and its pods.

Each says what was seen, where, and, where something is to be done, what to change.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from workqueuejob.api import ItemsStatus, WorkQueueJobSpec
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.brokers.traits import read_traits
from workqueuejob.names import KUEUE_LABEL, NAME_LABEL, job_name
from workqueuejob.planning.actions import CreateWave, GrowWave, RaiseParallelism
from workqueuejob.planning.evidence.futility import count_idle_exits, futility_delay_seconds
from workqueuejob.planning.evidence.resumes import Resume
from workqueuejob.planning.observing.failed_pods import PodFailure
from workqueuejob.planning.observing.observed import ObservedJob, PodProblem, count_open
from workqueuejob.planning.situation import Situation
from workqueuejob.planning.wording import count, describe_depth
from workqueuejob.planning.words import spans as log_messages

NOT_MEASURED = "the queue has not been measured yet"
NAMESPACE_TERMINATING = "the namespace is being deleted; deleted its Jobs so that it can go"
NO_PARALLELISM = "spec.parallelism is 0; raise it to start pods"
SUSPENDED = "suspended by spec.suspend; set it to false to go on"
WAITING_FOR_ITEMS = "the queue is empty; waiting for the first item (spec.emptyStart: Wait)"
WATCHING_FOR_ITEMS = "the queue is empty; waiting for items (spec.runPolicy: Continuous)"


def created(situation: Situation, wave: CreateWave) -> str:
    """Say from which numbers a wave was made."""
    metadata = situation.observed.resource.metadata
    name = job_name(metadata.name, metadata.uid, wave.wave)
    return (
        f"{describe_depth(situation.depth)}, {count(count_open(situation.jobs), 'completion')}"
        f" open:"
        f" created {name} with {count(wave.completions, 'completion')},"
        f" parallelism {wave.parallelism}"
        + (f", so that {situation.kept} are kept warm" if wave.is_warm else "")
    )


def raised(raises: Sequence[RaiseParallelism]) -> str:
    """Say which waves may run more pods."""
    changes = ", ".join(f"{change.job} to {change.parallelism}" for change in raises)
    return f"there is room within spec.parallelism: raised the parallelism of {changes}"


def grown(situation: Situation, grow: GrowWave) -> str:
    """Say from which numbers a Fine wave got more pods."""
    job = next(job for job in situation.jobs if job.name == grow.job)
    more = count(grow.completions - job.completions, "pod")
    return f"{describe_depth(situation.depth)}: gave {grow.job} {more} more"


def resumed(jobs: int) -> str:
    """Say what resuming did."""
    return f"spec.suspend is false: resumed {count(jobs, 'Job')}"


def suspended_by_others(resume: Resume, *, now: datetime) -> str:
    """Say that a Job was suspended again after the operator had resumed it, and what to do."""
    seconds = max(0, math.ceil((resume.due - now).total_seconds()))
    return (
        f"Job {resume.job} was suspended although spec.suspend is false, by a person or by another"
        f" controller: resumed it {count(resume.times, 'time')}, the next time in {seconds} s. To"
        f" pause the run, set spec.suspend; to let Kueue admit its Jobs, set {KUEUE_LABEL} in"
        " spec.jobMetadata.labels"
    )


def working(pods: int, *, of: int | None = None, wanted: int | None = None) -> str:
    """Say how many pods are at work, and of how many if not all are.

    wanted: how many may run now, where that is fewer. A pod at work is not ended for that.
    """
    number = count(pods, "pod") if of in {None, pods} else f"{pods} of {count(of or 0, 'pod')}"
    more = "" if wanted is None else f", {wanted} wanted"
    return f"{number} at work{more}"


def untaken(situation: Situation, pods: int) -> str:
    """Say that pods run and take nothing, and where to look."""
    name = situation.observed.resource.metadata.name
    return (
        f"none of {count(pods, 'pod')} has taken an item for half a minute"
        f" ({describe_depth(situation.depth)}): the program is still starting, the pods can't reach"
        " the broker, as with a wrong dnsPolicy beside hostNetwork, or they are short of memory or"
        f" CPU; kubectl logs -l {NAME_LABEL}={name} tells more"
    )


def waiting_for_admission(jobs: Sequence[ObservedJob]) -> str:
    """Say that Kueue has not admitted what there is to run."""
    what = "it" if len(jobs) == 1 else "them"
    return (
        f"{count(len(jobs), 'Job')} suspended until Kueue admits {what}"
        f" ({KUEUE_LABEL} in spec.jobMetadata.labels); kubectl get workloads tells what is awaited"
    )


def working_with_strangers(depth: QueueDepth, pods: int) -> str:
    """Say that others consume from the queue too."""
    return (
        f"{count(pods, 'pod')} at work; the queue has {count(depth.consumers or 0, 'consumer')},"
        " so others take items from it as well, and those are not counted here"
    )


def ending(jobs: Sequence[ObservedJob]) -> str:
    """Say that the last pods of Jobs are on their way out."""
    names = ", ".join(job.name for job in jobs)
    return f"waiting for the last pods of {names} to end"


def surplus_ended(jobs: Sequence[ObservedJob]) -> str:
    """Say that completions without an item were ended."""
    names = ", ".join(job.name for job in jobs)
    return (
        f"nothing is ready or in flight for {count(count_open(jobs), 'open completion')} of"
        f" {names}, for somebody else took the items or a pod that was ended had settled them:"
        " ended without them"
    )


def outdated(jobs: Sequence[ObservedJob]) -> str:
    """Say that waves were ended because the template was changed."""
    names = ", ".join(job.name for job in jobs)
    return (
        f"spec.template was changed, and no pod of {names} runs with the former one: ended it for"
        " a new wave"
    )


def stuck_waves_ended(jobs: Sequence[ObservedJob]) -> str:
    """Say that waves were ended because they have only pods that don't end."""
    names = ", ".join(job.name for job in jobs)
    return (
        f"{names} can have no pod before those that don't end are gone: ended without them, and new"
        " waves take their items"
    )


def surplus_waiting(spec: WorkQueueJobSpec, pods: int) -> str:
    """Say that the operator can't see whether pods work or wait."""
    seen = (
        f"the queue is empty and nothing has moved for a while, with {count(pods, 'pod')} still"
        " active: whether they work or wait for an item that never comes can't be told"
    )
    return f"{seen}{read_traits(spec.queue).telling_apart}"


def verifying(situation: Situation, seconds: float) -> str:
    """Say that the end is being proved."""
    seen = "the queue is empty"
    if any(not job.state.is_terminal for job in situation.observed.warm):
        seen += " and no pod holds an item"
    elif situation.ledger.waves:
        seen += " and every pod has ended"
    return f"{seen}; watching {seconds:.0f} s for late items"


def drained(situation: Situation, reads: int, items: ItemsStatus | None) -> str:
    """Say what the end rests on."""
    ledger = situation.ledger
    measured = f"measured {reads} times after the last pod had ended"
    if not ledger.waves:
        return f"the queue was empty from the start, measured {reads} times"
    return (
        f"the queue was empty at the end, {measured}; {count(ledger.succeeded, 'pod')} succeeded in"
        f" {count(ledger.waves, 'wave')}{_put_aside(items)}"
        f"{log_messages.reached(situation.depth, items)}"
    )


def period_over(situation: Situation) -> str:
    """Say what a busy period has come to."""
    waves = situation.ledger.waves - situation.before.waves
    failed = situation.pods_failed
    failures = f", {count(failed, 'pod')} failed" if failed else ""
    return (
        f"the queue is empty again after {count(waves, 'wave')}{failures};"
        " waiting for items (spec.runPolicy: Continuous)"
    )


def _put_aside(items: ItemsStatus | None) -> str:
    dead, discarded = (items.dead_lettered or 0, items.discarded or 0) if items else (0, 0)
    clause = f", {count(dead, 'item')} dead-lettered" if dead else ""
    return clause + (f", {count(discarded, 'item')} discarded" if discarded else "")


def not_starting(problem: PodProblem) -> str:
    """Say why pods don't start, in the words of the scheduler or the kubelet."""
    return f"{count(problem.pods, 'pod')} not starting: {problem.message}"


def backing_off(problem: PodProblem) -> str:
    """Say that pods failed and what happens next."""
    return f"{count(problem.pods, 'pod')} {problem.message}"


def left_over(problem: PodProblem) -> str:
    """Say that pods don't end although their work is over."""
    return f"{count(problem.pods, 'pod')} not ending: {problem.message}"


def workers_ended(jobs: Sequence[ObservedJob]) -> str:
    """Say that Jobs were ended because their pods only have containers that don't work."""
    names = ", ".join(job.name for job in jobs)
    return (
        f"the worker of every pod of {names} has ended, and another container goes on: ended it."
        " Declare that container in spec.template as a sidecar, which is an init container with"
        " restartPolicy Always"
    )


def futile(pods: int, depth: QueueDepth, delay_seconds: float) -> str:
    """Say that pods succeeded and settled nothing."""
    return (
        f"{count(pods, 'pod')} succeeded, but the queue is as deep as before"
        f" ({describe_depth(depth)}); trying again {delay_seconds:.0f} s after the last pod ended"
    )


def taken_by_nobody(situation: Situation) -> str:
    """Say that a wave gets no more pods, because its pods left without an item."""
    pods = count_idle_exits(situation.evidence, situation.ledger)
    return (
        f"{count(pods, 'pod')} exited 0 and left the queue as deep as before"
        f" ({describe_depth(situation.depth)}); no more are made before the depth moves or the last"
        " pod has ended"
    )


def no_progress(situation: Situation, futile_pods: int, waves: int) -> str:
    """Say that the program settles nothing, or gets nothing to settle, and what to look at."""
    depth = situation.depth
    if situation.has_workers:
        return _nothing_taken(situation, waves)
    pods = situation.ledger.futile + futile_pods
    then = _what_then(situation, situation.futile_waves)
    return (
        f"{count(pods, 'pod')} in {count(waves, 'consecutive wave')} exited 0 without settling an"
        f" item; {describe_depth(depth)}. The program must acknowledge its item, and exit with an"
        f" error when it could not; look at the pods' logs, mend it{then}"
    )


def _what_then(situation: Situation, tries: int) -> str:
    """Say how it goes on once a person has mended the cause."""
    if not situation.is_continuous:
        return " and create the WorkQueueJob anew"
    delay = futility_delay_seconds(tries)
    return f"; the next attempt is made {delay:.0f} s after the last pod has ended"


def _nothing_taken(situation: Situation, waves: int) -> str:
    depth = situation.depth
    return (
        f"the pods of {count(waves, 'consecutive wave')} exited 0 without having tried an item;"
        f" {describe_depth(depth)}. Look at the pods' logs, and whether another consumer keeps the"
        " items to itself (RabbitMQ: an exclusive one, or x-single-active-consumer); mend it"
        f"{_what_then(situation, situation.futile_waves)}"
    )


@dataclass(frozen=True, slots=True)
class Cause:
    """Why pods failed, as a clause of a sentence, and where to look for more."""

    clause: str = ""
    look: str = "look at the failed pods' logs, "


def said(complaint: str) -> Cause:
    """Quote the last worker that failed."""
    return Cause(f"; the last worker that failed said: {complaint}")


def ended_by(ender: str) -> Cause:
    """Say what of the template ended pods, and what to change."""
    return Cause(f"; the last one was ended by {ender}: give an item more time, or mend what hangs")


def failed_so(failure: PodFailure) -> Cause:
    """Quote the status of the last pod that failed; where no program ran, there is no log."""
    clause = f"; the last pod that failed: {failure.words}"
    return Cause(clause) if failure.has_log else Cause(clause, look="")


def backoff_limit_exceeded(situation: Situation, cause: Cause) -> str:
    """Say that too many pods failed, why as far as it is known, and what is left."""
    failed, limit = situation.pods_failed, situation.spec.backoff_limit
    then = _what_then(situation, situation.periods_given_up)
    if failed > limit:
        seen = f"{count(failed, 'pod')} failed, more than spec.backoffLimit {limit} allows"
    else:
        seen = f"containers failed more often than spec.backoffLimit {limit} allows"
    return (
        f"{seen}{cause.clause}; {describe_depth(situation.depth)}. Items that are left stay in the"
        f" queue: {cause.look}mend the cause{then}"
    )


def failed_by_policy(situation: Situation, job: str, cause: Cause) -> str:
    """Say that a pod failed in a way for which the user wants the run to end."""
    then = _what_then(situation, situation.periods_given_up)
    logs = " and the failed pod's logs" if cause.look else ""
    return (
        f"a pod of Job {job} failed in a way for which spec.podFailurePolicy says FailJob"
        f"{cause.clause}; {describe_depth(situation.depth)}. Items that are left stay in the queue:"
        f" look at that Job's conditions{logs}, mend the cause{then}"
    )


def deadline_exceeded(situation: Situation) -> str:
    """Say that the time is over, and what is left as far as it is known."""
    depth = situation.observed.depth
    seen = f" ({describe_depth(depth)})" if depth else ""
    return (
        "the run took longer than spec.activeDeadlineSeconds"
        f" {situation.spec.active_deadline_seconds}; items that are left stay in the queue{seen}:"
        " create the WorkQueueJob anew with more time or a higher parallelism"
    )
