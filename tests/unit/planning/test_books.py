"""What a run has done is reckoned by `reckon` alone; every step rests on the books it is given."""

import pytest

from tests.builders import (
    NOON,
    a_depth,
    a_finished_job,
    a_work_queue_job,
    a_worker_spec,
    after,
    an_observation,
)
from workqueuejob.api import ItemsStatus, WorkQueueJob
from workqueuejob.api.status import CountedItems
from workqueuejob.planning.actions import CreateWave
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.evidence.evidence import Evidence, gather_evidence
from workqueuejob.planning.ledger.books import Books, doubt_items, reckon
from workqueuejob.planning.ledger.items import Doubt
from workqueuejob.planning.ledger.run import Ledger
from workqueuejob.planning.plan import plan
from workqueuejob.planning.status.status import build_status
from workqueuejob.planning.verdict import Progress, Verdict

# No observation below would be reckoned like this.
GIVEN = Books(
    Ledger(waves=7, succeeded=30, failed=2, futile=0, counted=CountedItems(succeeded=40)),
    ItemsStatus(total=50, succeeded=40, remaining=10),
)

RUNS = [
    pytest.param(a_work_queue_job(), 30, id="a foreign program"),
    pytest.param(a_work_queue_job(**a_worker_spec()), 40, id="a worker"),
]


@pytest.mark.parametrize(("run", "settled"), RUNS)
def test_evidence_rests_on_the_books_it_is_given(run: WorkQueueJob, settled: int) -> None:
    observed = an_observation(depth=a_depth(3), resource=run)

    evidence = gather_evidence(Evidence(), observed, books=GIVEN, now=NOON)

    assert evidence.last_seen == (3, settled)


@pytest.mark.parametrize(("run", "_settled"), RUNS)
def test_rules_rest_on_the_books_they_are_given(run: WorkQueueJob, _settled: int) -> None:
    observed = an_observation(depth=a_depth(3), resource=run)

    (wave,) = plan(observed, Evidence(), books=GIVEN, now=NOON).actions

    assert isinstance(wave, CreateWave)
    assert wave.wave == 8


@pytest.mark.parametrize(("run", "_settled"), RUNS)
def test_status_records_the_very_books_it_is_given(run: WorkQueueJob, _settled: int) -> None:
    observed = an_observation(depth=a_depth(3), resource=run)
    decided = Plan(Verdict(Progress.WORKING, "1 pod at work"))

    status = build_status(observed, decided, books=GIVEN, now=after(1))

    assert status.items is GIVEN.items
    assert status.waves == 7
    assert status.pods is not None
    assert (status.pods.succeeded, status.pods.failed) == (30, 2)


def test_pods_that_are_doubted_take_their_items_back() -> None:
    observed = an_observation(a_finished_job(), depth=a_depth(5), resource=a_work_queue_job())
    books = reckon(observed)
    doubted = doubt_items(observed, books, Doubt(doubtful=2))

    assert books.items is not None
    assert doubted is not None
    assert (books.items.succeeded, doubted.succeeded) == (5, 3)
    assert doubt_items(observed, books, Doubt()) is books.items


def test_workers_report_what_they_settled_so_their_pods_are_never_doubted() -> None:
    run = a_work_queue_job(**a_worker_spec())
    observed = an_observation(a_finished_job(), depth=a_depth(5), resource=run)
    books = reckon(observed)

    assert doubt_items(observed, books, Doubt(doubtful=2, futile=2)) is books.items
