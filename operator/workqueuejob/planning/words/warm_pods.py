"""The sentences about pods that are kept although nothing is ready."""

from collections.abc import Sequence

from workqueuejob.brokers.traits import read_traits
from workqueuejob.planning.observing.observed import JobState, ObservedJob, count_active
from workqueuejob.planning.situation import Situation
from workqueuejob.planning.wording import count, describe_depth


def waiting(situation: Situation) -> str:
    """Say how many pods wait for items."""
    jobs = [job for job in situation.observed.warm if not job.state.is_terminal]
    ready = sum(job.ready for job in jobs)
    wait = "waits" if ready == 1 else "wait"
    return (
        f"the queue is empty; {count(ready, 'warm pod')} of {situation.kept} {wait} for items"
        " (spec.autoscale.minParallelism)"
    )


def failing(job: ObservedJob, delay_seconds: float) -> str:
    """Say that pods ended that should wait, and when the next ones are made."""
    if job.state is JobState.FAILED:
        seen = f"pods of {job.name}, which were to wait for items, failed"
    else:
        seen = f"pods of {job.name}, which were to wait for items, exited 0 without one"
    return (
        f"the queue is empty; {seen}. Look at their logs and mend the cause; the next attempt"
        f" is made {delay_seconds:.0f} s after the last one ended"
    )


def ended(situation: Situation, jobs: Sequence[ObservedJob]) -> str:
    """Say that pods that waited for items were ended."""
    names = ", ".join(job.name for job in jobs)
    return f"{describe_depth(situation.depth)}, and {names} is not needed any more: ended it"


def remaining(situation: Situation) -> str:
    """Say why pods that are not needed are not ended yet."""
    pods = count(count_active(situation.jobs), "pod")
    if situation.depth.in_flight_known is None:
        return (
            f"{pods} active, of which some are kept warm and not needed any more: whether they hold"
            f" an item is not known without {read_traits(situation.spec.queue).knowing_held}"
        )
    return (
        f"{pods} active ({describe_depth(situation.depth)}); those that were kept warm and are not"
        " needed any more are ended once nothing is held"
    )
