"""Follows whether waves move anything, from one read to the next: the queue's depth, or what our
worker tells, for an item may be tried several times before it leaves the queue.

Waves overlap, so one that settles nothing can't be judged by itself: what counts is an attempt, all
waves from one moment without a pod of ours to the next. Waves are told apart by their numbers, not
by times: a Job's creation is known to the second, and a fast pod needs less.
"""

from dataclasses import dataclass

from workqueuejob.planning.observing.observed import ObservedJob


@dataclass(frozen=True, slots=True)
class Movement:
    """What an unbroken series of successful reads says about the queue's depth.

    depth: as last read, in items.
    done: items settled and attempts made, as far as workers or the broker tell.
    newest: the newest wave at the last read.
    attempt_after: the newest wave before the attempt; later ones belong to it.
    still_after: the newest wave when the depth was first read as it still is; later ones have not
        moved it.
    has_moved: whether the depth was seen to move during the attempt.
    succeeded: pods that had succeeded when the depth last moved.
    """

    depth: int
    newest: int
    attempt_after: int
    still_after: int
    has_moved: bool = False
    done: int = 0
    succeeded: int = 0


def begin_movement(
    jobs: tuple[ObservedJob, ...], depth: int, *, succeeded: int, done: int = 0
) -> Movement:
    """Return what a first read says: nothing yet about the waves that are there.

    succeeded: pods of the whole run, of Jobs that are gone too.
    """
    newest = _newest_wave(jobs)
    return Movement(
        depth=depth,
        newest=newest,
        attempt_after=newest,
        still_after=newest,
        done=done,
        succeeded=succeeded,
    )


def follow_movement(
    previous: Movement,
    jobs: tuple[ObservedJob, ...],
    depth: int,
    *,
    was_quiet: bool,
    succeeded: int,
    done: int = 0,
) -> Movement:
    """Return what one more read says.

    was_quiet: whether no pod of ours existed at the previous read, so that a wave made since then
        begins a new attempt.
    """
    newest = max(previous.newest, _newest_wave(jobs))
    begins = was_quiet and newest > previous.newest
    # Fewer means that a broker has lost its counters; what it counts from then on is new.
    moves = depth != previous.depth or done != previous.done
    return Movement(
        depth=depth,
        newest=newest,
        attempt_after=previous.newest if begins else previous.attempt_after,
        still_after=newest if moves else previous.still_after,
        has_moved=moves or (previous.has_moved and not begins),
        done=done,
        succeeded=succeeded if moves else previous.succeeded,
    )


def _newest_wave(jobs: tuple[ObservedJob, ...]) -> int:
    return max((job.wave for job in jobs), default=0)
