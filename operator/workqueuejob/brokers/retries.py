"""What becomes of items whose attempt failed, and where they may rest meanwhile."""

from workqueuejob.api import WorkQueueJob, WorkQueueJobSpec
from workqueuejob.brokers.traits import read_traits
from workqueuejob.contract.retry import DEFAULT_MAX_LOST_ATTEMPTS, RetrySettings


def build_retry(spec: WorkQueueJobSpec) -> RetrySettings:
    """Return how often an item is tried, and what becomes of it then."""
    retry = spec.retry_or_default
    most_lost = retry.max_lost_attempts
    return RetrySettings(
        max_attempts=retry.max_attempts,
        initial_delay_seconds=retry.initial_delay_seconds,
        max_delay_seconds=retry.max_delay_seconds,
        dead_letter=spec.dead_letter_name,
        max_lost_attempts=DEFAULT_MAX_LOST_ATTEMPTS if most_lost is None else most_lost,
        permanent_exit_codes=retry.permanent_exit_codes or (),
    )


def list_delays(resource: WorkQueueJob) -> tuple[int, ...]:
    """Return every delay that an item of the run may be resting for, in seconds, shortest first.

    Delays of former settings are among them, because running pods keep the settings that they were
    made with, and an item stays where it rests. Empty where items rest in one place for all delays.
    """
    if resource.spec.worker is None or not read_traits(resource.spec.queue).rests_by_delay:
        return ()
    queue = resource.status.queue
    known = set(queue.retry_delays_seconds) if queue else set()
    return tuple(sorted(known | set(build_retry(resource.spec).delays_seconds)))
