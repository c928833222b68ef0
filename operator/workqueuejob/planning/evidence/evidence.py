"""Gathers evidence: since when something has been so, over several observations.

One look at a queue proves nothing: a broker may answer with a false zero, and an item may be on its
way back. So evidence is gathered over spaced reads and kept in the operator's memory. After a
restart it is gathered from the start, which delays an end and never hastens one.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from workqueuejob.api.status import CountedItems
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.contract.report import ItemCounts
from workqueuejob.planning.actions import Action
from workqueuejob.planning.evidence.movement import Movement, begin_movement, follow_movement
from workqueuejob.planning.evidence.pace import Pace, follow_observed_pace
from workqueuejob.planning.evidence.proof import Streak, extend_streak
from workqueuejob.planning.evidence.resumes import Resumes, forget_resumes, note_resumes
from workqueuejob.planning.evidence.signs import (
    is_abandoned,
    is_drained,
    is_passed_over,
    is_quiet,
    is_surplus,
    is_untaken,
    take_fingerprint,
)
from workqueuejob.planning.evidence.silence import Silence, follow_silence, seconds_awaited
from workqueuejob.planning.evidence.spare import FirstSeen, Look, follow_workers, is_spare
from workqueuejob.planning.ledger.books import Books
from workqueuejob.planning.ledger.items import count_settled
from workqueuejob.planning.ledger.run import Ledger
from workqueuejob.planning.observing.observed import Observed
from workqueuejob.planning.sizing.holding import count_left, is_foreign_consumer_present
from workqueuejob.planning.sizing.sizing import count_missing


@dataclass(frozen=True, slots=True)
class Evidence:
    """Since when things have been so. A streak is None where the last read broke it."""

    drained: Streak | None = None
    """Every Job but those kept warm is over, the queue is empty, and no pod may have left an item
    in flight."""

    surplus: Streak | None = None
    """Pods are active or due although no item is ready, held or on its way."""

    empty: Streak | None = None
    """No item is ready or rests."""

    spare: Streak | None = None
    """A Coarse run with the worker has open completions for which no item is left."""

    stalled: Streak | None = None
    """A Job has fewer pods than it may, as while a completion waits for its back-off."""

    unheld: Streak | None = None
    """No item is ready, and the broker says that none is held."""

    idle: Streak | None = None
    """No item is ready, and no number of Jobs or queue has changed."""

    quiet: Streak | None = None
    """The run has no pod but those kept warm."""

    foreign: Streak | None = None
    """The queue has more consumers than the run has pods."""

    abandoned: Streak | None = None
    """Items are held although the run has no pod, at a broker that knows no consumers."""

    left: Streak | None = None
    """A Job has only pods whose worker has ended, and which go on because of another container."""

    movement: Movement | None = None
    """Whether waves move anything; None before the first successful read."""

    pace: Pace | None = None
    """How long an item keeps a pod; None without `autoscale`."""

    fingerprint: tuple[int, ...] = ()
    """The numbers of Jobs and queue at the last successful read; `idle` lasts while they stay."""

    last_seen: tuple[int, int] | None = None
    """The queue's depth, and the items settled, at the last successful read."""

    vanished: int = 0
    """Items of the last read before the queue was drained that no pod of the run has settled."""

    silence: Silence | None = None
    """Pods that ended without a report; None before the first successful read."""

    first_seen: FirstSeen | None = None
    """Since when the workers that run have been seen; None before the first successful read."""

    untaken: Streak | None = None
    """Items are ready and workers run, but none holds an item, and no number has changed."""

    passed_over: Streak | None = None
    """Items are ready, pods that work on several at once run, and no number has changed."""

    resumes: Resumes = ()
    """The Jobs that were resumed, and may be suspended again by others."""


