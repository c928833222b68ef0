"""Finds completions of a Coarse run with the worker for which no item is left. Ends nothing.

A worker leaves by itself when its queue is empty, and exits 0. But its Job then starts the next
completion's pod. If others have taken 1,000 items of a wave, 1,000 pods would start for nothing. So
the Job is to be ended, unless one of its pods may hold an item:

- Where the broker counts what is in flight as of now, a worker holds nothing if that is 0. At some
  brokers it hides an item from the count when it has held it for `hides_after_seconds`.
- Otherwise, because the broker can't tell or others hold what is in flight, a worker that has run
  for some seconds may hold an item, because it would have left without one. A worker that began
  after the queue was empty holds nothing, unless an item arrived in the meantime and went straight
  to it. Then it has the template's grace period to finish it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from workqueuejob.api import WorkQueueJobSpec
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.brokers.traits import read_traits
from workqueuejob.planning.evidence.proof import Streak
from workqueuejob.planning.observing.observed import ObservedJob, count_active, count_open

_LEAVES_WITHIN_SECONDS = 5.0
"""The time for which a worker without an item runs at most: it waits two seconds for one."""

_MARGIN_SECONDS = 60.0
"""Taken off the time after which a worker may hide an item, because clocks differ."""

FirstSeen = Mapping[str, float]
"""By the pod's UID, when its worker was first seen to run, by the monotonic clock."""


@dataclass(frozen=True, slots=True)
class Look:
    """When the Jobs and the queue were looked at."""

    read: float
    """When the measurement began, by the monotonic clock."""

    now: datetime


def follow_workers(
    previous: FirstSeen | None, jobs: Iterable[ObservedJob], *, read: float
) -> FirstSeen:
    """Return when each running worker was first seen; minus infinity for those of the first look.

    previous: None at the first look after the operator's start.
    """
    first = float("-inf") if previous is None else read
    known = previous or {}
    return {worker.uid: known.get(worker.uid, first) for job in jobs for worker in job.workers}


def is_spare(
    jobs: tuple[ObservedJob, ...],
    depth: QueueDepth,
    spec: WorkQueueJobSpec,
    *,
    first_seen: FirstSeen,
    empty: Streak | None,
    look: Look,
) -> bool:
    """Return whether open completions of a Coarse run with the worker have no item any more.

    empty: since when nothing has been ready or resting.
    """
    if spec.worker is None or spec.mode != "Coarse" or empty is None:
        return False
    if not count_open(jobs) or any(job.terminating > job.stuck for job in jobs):
        return False
    if depth.in_flight == 0 and not _may_hide_an_item(jobs, spec, first_seen, look):
        return True
    # As many pods as there are completions may well be those that hold the last items.
    if count_open(jobs) <= count_active(jobs):
        return False
    has_begun_late = all(
        first_seen[worker.uid] > empty.first_read for job in jobs for worker in job.workers
    )
    return has_begun_late and _are_young(jobs, _LEAVES_WITHIN_SECONDS, first_seen, look)


def _may_hide_an_item(
    jobs: tuple[ObservedJob, ...], spec: WorkQueueJobSpec, first_seen: FirstSeen, look: Look
) -> bool:
    """Return whether a worker may hold an item that the broker does not count any more."""
    hides_after = read_traits(spec.queue).hides_after_seconds
    if hides_after is None:
        return False
    return not _are_young(jobs, hides_after - _MARGIN_SECONDS, first_seen, look)


def _are_young(
    jobs: tuple[ObservedJob, ...], seconds: float, first_seen: FirstSeen, look: Look
) -> bool:
    """Return whether all running workers are known, and each has run for less than so long.

    Both clocks must say so: the node's, which may be wrong, and the operator's own, which does not
    know the time before its start.
    """
    if any(job.ready > len(job.workers) for job in jobs):
        return False
    return all(
        look.read - first_seen[worker.uid] < seconds
        and (look.now - worker.started).total_seconds() < seconds
        for job in jobs
        for worker in job.workers
    )
