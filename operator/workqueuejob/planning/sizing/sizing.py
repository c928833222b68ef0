"""How many completions the queue still wants, and how many pods there is room for.

A ready item is spoken for when a completion that holds no item yet will take it. With a
prefetch of 1, as long as items are ready every consumer is busy: the broker's count of
consumers (or, better, of unacked items) says how many of our active pods hold one.
"""

from dataclasses import dataclass

from workqueuejob.api import WorkQueueJobSpec
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.planning.observing.observed import ObservedJob, count_active

MAX_UNFINISHED_WAVES = 50
"""As many as status lists."""

MAX_COMPLETIONS = 5000
"""Of a Fine wave, which grows by each idle worker that leaves and comes again."""

_SMALLEST_CAP = 100
_LARGEST_CAP = 1000
_CAP_PER_POD = 20


@dataclass(frozen=True, slots=True)
class Sizing:
    """The numbers behind a decision.

    held: items that our active pods hold.
    unheld: open completions that hold no item yet, and so will take one.
    wanted: completions missing for the ready items that nobody will take.
    room: pods that may still be added within `parallelism`; negative after a scale down.
    """

    held: int
    unheld: int
    wanted: int
    room: int


def size(
    spec: WorkQueueJobSpec,
    jobs: tuple[ObservedJob, ...],
    depth: QueueDepth,
    *,
    stalled: int = 0,
    parallelism: int | None = None,
) -> Sizing:
    """Return what the ready items want and what `parallelism` allows.

    parallelism: fewer pods than the spec's, where fewer are wanted.
    stalled: completions that will take no item before long, as those in a back-off.
    """
    held = count_held(jobs, depth)
    available = sum(job.available for job in jobs)
    unheld = max(0, available - held - stalled)
    per_pod = spec.items_settled_per_pod
    # A foreign pod that holds an item may still take itemsPerPod - 1 more. Counting on it makes
    # completions too few rather than too many, and what is left starts another wave. Our worker
    # ends by itself when nothing is left, so with it too many do no harm.
    appetite = per_pod - 1 if spec.worker is None else 0
    spoken_for = per_pod * unheld + appetite * held
    wanted = max(0, -(-(depth.ready - spoken_for) // per_pod))
    if depth.partitions is not None:
        # Each of the others has partitions of its own, or will get some.
        wanted = min(wanted, max(0, depth.partitions - (available - stalled)))
    room = count_room(spec.parallelism if parallelism is None else parallelism, jobs)
    return Sizing(held=held, unheld=unheld, wanted=wanted, room=room)


def count_held(jobs: tuple[ObservedJob, ...], depth: QueueDepth) -> int:
    """Return how many of our active pods hold an item; the lower bound when it is unsure."""
    if depth.holders is None:
        return 0
    active = count_active(jobs)
    if is_foreign_consumer_present(jobs, depth):
        # Somebody else's deliveries are among them: trust only pods that are seen to run.
        active = sum(job.ready for job in jobs)
    return min(depth.holders, active)


def is_foreign_consumer_present(jobs: tuple[ObservedJob, ...], depth: QueueDepth) -> bool:
    """Return whether the broker counts more consumers than we have pods that could be one."""
    possible = sum(job.active + job.terminating for job in jobs)
    return depth.consumers is not None and depth.consumers > possible


def count_room(parallelism: int, jobs: tuple[ObservedJob, ...]) -> int:
    """Return how many pods more may run of so many.

    A completion waiting for its back-off keeps its place, for its pod may come at any moment.
    """
    return parallelism - sum(count_taken(job, share=job.share) for job in jobs)


def count_taken(job: ObservedJob, *, share: int) -> int:
    """Return for how many pods a Job keeps the room, with such a share.

    A pod that terminates is within the share: with `podReplacementPolicy: Failed` the next one is
    made when it is gone. One that is stuck keeps the place that its Job may give to another pod
    when it goes after all, but none once its Job has ended.
    """
    return max(share, job.active + job.terminating - job.stuck)


def count_missing(jobs: tuple[ObservedJob, ...]) -> int:
    """Return how many pods fewer there are than their Jobs may have."""
    return sum(
        max(0, job.share - job.active - job.terminating) for job in jobs if not job.suspended
    )


def cap_completions(spec: WorkQueueJobSpec, wanted: int) -> int:
    """Return a wave's completions: few enough that scaling down takes effect before long.

    The parallelism of a Job with pods is never lowered, since that deletes pods whatever they
    hold; a smaller one holds from the next wave on. The cap is far below 10,000, from where
    `maxFailedIndexes` is mandatory.
    """
    cap = max(_SMALLEST_CAP, min(_LARGEST_CAP, _CAP_PER_POD * spec.parallelism))
    return min(wanted, max(cap, spec.parallelism))