def gather_evidence(
    previous: Evidence, observed: Observed, *, books: Books, now: datetime
) -> Evidence:
    """Return what is known after one more observation.

    A failed measurement says nothing, so it breaks every streak. Without a measurement the evidence
    stays as it was.

    books: of this very observation.
    """
    measurement = observed.measurement
    resumes = forget_resumes(previous.resumes, observed, now=now)
    if measurement is None:
        return replace(previous, resumes=resumes)
    if not isinstance(measurement.result, QueueDepth):
        return Evidence(
            last_seen=previous.last_seen,
            pace=previous.pace,
            silence=previous.silence,
            first_seen=previous.first_seen,
            resumes=resumes,
        )
    depth, jobs, read = measurement.result, observed.jobs, measurement.started
    has_workers = observed.resource.spec.worker is not None
    passing, warm = observed.passing, observed.warm
    ledger = books.ledger
    fingerprint = take_fingerprint(jobs, depth, ledger)
    same = fingerprint == previous.fingerprint
    settled = _count_settled(observed, ledger.succeeded, ledger.counted)
    silence = follow_silence(previous.silence, observed, ledger, read=read)
    left = count_left(jobs, depth)
    is_awaited = seconds_awaited(silence, depth, observed.resource.spec, read=read) > 0

    def extend(streak: Streak | None, *, holds: bool) -> Streak | None:
        return extend_streak(streak, holds=holds, read=read, now=now)

    first_seen = follow_workers(previous.first_seen, passing, read=read)
    empty = extend(previous.empty, holds=not (depth.ready or depth.delayed))
    return Evidence(
        drained=extend(
            previous.drained, holds=is_drained(passing, depth, warm=warm) and not is_awaited
        ),
        surplus=extend(
            previous.surplus, holds=is_surplus(passing, depth, has_workers=has_workers, warm=warm)
        ),
        empty=empty,
        spare=extend(
            previous.spare,
            holds=is_spare(
                passing,
                depth,
                observed.resource.spec,
                first_seen=first_seen,
                empty=empty,
                look=Look(read, now),
            ),
        ),
        stalled=extend(previous.stalled, holds=count_missing(jobs) > 0),
        unheld=extend(previous.unheld, holds=depth.ready == 0 and depth.in_flight_known == 0),
        idle=extend(previous.idle if same else None, holds=depth.ready == 0),
        quiet=extend(previous.quiet, holds=is_quiet(passing)),
        foreign=extend(previous.foreign, holds=is_foreign_consumer_present(jobs, depth)),
        abandoned=extend(previous.abandoned, holds=is_abandoned(jobs, depth)),
        left=extend(previous.left, holds=any(job.is_left for job in jobs)),
        movement=_follow_movement(previous, observed, depth, ledger),
        pace=follow_observed_pace(previous.pace, observed, depth, books.items, now=now),
        fingerprint=fingerprint,
        last_seen=previous.last_seen if left is None else (left, settled),
        vanished=_count_vanished(previous, observed, settled),
        silence=silence,
        first_seen=first_seen,
        untaken=extend(
            previous.untaken if same else None,
            holds=has_workers and is_untaken(jobs, depth),
        ),
        passed_over=extend(
            previous.passed_over if same else None,
            holds=has_workers and is_passed_over(jobs, depth),
        ),
        resumes=resumes,
    )


def leave_queue(evidence: Evidence) -> Evidence:
    """Return what stays known when the run gets another queue: what does not depend on it."""
    return Evidence(pace=evidence.pace, resumes=evidence.resumes)


def note_done(evidence: Evidence, done: Iterable[Action], *, now: datetime) -> Evidence:
    """Return the evidence after the actions were carried out."""
    return replace(evidence, resumes=note_resumes(evidence.resumes, done, now=now))


def _count_vanished(previous: Evidence, observed: Observed, total_settled: int) -> int:
    """Return how many items have gone since the last read without having been settled.

    If 8 were left and 5 are settled since, 3 have vanished. After a restart the status stands for
    the last read.
    """
    if previous.drained is not None:
        return previous.vanished
    status = observed.resource.status
    if previous.last_seen is not None:
        depth, settled = previous.last_seen
    else:
        depth = (status.items.remaining if status.items else None) or 0
        pods_before = (status.pods.succeeded if status.pods else None) or 0
        settled = _count_settled(observed, pods_before, status.counted or CountedItems())
    return max(0, depth - (total_settled - settled))


def _count_settled(observed: Observed, pods_succeeded: int, counted: CountedItems) -> int:
    """Return the items that pods have settled, by their success or by their workers' reports."""
    spec = observed.resource.spec
    if spec.worker is None:
        return pods_succeeded * spec.items_settled_per_pod
    return count_settled(counted)


def _count_done(ledger: Ledger, depth: QueueDepth) -> int:
    """Return a number that changes whenever an item was settled or tried.

    Workers and the broker may count the same item, so it is no count. A pod that was killed with an
    item in hand has tried it too.
    """
    reported, counts = ledger.counted, depth.counts or ItemCounts()
    by_workers = count_settled(reported) + reported.attempts_failed + reported.uncertain
    return by_workers + counts.settled + counts.attempts_failed + counts.attempts_lost


def _follow_movement(
    previous: Evidence, observed: Observed, depth: QueueDepth, ledger: Ledger
) -> Movement:
    jobs, total = observed.jobs, count_left(observed.jobs, depth)
    succeeded, done = ledger.succeeded, _count_done(ledger, depth)
    if previous.movement is None:
        total = depth.left if total is None else total
        return begin_movement(jobs, total, succeeded=succeeded, done=done)
    was_quiet = previous.quiet is not None
    return follow_movement(
        previous.movement, jobs, total, was_quiet=was_quiet, succeeded=succeeded, done=done
    )
