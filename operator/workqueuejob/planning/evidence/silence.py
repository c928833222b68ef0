"""What pods that ended without a report may have left behind: an item that is still in flight.

A broker gives a dead consumer's item back when it sees the connection break. After the loss of a
node or a cut of the network it sees nothing, and the item stays in flight until the broker's
time-out. But an item in flight may also be one that another consumer works on for hours. So it
keeps a run from its end only while a pod of the run may have left it, and no longer than the broker
lets that pod hold it.
"""

from dataclasses import dataclass

from workqueuejob.api import WorkQueueJobSpec
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.brokers.traits import read_traits
from workqueuejob.planning.ledger.run import Ledger
from workqueuejob.planning.observing.observed import Observed, ObservedJob


@dataclass(frozen=True, slots=True)
class Silence:
    """Pods of the run that ended without a report of their item."""

    pods: int

    since: float
    """When the last of them was seen to have ended, by the monotonic clock."""

    jobs: tuple[ObservedJob, ...] = ()
    """The Jobs as they were last seen, with which the next look compares."""


def follow_silence(
    previous: Silence | None, observed: Observed, ledger: Ledger, *, read: float
) -> Silence:
    """Return the pods that ended without a report, by one more observation.

    read: when its measurement began, by the monotonic clock.

    A worker's pod counts if its report is missing or says that it held an item. A pod of a foreign
    program counts if it was ready, is not any more, and has not succeeded. What happened to such
    pods before the operator's start is not known, so a run that has had waves then counts one.
    """
    jobs = observed.jobs
    if observed.resource.spec.worker is not None:
        pods = ledger.counted.uncertain
    elif previous is None:
        pods = 1 if observed.resource.status.waves else 0
    else:
        pods = previous.pods + _count_newly_silent(previous.jobs, jobs)
    if previous is not None and pods <= previous.pods:
        return Silence(pods, previous.since, jobs)
    return Silence(pods, read, jobs)


def seconds_awaited(
    silence: Silence | None, depth: QueueDepth, spec: WorkQueueJobSpec, *, read: float
) -> float:
    """Return for how long an item in flight may yet come back; 0 if there is none to wait for.

    read: as for `follow_silence`.

    It is 0 for a broker that knows no consumers: there a run never ends while an item is held.
    """
    if silence is None or not silence.pods or depth.consumers is None or not depth.in_flight_known:
        return 0.0
    return max(0.0, silence.since + read_traits(spec.queue).consumer_timeout_seconds - read)


def _count_newly_silent(before: tuple[ObservedJob, ...], after: tuple[ObservedJob, ...]) -> int:
    now = {job.name: job for job in after}
    known = {job.name: job for job in before}
    gone = sum(job.ready for job in before if job.name not in now)
    return gone + sum(_count_silent(known[name], now[name]) for name in known.keys() & now.keys())


def _count_silent(before: ObservedJob, after: ObservedJob) -> int:
    """Return how many pods of a Job fell silent; 0 if the operator has ended it."""
    if after.ended_by_us:
        return 0
    left = before.ready - after.ready - (after.succeeded - before.succeeded)
    return max(0, left, after.failed - before.failed)
