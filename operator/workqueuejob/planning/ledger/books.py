"""The run's books: what it has done so far, in pods and in items, reckoned once an observation.

A reconcile reckons them right after it has observed, and hands them on, so that evidence, rules and
status look at the same numbers. After it has changed a Job it looks at the Jobs again, and reckons
the books of that observation for the status.
"""

from dataclasses import dataclass

from workqueuejob.api.status import ItemsStatus
from workqueuejob.planning.ledger.items import Doubt, count_items
from workqueuejob.planning.ledger.run import Ledger, count_run
from workqueuejob.planning.observing.observed import Observed


@dataclass(frozen=True, slots=True)
class Books:
    """What a run has done, as one observation shows it."""

    ledger: Ledger
    """Waves, pods, and what workers have reported."""

    items: ItemsStatus | None
    """The items, if every pod that succeeded has settled its own; None: the depth is unknown."""


def reckon(observed: Observed, *, never_started: frozenset[str] = frozenset()) -> Books:
    """Return the books of what was observed.

    never_started: names of Jobs that were deleted in this reconcile before they had a pod.
    """
    status = observed.resource.status
    ledger = count_run(status, observed.jobs, never_started=never_started)
    return Books(ledger, count_items(observed, ledger, Doubt()))


def doubt_items(observed: Observed, books: Books, doubt: Doubt) -> ItemsStatus | None:
    """Return the items, less those that doubted pods may not have settled; None while unknown.

    Workers report what they settled, so only pods of a foreign program are doubted, and only then
    the items are counted once more.
    """
    if doubt == Doubt() or observed.resource.spec.worker is not None:
        return books.items
    return count_items(observed, books.ledger, doubt)
