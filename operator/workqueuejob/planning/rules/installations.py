"""Decides which installation of the operator a run belongs to. Pure.

An installation is one Deployment of the operator with its Lease. Several of them may share a
cluster, each with namespaces of its own. The status of a WorkQueueJob names the installation that
works on the run; its Jobs name the one that made them.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from workqueuejob.api import WorkQueueJob, WorkQueueJobStatus
from workqueuejob.names import DEFAULT_INSTALLATION, label_installation, read_installation
from workqueuejob.planning.observing.observed import ObservedJob
from workqueuejob.planning.status.status import differs

OPERATOR_CONFLICT = "OperatorConflict"
"""The word in log, metric and Event for a run that belongs to another installation."""


@dataclass(frozen=True, slots=True)
class Installation:
    """An installation's name, and those whose runs it may take over."""

    name: str = DEFAULT_INSTALLATION
    """`namespace/name`."""

    takes_over: frozenset[str] = frozenset()
    """The names of installations that do not serve this one's namespaces any more."""


def find_other_installation(
    own: Installation, resource: WorkQueueJob, jobs: Iterable[ObservedJob], *, has_held: bool
) -> str | None:
    """Return the other installation that the run belongs to; None: `own` may work on it.

    The status decides. While it names no installation, the newest Job decides, because a Job is
    made before the status is written. Runs of earlier versions name none, and are free.

    has_held: whether this process has written its own name into the status before. Then the run is
    not taken over any more, or two installations that may take over from each other would go on for
    ever.
    """
    takes_over = frozenset[str]() if has_held else own.takes_over
    holder = resource.status.installation
    if holder is not None:
        return None if holder in {own.name, *takes_over} else holder
    labelled = [(job.wave, job.installation) for job in jobs if job.installation is not None]
    if not labelled:
        return None
    _, maker = max(labelled)
    known = {label_installation(name) for name in (own.name, *takes_over)}
    return None if maker in known else read_installation(maker)


def claim(
    own: Installation, old: WorkQueueJobStatus, new: WorkQueueJobStatus
) -> WorkQueueJobStatus:
    """Return the new status with this installation's name in it.

    A status without a name gets it with the next write that is due, so that an upgrade does not
    write every status there is.
    """
    if old.installation is None and not differs(old, new):
        return new
    return new.model_copy(update={"installation": own.name})


def explain_conflict(own: Installation, other: str, *, namespace: str) -> str:
    """Return the sentence for log and Event: what is so, and what to change."""
    return (
        f"this WorkQueueJob belongs to the operator's installation {other}, so installation"
        f" {own.name} leaves it alone; let only one of them serve namespace {namespace}, or let"
        f" {own.name} take over from {other} if that one does not serve it any more"
    )
