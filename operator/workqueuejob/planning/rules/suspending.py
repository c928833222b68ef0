"""The rule that follows `spec.suspend`: it suspends the run's Jobs, and resumes as much as may run.

A suspended run can be scaled. Its Jobs have no pod that runs, so this is the only time at which a
Job's parallelism can be lowered without ending a pod. Its completions stay, because some of their
indexes have succeeded, and fewer completions would forget them.

A Job that others suspend is resumed after longer and longer pauses, so that the operator and, for
example, a Kueue that manages Jobs without its label don't undo each other's changes all the time.
"""

from workqueuejob.planning.actions import SetSuspend, change_suspend, end_running_jobs
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.evidence.resumes import find_resume
from workqueuejob.planning.observing.observed import JobState, ObservedJob
from workqueuejob.planning.situation import Situation
from workqueuejob.planning.sizing.sizing import count_free_pods, count_taken
from workqueuejob.planning.verdict import RUN_SUSPENDED, Progress, Verdict
from workqueuejob.planning.words import messages


def follow_suspend(situation: Situation) -> Plan | None:
    """Suspend the run's Jobs, whose controller ends their pods, or resume them.

    Kueue would resume a Job that it has admitted, so such a Job is ended, and others take its place
    later. A Job whose end was decided while it was suspended is resumed too, because its controller
    can't finish it before.
    """
    if situation.spec.suspend:
        return _suspend(situation)
    changes = _resume(situation)
    if not changes:
        return None
    message = messages.resumed(len(changes))
    return Plan(Verdict(Progress.WORKING, message), changes, message)


def _suspend(situation: Situation) -> Plan:
    jobs = situation.observed.unfinished
    running = [job for job in jobs if job.state is JobState.RUNNING]
    ends = end_running_jobs(
        (job for job in running if job.is_queued and not job.suspended),
        succeeded=False,
        reason=RUN_SUSPENDED,
        message=messages.SUSPENDED,
        with_grace=True,
    )
    changes = change_suspend(running, suspend=True)
    return Plan(Verdict(Progress.SUSPENDED, messages.SUSPENDED), (*changes, *ends))


def _resume(situation: Situation) -> tuple[SetSuspend, ...]:
    """Return the actions that resume the Jobs, oldest first, with no more pods than may run now.

    If 2 pods may run, two suspended Jobs of 3 pods each are resumed with parallelism 2 and 0.
    The second gets pods when the first needs fewer. A pod that has not been ended yet keeps its
    place.
    """
    jobs = situation.observed.listed
    asleep = [job for job in jobs if job.suspended and _may_resume(situation, job)]
    free_pods = count_free_pods(situation.most, tuple(job for job in jobs if job not in asleep))
    changes: list[SetSuspend] = []
    for job in asleep:
        parallelism = None
        if job.share > max(free_pods, job.active):
            parallelism = max(free_pods, job.active, 0)
        changes.append(SetSuspend(job.name, False, job.resource_version, parallelism))
        free_pods -= count_taken(job, share=job.share if parallelism is None else parallelism)
    return tuple(changes)


def _may_resume(situation: Situation, job: ObservedJob) -> bool:
    """Return whether a Job is the operator's to resume, and was not resumed just before."""
    resume = find_resume(situation.evidence.resumes, job)
    return not job.is_queued and (resume is None or situation.now >= resume.due)
