"""Chooses the finished Jobs to delete: those beyond the history limits, once they are recorded.

The user's limits count Jobs. A Job may have a thousand pods, which the API server and all who watch
pods would keep. So the finished Jobs of a run have no more than MOST_PODS pods in all.

A Job is deleted only after a patch of an earlier round has folded it into the totals, with what its
workers reported, so that the totals are the same without it.
"""

from collections import Counter
from collections.abc import Callable, Iterator

from workqueuejob.api import WorkQueueJob
from workqueuejob.planning.actions import DeleteJob
from workqueuejob.planning.ledger.run import is_folded
from workqueuejob.planning.observing.observed import JobState, ObservedJob
from workqueuejob.planning.rules.failures import GIVEN_UP
from workqueuejob.planning.rules.warm import find_newest_warm
from workqueuejob.planning.situation import Situation
from workqueuejob.planning.verdict import TOO_MANY_DEAD_LETTERED

MOST_PODS = 1000
"""The most pods of the finished Jobs that are kept: as many as the largest usual wave has."""

_AT_ONCE = 10
"""The most deletions of one round, so that nothing more urgent waits for them."""

_VERDICTS = GIVEN_UP | {TOO_MANY_DEAD_LETTERED}


def list_expired(
    resource: WorkQueueJob,
    jobs: tuple[ObservedJob, ...],
    *,
    is_needed: Callable[[ObservedJob], bool] = lambda _job: False,
) -> tuple[DeleteJob, ...]:
    """Return the actions that delete the oldest finished Jobs beyond the run's limits.

    is_needed: says whether the run's decisions still rest on a Job.
    """
    return tuple(
        DeleteJob(job.name, uid=job.uid, resource_version=job.resource_version)
        for job in _beyond_limits(resource, jobs)
        if _is_over(resource, job) and not is_needed(job)
    )[:_AT_ONCE]


def list_expired_while_running(situation: Situation) -> tuple[DeleteJob, ...]:
    """Return the same for a run that goes on, without the Jobs that rules still look at.

    These are the Jobs of its latest attempt, those that failed it, and the newest warm one.
    """
    newest_warm = find_newest_warm(situation)

    def is_needed(job: ObservedJob) -> bool:
        movement = situation.evidence.movement
        is_verdict = job.failure_reason in _VERDICTS and job.wave > situation.before.waves
        if movement is None or is_verdict:
            return True
        is_attempt = job.wave > max(movement.attempt_after, movement.still_after)
        return is_attempt or job is newest_warm

    return list_expired(situation.observed.resource, situation.jobs, is_needed=is_needed)


def _beyond_limits(resource: WorkQueueJob, jobs: tuple[ObservedJob, ...]) -> Iterator[ObservedJob]:
    """Yield the finished Jobs but the newest ones that the limits keep, oldest first."""
    limits = {
        JobState.COMPLETE: resource.spec.successful_jobs_history_limit,
        JobState.FAILED: resource.spec.failed_jobs_history_limit,
    }
    newer: Counter[JobState] = Counter()
    expired: list[ObservedJob] = []
    pods = 0
    for job in sorted(jobs, key=lambda job: job.wave, reverse=True):
        if job.state not in limits:
            continue
        if newer[job.state] < limits[job.state]:
            pods += _count_pods(job)
        if newer[job.state] >= limits[job.state] or pods > MOST_PODS:
            expired.append(job)
        newer[job.state] += 1
    yield from reversed(expired)


def _count_pods(job: ObservedJob) -> int:
    """Return how many pods a finished Job has, without failed ones that it does not count."""
    return job.succeeded + job.failed


def _is_over(resource: WorkQueueJob, job: ObservedJob) -> bool:
    return is_folded(resource.status, job.wave) and not (job.active or job.terminating)
