"""Reckons how many completions the queue still needs, and how many pods may still be added.

A ready item is spoken for if an open completion that holds no item will take it. With a prefetch of
1 every consumer holds an item as long as items are ready. So the broker's count of consumers, or
better of unacked items, says how many of the run's active pods hold one.

8 items are ready and 5 completions are open, of which 2 hold an item: 3 of the 8 are spoken for,
and 5 completions more are wanted. Where a pod of mode Fine works on 4 items at once, a completion
stands for 4 items: with 20 ready and 3 completions open, of which 2 are full, 4 are spoken for, and
4 completions more are wanted.
"""

from dataclasses import dataclass

from workqueuejob.api import WorkQueueJobSpec
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.planning.observing.observed import ObservedJob, count_active
from workqueuejob.planning.sizing.holding import count_held, find_most_concurrency

MAX_UNFINISHED_WAVES = 50
"""The most waves that may be unfinished at once: as many as status lists."""

MAX_COMPLETIONS = 5000
"""The most completions of a Fine wave, which needs more for each worker that leaves idle."""

_SMALLEST_CAP = 100
_LARGEST_CAP = 1000
_CAP_PER_POD = 20
"""Bounds of a Coarse wave's completions, see `cap_completions`."""


@dataclass(frozen=True, slots=True)
class Sizing:
    """The numbers behind a decision."""

    held: int
    """Items that the run's active pods hold."""

    unheld: int
    """Open completions that hold no item yet, and so will take one."""

    wanted: int
    """Completions that are missing for the ready items that none will take."""

    free_pods: int
    """Pods that may still be added within `parallelism`; negative after it was lowered."""


def size(
    spec: WorkQueueJobSpec,
    jobs: tuple[ObservedJob, ...],
    depth: QueueDepth,
    *,
    stalled: int = 0,
    full: bool = False,
    parallelism: int | None = None,
) -> Sizing:
    """Return how many completions the ready items need, and how many pods `parallelism` allows.

    stalled: completions that will take no item for some time, as those in a back-off.
    full: whether the pods that run take no more, although it looks as if they had room.
    parallelism: how many pods may run, where that is fewer than in the spec.
    """
    capacity = find_most_concurrency(jobs)
    held = capacity * count_active(jobs) if full else count_held(jobs, depth)
    available = sum(job.available for job in jobs)
    unheld = max(0, available - -(-held // capacity) - stalled)
    if spec.mode == "Fine":
        # A pod takes as many as it has room for, so pods with an item may take more.
        each = spec.concurrency
        spoken_for = max(0, capacity * (available - stalled) - held)
    else:
        each = spec.items_settled_per_pod
        # A foreign pod that holds an item may still take itemsPerPod - 1 more. Counting on it makes
        # completions too few rather than too many, and what is left starts another wave. A worker
        # ends by itself when nothing is left, so with workers too many do no harm.
        appetite = each - 1 if spec.worker is None else 0
        spoken_for = each * unheld + appetite * held
    wanted = max(0, -(-(depth.ready - spoken_for) // each))
    if depth.partitions is not None:
        # A pod without a partition gets no item, and each open completion takes as many as it has
        # room for.
        useful = -(-depth.partitions // spec.concurrency)
        wanted = min(wanted, max(0, useful - (available - stalled)))
    free_pods = count_free_pods(spec.parallelism if parallelism is None else parallelism, jobs)
    return Sizing(held=held, unheld=unheld, wanted=wanted, free_pods=free_pods)


def count_free_pods(parallelism: int, jobs: tuple[ObservedJob, ...]) -> int:
    """Return how many pods more may run within a parallelism.

    A completion that waits for its back-off keeps its place, because its pod may come at any time.
    """
    return parallelism - sum(count_taken(job, share=job.share) for job in jobs)


def count_taken(job: ObservedJob, *, share: int) -> int:
    """Return how many of the allowed pods a Job takes up if it may have so many at once.

    A pod that terminates is within the share, because with `podReplacementPolicy: Failed` the next
    pod is made when it is gone. A stuck pod counts only within the share: there its Job may
    make a pod when it goes after all, but not once the Job has ended.
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
