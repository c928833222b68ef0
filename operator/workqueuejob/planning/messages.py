"""The sentences that a person reads in conditions, events and `status.lastDecision`.

Each says what was seen, where, and, where something is to be done, what to change.
"""

from collections.abc import Sequence

from workqueuejob.api import ItemsStatus, WorkQueueJobSpec
from workqueuejob.api.worker import FailurePolicy
from workqueuejob.names import job_name
from workqueuejob.planning.actions import CreateWave, GrowWave, RaiseParallelism
from workqueuejob.planning.address import processing_key
from workqueuejob.planning.depth import QueueDepth
from workqueuejob.planning.futility import count_idle_exits
from workqueuejob.planning.ledger import Ledger
from workqueuejob.planning.observed import ObservedJob, PodProblem, count_open
from workqueuejob.planning.situation import Situation

NOT_MEASURED = "the queue has not been measured yet"
NAMESPACE_TERMINATING = "the namespace is being deleted; ended its Jobs so that it can go"
NO_PARALLELISM = "spec.parallelism is 0; raise it to start pods"
SUSPENDED = "suspended by spec.suspend; set it to false to go on"
WAITING_FOR_ITEMS = "the queue is empty; waiting for the first item (spec.emptyStart: Wait)"


def describe_depth(depth: QueueDepth) -> str:
    """Return the queue's numbers, as in "8 ready, 2 in flight"."""
    if depth.in_flight is not None:
        in_flight = f"{depth.in_flight} in flight"
    elif depth.in_flight_lately is not None:
        in_flight = f"{depth.in_flight_lately} in flight some seconds ago"
    else:
        in_flight = "in flight unknown"
    return f"{depth.ready} ready, {in_flight}"


def created(situation: Situation, wave: CreateWave) -> str:
    """Say from which numbers a wave was made."""
    metadata = situation.observed.resource.metadata
    name = job_name(metadata.name, metadata.uid, wave.wave)
    return (
        f"{describe_depth(situation.depth)}, {_count(count_open(situation.jobs), 'completion')}"
        f" open:"
        f" created {name} with {_count(wave.completions, 'completion')},"
        f" parallelism {wave.parallelism}"
    )


def raised(raises: Sequence[RaiseParallelism]) -> str:
    """Say which waves may run more pods."""
    changes = ", ".join(f"{change.job} to {change.parallelism}" for change in raises)
    return f"there is room within spec.parallelism: raised the parallelism of {changes}"


def grown(situation: Situation, grow: GrowWave) -> str:
    """Say from which numbers a Fine wave got more pods."""
    job = next(job for job in situation.jobs if job.name == grow.job)
    more = _count(grow.completions - job.completions, "pod")
    return f"{describe_depth(situation.depth)}: gave {grow.job} {more} more"


def held_by_nobody(depth: QueueDepth) -> str:
    """Say that items are held although no pod of ours exists."""
    return (
        f"no pod is left, and {_count(depth.in_flight or 0, 'item')} still held: waiting until the"
        " holder settles it or its lease runs out"
    )


def abandoned(spec: WorkQueueJobSpec, depth: QueueDepth) -> str:
    """Say that a foreign program left items behind, and how to get them back."""
    held = _count(depth.in_flight or 0, "item")
    redis = spec.queue.redis
    if redis is not None and redis.stream is not None:
        return (
            f"{held} pending in consumer group {redis.stream.consumer_group}, and no pod is left to"
            f" settle it; XCLAIM or XACK it (XPENDING {redis.key} {redis.stream.consumer_group}"
            " shows which), or let spec.worker do the taking"
        )
    key = processing_key(redis) if redis else ""
    return (
        f"{held} left in {key} by a pod that is gone, and this program never looks there again;"
        f" move it back with LMOVE {key} {redis.key if redis else ''} LEFT RIGHT, or let"
        " spec.worker do the taking, whose leases run out"
    )


def too_many_dead_lettered(items: ItemsStatus, policy: FailurePolicy) -> str:
    """Say that the circuit breaker has opened, and what is left."""
    dead = (items.dead_lettered or 0) + (items.discarded or 0)
    settled = (items.succeeded or 0) + dead
    return (
        f"{dead} of {_count(settled, 'settled item')} dead-lettered or discarded, more than"
        f" spec.failurePolicy.maxDeadLettered {policy.max_dead_lettered} allows; what is left stays"
        " in the queue: look at the dead-lettered items' reasons, mend the cause and create the"
        " WorkQueueJob anew"
    )


def resumed(jobs: int) -> str:
    """Say what resuming did."""
    return f"spec.suspend is false: resumed {_count(jobs, 'Job')}"


def working(pods: int) -> str:
    """Say that all is well."""
    return f"{_count(pods, 'pod')} at work"


def working_with_strangers(depth: QueueDepth, pods: int) -> str:
    """Say that others consume from the queue too."""
    return (
        f"{_count(pods, 'pod')} at work; the queue has {_count(depth.consumers or 0, 'consumer')},"
        " so others take items from it as well, and those are not counted here"
    )


def ending(jobs: Sequence[ObservedJob]) -> str:
    """Say that surplus pods are on their way out."""
    names = ", ".join(job.name for job in jobs)
    return f"waiting for the last pods of {names} to end"


