"""What the run has done so far, counted once.

Every wave is either listed in status as unfinished or has been folded into its totals: a Job is
folded by the same patch that takes it off the list. So a Job that is seen again, or is gone, or
was never recorded because the operator died, is neither lost nor counted twice. Pods that fail
because we ended their Job are not counted at all.
"""

from dataclasses import dataclass

from workqueuejob.api import WorkQueueJobStatus
from workqueuejob.planning.observed import ObservedJob


@dataclass(frozen=True, slots=True)
class Ledger:
    """Totals over all waves of the run.

    waves: the highest wave number ever given.
    futile: pods that succeeded although nothing was settled.
    """

    waves: int
    succeeded: int
    failed: int
    futile: int


def count_run(status: WorkQueueJobStatus, jobs: tuple[ObservedJob, ...]) -> Ledger:
    """Return the run's totals from what status recorded and what the Jobs show now."""
    listed = {job.wave: job for job in status.jobs or ()}
    recorded_waves = status.waves or 0
    pods = status.pods
    succeeded = (pods.succeeded if pods else None) or 0
    failed = (pods.failed if pods else None) or 0
    for job in jobs:
        known = listed.get(job.wave)
        if known is None and job.wave <= recorded_waves:
            continue
        succeeded += max(0, job.succeeded - ((known.succeeded or 0) if known else 0))
        if not job.ended_by_us:
            failed += max(0, job.failed - ((known.failed or 0) if known else 0))
    return Ledger(
        waves=max([recorded_waves, *(job.wave for job in jobs)]),
        succeeded=succeeded,
        failed=failed,
        futile=(status.items.attempts_failed if status.items else None) or 0,
    )
