"""What the run has done so far, counted once.

Every wave is either listed in status as unfinished or has been folded into its totals: a Job is
folded by the same patch that takes it off the list. So a Job that is seen again, or is gone, or
was never recorded because the operator died, is neither lost nor counted twice. Pods that fail
because we ended their Job are not counted at all. What the workers of a Job had not reported that
was deleted while it ran is not known any more.
"""

from dataclasses import dataclass, field

from workqueuejob.api import WorkQueueJobStatus
from workqueuejob.api.status import CountedItems, JobStatus
from workqueuejob.planning.observing.observed import ObservedJob

_COUNTS = tuple(CountedItems.model_fields)


@dataclass(frozen=True, slots=True)
class Ledger:
    """Totals over all waves of the run.

    waves: the highest wave number ever given.
    futile: pods that succeeded although nothing was settled.
    counted: what workers have reported.
    """

    waves: int
    succeeded: int
    failed: int
    futile: int
    counted: CountedItems = field(default_factory=CountedItems)


def count_run(
    status: WorkQueueJobStatus,
    jobs: tuple[ObservedJob, ...],
    *,
    never_started: frozenset[str] = frozenset(),
) -> Ledger:
    """Return the run's totals from what status recorded and what the Jobs show now.

    never_started: names of Jobs that were withdrawn before they had a pod.
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
    """Return whether a wave's Job is in the totals for good."""
    recorded = status.waves or 0
    return wave <= recorded and all(job.wave != wave for job in status.jobs)


def count_job(job: ObservedJob, known: JobStatus | None) -> CountedItems:
    """Return what a Job's workers have reported; what is recorded of pods that are gone stays."""
    now, recorded = job.items or CountedItems(), (known.items if known else None) or CountedItems()
    return CountedItems(
        **{name: max(getattr(now, name), getattr(recorded, name)) for name in _COUNTS}
    )


def _add_news(
    totals: CountedItems, job: CountedItems, recorded: CountedItems | None
) -> CountedItems:
    """Return the totals with what a Job has more than was recorded of it."""
    before = recorded or CountedItems()
    return CountedItems(
        **{
            name: getattr(totals, name) + getattr(job, name) - getattr(before, name)
            for name in _COUNTS
        }
    )
