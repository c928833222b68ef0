"""The steps of a reconcile for tests of one step: each reckons the books of what it is given.

The actor reckons them once and hands them on; `tests/unit/planning/test_books.py` holds that.
"""

from datetime import datetime

from workqueuejob.api import WorkQueueJobStatus
from workqueuejob.planning import plan as planning
from workqueuejob.planning.actions import list_never_started
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.evidence import evidence as gathering
from workqueuejob.planning.evidence.evidence import Evidence
from workqueuejob.planning.ledger.books import reckon
from workqueuejob.planning.observing.observed import Observed
from workqueuejob.planning.status import status as recording


def gather_evidence(previous: Evidence, observed: Observed, *, now: datetime) -> Evidence:
    """Return what is known after one more observation."""
    return gathering.gather_evidence(previous, observed, books=reckon(observed), now=now)


def plan(observed: Observed, evidence: Evidence, *, now: datetime) -> Plan:
    """Return what to do about what was observed."""
    return planning.plan(observed, evidence, books=reckon(observed), now=now)


def build_status(observed: Observed, decided: Plan, *, now: datetime) -> WorkQueueJobStatus:
    """Return the status after the plan was carried out, where its Jobs are as observed."""
    books = reckon(observed, never_started=list_never_started(decided.actions))
    return recording.build_status(observed, decided, books=books, now=now)
