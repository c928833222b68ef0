"""What one reconcile decides: a Plan, and the one way to build a plan that ends Jobs.

Values only; `plan.py` chooses which rule's plan it is.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from workqueuejob.brokers.positions import TopicSpan
from workqueuejob.planning.actions import Action, DeleteJob, end_running_jobs
from workqueuejob.planning.ledger.items import Doubt
from workqueuejob.planning.ledger.periods import PeriodEnd
from workqueuejob.planning.observing.observed import ObservedJob
from workqueuejob.planning.sizing.autoscale import Scaling
from workqueuejob.planning.verdict import Progress, Verdict

RECHECK_SECONDS = 0.5
"""The time until the next look while a decision takes effect, or an end is being proved."""

IDLE_RECHECK_SECONDS = 5.0
"""The time until the next look while pods work and nothing is to be decided."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, what to say of it, and when to look again."""

    verdict: Verdict
    """How the run stands."""

    actions: tuple[Action, ...] = ()
    """What is to be done, in this order."""

    decision: str | None = None
    """One sentence for `status.lastDecision`; None where nothing was decided."""

    span: TopicSpan | None = None
    """What of a partitioned log the run works on from now on; None leaves what is recorded."""

    doubt: Doubt = field(default_factory=Doubt)
    """Pods whose success may have settled nothing."""

    futile_waves: int | None = None
    """Consecutive waves without progress from now on; None leaves what is recorded."""

    scaling: Scaling | None = None
    """How many pods are wanted; None where that is not chosen."""

    deletions: tuple[DeleteJob, ...] = ()
    """Finished Jobs beyond the history limits; they are deleted after the status is written."""

    period_end: PeriodEnd | None = None
    """The end of the current busy period; None while it goes on."""

    recheck_after_seconds: float | None = None
    """When to look again although nothing changed; None where a change is awaited."""


def plan_end_of(
    jobs: Iterable[ObservedJob],
    *,
    succeeded: bool,
    reason: str,
    message: str,
    with_grace: bool,
) -> Plan:
    """Return the plan that ends those of the Jobs whose end is not decided yet.

    It has no decision where there is none to end: a decision that is not carried out is none.

    message: says why, in the Jobs' conditions and in the status.
    with_grace: see `EndJob`.
    """
    ends = end_running_jobs(
        jobs, succeeded=succeeded, reason=reason, message=message, with_grace=with_grace
    )
    return Plan(
        Verdict(Progress.WORKING, message),
        ends,
        decision=message if ends else None,
        recheck_after_seconds=RECHECK_SECONDS,
    )
