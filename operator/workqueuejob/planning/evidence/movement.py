"""Follows from read to read whether waves move anything. Decides nothing.

What moves is the number of items left, or what workers and the broker count: an item may be tried
several times before it leaves the queue.

Waves overlap, so a single wave can't be judged. What is judged is an attempt of the run: all waves
from one moment at which the run has no pod to the next. Waves are compared by number, not by time,
because a Job's creation is known to the second only, and a fast pod needs less.
"""

from dataclasses import dataclass

from workqueuejob.planning.observing.observed import ObservedJob


@dataclass(frozen=True, slots=True)
class Movement:
    """What an unbroken series of successful reads says about the items left."""

    items_left: int
    """As last read."""

    newest: int
    """The newest wave at the last read."""

    attempt_after: int
    """The newest wave before the attempt; later ones belong to the attempt."""

    still_after: int
    """The newest wave when anything last moved; later ones have not moved it."""

    has_moved: bool = False
    """Whether anything was seen to move during the attempt."""

    done: int = 0
    """A number that changes whenever workers or the broker count an item or an attempt."""

    succeeded: int = 0
    """The pods that had succeeded when anything last moved."""


def begin_movement(
    jobs: tuple[ObservedJob, ...], items_left: int, *, succeeded: int, done: int = 0
) -> Movement:
    """Return what a first read says: nothing yet about the waves that are there.

    succeeded: pods of the whole run, also those whose Jobs are gone.
    """
    newest = _newest_wave(jobs)
    return Movement(
        items_left=items_left,
        newest=newest,
        attempt_after=newest,
        still_after=newest,
        done=done,
        succeeded=succeeded,
    )


def follow_movement(
    previous: Movement,
    jobs: tuple[ObservedJob, ...],
    items_left: int | None,
    *,
    was_quiet: bool,
    succeeded: int,
    done: int = 0,
) -> Movement:
    """Return what one more read says.

    items_left: None where that is not known now; it moves nothing then.
    was_quiet: whether the run had no pod at the previous read, so that a wave made since then
        begins a new attempt.
    """
    newest = max(previous.newest, _newest_wave(jobs))
    items_left = previous.items_left if items_left is None else items_left
    begins = was_quiet and newest > previous.newest
    # A smaller number means that the broker has lost its counters; that counts as a move too.
    moves = items_left != previous.items_left or done != previous.done
    return Movement(
        items_left=items_left,
        newest=newest,
        attempt_after=previous.newest if begins else previous.attempt_after,
        still_after=newest if moves else previous.still_after,
        has_moved=moves or (previous.has_moved and not begins),
        done=done,
        succeeded=succeeded if moves else previous.succeeded,
    )


def _newest_wave(jobs: tuple[ObservedJob, ...]) -> int:
    return max((job.wave for job in jobs), default=0)