def surplus_ended(jobs: Sequence[ObservedJob]) -> str:
    """Say that completions without an item were ended."""
    names = ", ".join(job.name for job in jobs)
    return (
        f"nothing is ready or in flight for {_count(count_open(jobs), 'open completion')} of"
        f" {names}, for somebody else took the items or a pod that was ended had settled them:"
        " ended without them"
    )


def outdated(jobs: Sequence[ObservedJob]) -> str:
    """Say that waves were ended for a new template's sake."""
    names = ", ".join(job.name for job in jobs)
    return (
        f"spec.template was changed, and no pod of {names} runs with the former one: ended it for"
        " a new wave"
    )


def surplus_waiting(spec: WorkQueueJobSpec, pods: int) -> str:
    """Say that a working and a waiting pod can't be told apart."""
    seen = (
        f"the queue is empty and nothing has moved for a while, with {_count(pods, 'pod')} still"
        " active: whether they work or wait for an item that never comes can't be told"
    )
    if spec.queue.redis is not None:
        return f"{seen}; let the program exit when the queue is empty, or set spec.worker"
    return (
        f"{seen} without spec.queue.rabbitmq.management; set it, or set"
        " spec.queue.rabbitmq.surplusPodTimeoutSeconds to more seconds than an item takes"
    )


def verifying(ledger: Ledger, seconds: float) -> str:
    """Say that the end is being proved."""
    seen = "the queue is empty" + (" and every pod has ended" if ledger.waves else "")
    return f"{seen}; watching {seconds:.0f} s for late items"


def drained(ledger: Ledger, reads: int, items: ItemsStatus | None) -> str:
    """Say what the end rests on."""
    measured = f"measured {reads} times after the last pod had ended"
    if not ledger.waves:
        return f"the queue was empty from the start, measured {reads} times"
    return (
        f"the queue is empty, {measured}; {_count(ledger.succeeded, 'pod')} succeeded in"
        f" {_count(ledger.waves, 'wave')}{_put_aside(items)}"
    )


def _put_aside(items: ItemsStatus | None) -> str:
    dead, discarded = (items.dead_lettered or 0, items.discarded or 0) if items else (0, 0)
    said = f", {_count(dead, 'item')} dead-lettered" if dead else ""
    return said + (f", {_count(discarded, 'item')} discarded" if discarded else "")


def not_starting(problem: PodProblem) -> str:
    """Say why pods don't start, in the words of who knows."""
    return f"{_count(problem.pods, 'pod')} not starting: {problem.message}"


def backing_off(problem: PodProblem) -> str:
    """Say that pods failed and what happens next."""
    return f"{_count(problem.pods, 'pod')} {problem.message}"


def futile(pods: int, depth: QueueDepth, delay_seconds: float) -> str:
    """Say that success settled nothing."""
    return (
        f"{_count(pods, 'pod')} succeeded, but the queue is as deep as before"
        f" ({describe_depth(depth)}); trying again {delay_seconds:.0f} s after the last pod ended"
    )


def taken_by_nobody(situation: Situation) -> str:
    """Say that a wave isn't given more pods, for those that it had left without an item."""
    pods = count_idle_exits(situation.evidence, situation.jobs)
    return (
        f"{_count(pods, 'pod')} exited 0 and left the queue as deep as before"
        f" ({describe_depth(situation.depth)}); no more are made before the depth moves or the last"
        " pod has ended"
    )


def no_progress(situation: Situation, futile_pods: int, waves: int) -> str:
    """Say that the program settles nothing, or gets nothing to settle, and what to look at."""
    depth = situation.depth
    if situation.has_workers:
        return _nothing_taken(waves, depth)
    pods = situation.ledger.futile + futile_pods
    return (
        f"{_count(pods, 'pod')} in {_count(waves, 'consecutive wave')} exited 0 without settling an"
        f" item; {describe_depth(depth)}. The program must acknowledge its item, and exit with an"
        " error when it could not; look at the pods' logs, mend it and create the WorkQueueJob anew"
    )


def _nothing_taken(waves: int, depth: QueueDepth) -> str:
    return (
        f"the pods of {_count(waves, 'consecutive wave')} exited 0 without having tried an item;"
        f" {describe_depth(depth)}. Look at the pods' logs, and whether another consumer keeps the"
        " items to itself (RabbitMQ: an exclusive one, or x-single-active-consumer); mend it and"
        " create the WorkQueueJob anew"
    )


def resting(depth: QueueDepth) -> str:
    """Say that nothing is left but items between two attempts."""
    rest = "rests" if depth.delayed == 1 else "rest"
    return f"nothing is ready; {_count(depth.delayed, 'item')} {rest} until the next attempt"


def backoff_limit_exceeded(failed: int, limit: int, depth: QueueDepth) -> str:
    """Say that too many pods failed, and what is left."""
    return (
        f"{_count(failed, 'pod')} failed, more than spec.backoffLimit {limit} allows;"
        f" {describe_depth(depth)}. Items that are left stay in the queue: look at the failed pods'"
        " logs, mend the cause and create the WorkQueueJob anew"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
