"""How often a status and its Events are written, however often they change."""

from datetime import timedelta
from typing import Any, cast

import pytest

from tests.builders import NOON, a_depth, a_job, an_observation
from workqueuejob.api import WorkQueueJob
from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.cluster.budget import BudgetLimits, RequestBudget
from workqueuejob.controller.status_writer import StatusWriter
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.ledger.books import reckon
from workqueuejob.planning.rules.installations import Installation
from workqueuejob.planning.verdict import Progress, Verdict

from .acting import a_stored_object
from .fake_cluster import FakeCluster

WORKING = Verdict(Progress.WORKING, "4 pods are at work")
NOT_STARTING = Verdict(Progress.PODS_NOT_STARTING, "4 pods don't start: ErrImagePull")


class Writing:
    """A StatusWriter, and a clock that a test sets."""

    def __init__(self, limits: BudgetLimits | None = None) -> None:
        self.now = 1000.0
        self.cluster = FakeCluster(work_queue_job=a_stored_object())
        self.budget = RequestBudget(limits, clock=lambda: self.now)
        self.writer = StatusWriter(
            cast("ClusterAPI", self.cluster),
            Installation(),
            "test",
            self.budget,
            clock=lambda: self.now,
        )

    async def show(self, verdict: Verdict = WORKING, *, ready: int = 8, **fields: Any) -> bool:
        """Offer a status, and return whether it was written."""
        before = self.cluster.requests.count("patch status")
        resource = WorkQueueJob.from_manifest(self.cluster.work_queue_job)
        observed = an_observation(a_job(), depth=a_depth(ready), resource=resource)
        await self.writer.write(
            observed,
            Plan(verdict, **fields),
            books=reckon(observed),
            now=NOON + timedelta(seconds=self.now),
        )
        return self.cluster.requests.count("patch status") > before


@pytest.fixture
def short() -> BudgetLimits:
    """Return limits that leave nothing for numbers."""
    return BudgetLimits(numbers_per_second=0.001)


async def test_numbers_are_written_every_two_seconds_while_the_budget_is_wide() -> None:
    writing = Writing()
    await writing.show()
    written = 0
    for tenth in range(1, 101):
        writing.now = 1000.0 + tenth / 10
        written += await writing.show(ready=100 - tenth)
    assert written == 5


async def test_numbers_are_ten_seconds_old_at_most_while_it_is_short(short: BudgetLimits) -> None:
    writing = Writing(short)
    await writing.show()
    last, oldest = writing.now, 0.0
    for tenth in range(1, 601):
        writing.now = 1000.0 + tenth / 10
        if await writing.show(ready=1000 - tenth):
            oldest, last = max(oldest, writing.now - last), writing.now
        else:
            assert writing.writer.is_behind
    assert 9.9 <= oldest <= 10.2


async def test_wave_is_recorded_however_short_the_budget_is(short: BudgetLimits) -> None:
    writing = Writing(short)
    await writing.show()
    writing.now += 0.1
    assert not await writing.show(ready=7)
    assert await writing.show(ready=7, decision="Fine: 1 pod more")


async def test_conditions_that_go_to_and_fro_cost_a_write_in_ten_seconds_and_few_events() -> None:
    writing = Writing()
    written = 0
    for second in range(600):
        writing.now = 1000.0 + second
        written += await writing.show(NOT_STARTING if second % 2 else WORKING)
    events = [event["reason"] for event in writing.cluster.events]
    # The first 12 changes are shown at once.
    assert 600 / 10 <= written <= 12 + 600 / 10
    assert 1 <= events.count("PodsNotStarting") <= 12


async def test_same_status_is_not_written_again() -> None:
    writing = Writing()
    assert await writing.show()
    writing.now += 100
    assert not await writing.show()
    assert not writing.writer.is_behind
