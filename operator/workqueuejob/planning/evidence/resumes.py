"""Remembers which Jobs the operator has resumed, so that it does not resume them again and again.

A person, or a controller such as Kueue, may suspend a Job of the run although `spec.suspend` is
false. The operator resumes it at once, and after each further time later: 10, 20, 40 … 300 s.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from workqueuejob.planning.actions import Action, SetSuspend
from workqueuejob.planning.observing.observed import Observed, ObservedJob

_FIRST_DELAY_SECONDS = 10
_LONGEST_DELAY_SECONDS = 300
_MOST_DOUBLINGS = 10

_FORGOTTEN_AFTER = timedelta(minutes=10)
"""The time for which a Job must have run since it was resumed."""


@dataclass(frozen=True, slots=True)
class Resume:
    """How often a Job was resumed, and when it last was."""

    job: str
    times: int
    time: datetime

    @property
    def due(self) -> datetime:
        """When it may be resumed again."""
        doublings = min(self.times - 1, _MOST_DOUBLINGS)
        seconds = min(_FIRST_DELAY_SECONDS * 2**doublings, _LONGEST_DELAY_SECONDS)
        return self.time + timedelta(seconds=seconds)


Resumes = tuple[Resume, ...]


def note_resumes(known: Resumes, done: Iterable[Action], *, now: datetime) -> Resumes:
    """Return what is remembered after the actions were carried out."""
    by_job = {resume.job: resume for resume in known}
    for action in done:
        if isinstance(action, SetSuspend) and not action.suspend:
            before = by_job.get(action.job)
            times = before.times + 1 if before else 1
            by_job[action.job] = Resume(action.job, times, now)
    return tuple(by_job.values())


def forget_resumes(known: Resumes, observed: Observed, *, now: datetime) -> Resumes:
    """Return what is still worth remembering.

    Nothing is while the run is suspended by its own spec, nor of a Job that is gone, over, or has
    run for ten minutes since.
    """
    if observed.resource.spec.suspend:
        return ()
    jobs = {job.name: job for job in observed.jobs if not job.state.is_terminal}
    return tuple(
        resume
        for resume in known
        if resume.job in jobs
        and (jobs[resume.job].suspended or now - resume.time < _FORGOTTEN_AFTER)
    )


def find_resume(known: Resumes, job: ObservedJob) -> Resume | None:
    """Return how often a Job was resumed; None if it was not."""
    return next((resume for resume in known if resume.job == job.name), None)
