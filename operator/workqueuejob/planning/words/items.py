"""The sentences about items that are held, resting, put aside or left behind."""

import math

from workqueuejob.api import FailurePolicy, ItemsStatus, WorkQueueJobSpec
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.brokers.traits import Abandonment, read_traits
from workqueuejob.planning.ledger.items import count_put_aside, count_settled
from workqueuejob.planning.wording import count


def held_by_nobody(depth: QueueDepth) -> str:
    """Say that items are held although the run has no pod."""
    return (
        f"no pod is left, and {count(depth.in_flight or 0, 'item')} still held: waiting until the"
        " holder settles it or its lease runs out"
    )


def awaited(spec: WorkQueueJobSpec, depth: QueueDepth, pods: int, seconds: float) -> str:
    """Say that the end waits for an item that may come back, and for how long at most."""
    held = depth.in_flight_known or 0
    return (
        f"the queue is empty and every pod has ended, but {count(held, 'item')}"
        f" {'is' if held == 1 else 'are'} in flight, and {count(pods, 'pod')} may have ended with"
        f" an item in hand: waiting until {'it is' if held == 1 else 'they are'} settled or"
        f" {'comes' if held == 1 else 'come'} back, for at most"
        f" {count(math.ceil(seconds / 60), 'minute')} ({read_traits(spec.queue).consumer_timeout})"
    )


def abandoned(abandonment: Abandonment, depth: QueueDepth) -> str:
    """Say that a foreign program left items behind, and how to get them back."""
    held = count(depth.in_flight or 0, "item")
    return f"no pod is left to settle what is held: {held} {abandonment.recovery}"


def stalled(abandonment: Abandonment, depth: QueueDepth, pods: int) -> str:
    """Say that a foreign program's pods may wait while no pod works on what is held."""
    held = count(depth.in_flight or 0, "item")
    return (
        f"{count(pods, 'pod')} at work, and nothing has moved for longer than"
        f" {abandonment.field}; if no pod works on what is held: {held} {abandonment.recovery}"
    )


def dead_letter_target_missing(spec: WorkQueueJobSpec) -> str:
    """Say that the dead-letter target is missing, so that no item is tried."""
    noun = read_traits(spec.queue).noun
    return (
        f"{noun} {spec.dead_letter_name!r} of spec.retry.deadLetter is missing, or can't be"
        " looked at, so no new Job is started. A Job that runs replaces the pods that failed for"
        " this, and each repeats the last attempt of an item; create it, bring it back, or set"
        " spec.retry.onExhausted to Discard"
    )


def too_many_dead_lettered(items: ItemsStatus, policy: FailurePolicy) -> str:
    """Say that the circuit breaker has opened, and what is left."""
    dead, settled = count_put_aside(items), count_settled(items)
    return (
        f"{dead} of {count(settled, 'settled item')} dead-lettered or discarded, more than"
        f" spec.failurePolicy.maxDeadLettered {policy.max_dead_lettered} allows; what is left stays"
        " in the queue: look at the dead-lettered items' reasons, mend the cause and create the"
        " WorkQueueJob anew"
    )


def resting(depth: QueueDepth) -> str:
    """Say that nothing is left but items between two attempts."""
    rest = "rests" if depth.delayed == 1 else "rest"
    return f"nothing is ready; {count(depth.delayed, 'item')} {rest} until the next attempt"
