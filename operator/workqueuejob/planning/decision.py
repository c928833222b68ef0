"""What one reconcile decides: a Plan.

Values only; `plan.py` chooses which rule's plan it is.
"""

from dataclasses import dataclass, field

from workqueuejob.brokers.positions import LogSpan
from workqueuejob.planning.actions import Action, DeleteJob
from workqueuejob.planning.ledger.items import Doubt
from workqueuejob.planning.ledger.periods import PeriodEnd
from workqueuejob.planning.sizing.autoscale import Scaling
from workqueuejob.planning.verdict import Verdict

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
    """What is done, in this order."""

    decision: str | None = None
    """One sentence for `status.lastDecision`; None where nothing was decided."""

    span: LogSpan | None = None
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
