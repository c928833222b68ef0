"""Counts what the run has done so far, in waves and pods, and what workers have reported.

Every wave is either listed in status as unfinished or has been folded into its totals: the patch
that folds a Job takes it off the list. So a Job is neither lost nor counted twice if it is seen
again, is gone, or was never recorded because the operator died. Pods that fail because the operator
ended their Job are not counted. If a Job is deleted while it runs, what its workers had not
reported by then is lost.
"""

from dataclasses import dataclass, field

from workqueuejob.api import WorkQueueJobStatus
from workqueuejob.api.status import CountedItems, JobStatus
from workqueuejob.planning.observing.observed import ObservedJob

_COUNTS = tuple(CountedItems.model_fields)


@dataclass(frozen=True, slots=True)
class Ledger:
    """Totals over all waves of the run."""

    waves: int
    """The highest wave number that was ever given."""

    succeeded: int
    """The pods that succeeded."""

    failed: int
    """The pods that failed, without those whose Job the operator ended."""

    futile: int
    """The pods that succeeded although nothing was settled, as status has recorded them."""

    counted: CountedItems = field(default_factory=CountedItems)
    """The items that workers have reported."""


def count_run(
    status: WorkQueueJobStatus,
    jobs: tuple[ObservedJob, ...],
    *,
    never_started: frozenset[str] = frozenset(),
) -> Ledger:
    """Return the run's totals from what status recorded and what the Jobs show now.

    never_started: names of Jobs that were deleted before they had a pod. Any other Job that status
        lists and that is gone counts as one uncertain item.
    """
    listed = {job.wave: job for job in status.jobs or ()}
    recorded_waves = status.waves or 0
    pods = status.pods
    succeeded = (pods.succeeded if pods else None) or 0
    failed = (pods.failed if pods else None) or 0
    counted = status.counted or CountedItems()
    for job in jobs:
        known = listed.get(job.wave)
        if known is None and job.wave <= recorded_waves:
            continue
        succeeded += max(0, job.succeeded - ((known.succeeded or 0) if known else 0))
        if not job.ended_by_us:
            failed += max(0, job.failed - ((known.failed or 0) if known else 0))
        counted = _add_news(counted, count_job(job, known), known.items if known else None)
    missing = listed.keys() - {job.wave for job in jobs}
    deleted = [wave for wave in missing if listed[wave].name not in never_started]
    return Ledger(
        waves=max([recorded_waves, *(job.wave for job in jobs)]),
        succeeded=succeeded,
        failed=failed,
        futile=(status.items.attempts_failed if status.items else None) or 0,
        counted=counted.model_copy(update={"uncertain": counted.uncertain + len(deleted)}),
    )


def is_folded(status: WorkQueueJobStatus, wave: int) -> bool:
    """Return whether status has a wave's Job in its totals, and not on its list any more."""
    recorded = status.waves or 0
    return wave <= recorded and all(job.wave != wave for job in status.jobs)


def count_job(job: ObservedJob, known: JobStatus | None) -> CountedItems:
    """Return what a Job's workers have reported, at least as much as status has recorded of it."""
    now, recorded = job.items or CountedItems(), (known.items if known else None) or CountedItems()
    return CountedItems(
        **{name: max(getattr(now, name), getattr(recorded, name)) for name in _COUNTS}
    )


def _add_news(
    totals: CountedItems, job: CountedItems, recorded: CountedItems | None
) -> CountedItems:
    """Return the totals and what a Job has reported since it was recorded."""
    before = recorded or CountedItems()
    return CountedItems(
        **{
            name: getattr(totals, name) + getattr(job, name) - getattr(before, name)
            for name in _COUNTS
        }
    )
