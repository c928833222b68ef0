"""When too much of a run is bad to go on with it."""

from typing import Any

import pytest

from tests.builders import (
    a_depth,
    a_finished_job,
    a_job,
    a_streak,
    a_work_queue_job,
    a_worker_spec,
    after,
    an_observation,
)
from tests.reckoning import build_status, plan
from workqueuejob.api import ItemsStatus, QueueStatus, WorkQueueJobStatus
from workqueuejob.api.status import CountedItems
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.contract.report import ItemCounts
from workqueuejob.planning.actions import CreateWave, EndJob
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.evidence.evidence import Evidence
from workqueuejob.planning.observing.observed import JobState, ObservedJob
from workqueuejob.planning.verdict import TOO_MANY_DEAD_LETTERED

REDIS: dict[str, Any] = {"redis": {}, "mode": "Fine", "worker": {"source": "Image"}}
BROKEN = a_finished_job(
    state=JobState.FAILED, failure_reason=TOO_MANY_DEAD_LETTERED, parallelism=4, ended_by_us=True
)


def decide(
    *jobs: ObservedJob,
    limit: int | str = 2,
    depth: QueueDepth,
    spec: dict[str, Any] | None = None,
    evidence: Evidence | None = None,
    status: WorkQueueJobStatus | None = None,
) -> Plan:
    resource = a_work_queue_job(
        status=status,
        parallelism=4,
        failure_policy={"max_dead_lettered": limit},
        **(REDIS if spec is None else spec),
    )
    observed = an_observation(*jobs, depth=depth, resource=resource)
    return plan(observed, evidence or Evidence(), now=after(60))


def redis_depth(ready: int = 5, **counts: int) -> QueueDepth:
    return QueueDepth(ready=ready, in_flight=0, counts=ItemCounts(**counts))


@pytest.mark.parametrize(
    ("limit", "counts", "breaks"),
    [
        pytest.param(2, {"dead_lettered": 2}, False, id="as many as allowed"),
        pytest.param(2, {"dead_lettered": 3}, True, id="one more"),
        pytest.param(2, {"dead_lettered": 2, "discarded": 1}, True, id="discarded ones count too"),
        pytest.param(0, {"dead_lettered": 1}, True, id="none is allowed"),
        pytest.param("10%", {"dead_lettered": 2, "succeeded": 17}, False, id="too few to judge by"),
        pytest.param("10%", {"dead_lettered": 2, "succeeded": 18}, False, id="a tenth"),
        pytest.param("10%", {"dead_lettered": 3, "succeeded": 17}, True, id="more than a tenth"),
    ],
)
def test_more_dead_letters_than_allowed_end_the_jobs(
    limit: int | str, counts: dict[str, int], *, breaks: bool
) -> None:
    job = a_job(active=2, completions=2)
    decided = decide(job, limit=limit, depth=redis_depth(**counts))
    ends = [action for action in decided.actions if isinstance(action, EndJob)]
    assert bool(ends) is breaks
    if ends:
        assert (ends[0].reason, ends[0].succeeded) == (TOO_MANY_DEAD_LETTERED, False)


def test_workers_may_finish_or_give_back_what_they_hold() -> None:
    (end,) = decide(a_job(active=2), depth=redis_depth(dead_lettered=3)).actions
    assert isinstance(end, EndJob)
    assert end.with_grace


def test_run_fails_once_the_last_job_has_ended_and_says_what_is_left() -> None:
    depth = redis_depth(5, dead_lettered=3, succeeded=2)
    decided = decide(BROKEN, depth=depth)
    assert (decided.actions, decided.verdict.end_reason) == ((), TOO_MANY_DEAD_LETTERED)
    observed = an_observation(BROKEN, depth=depth, resource=a_work_queue_job(**REDIS))
    items = build_status(observed, decided, now=after(60)).items
    assert items is not None
    assert (items.total, items.dead_lettered, items.remaining) == (10, 3, 5)


def test_no_wave_is_made_while_pods_end() -> None:
    ending = a_job(state=JobState.ENDING, terminating=1)
    assert decide(ending, depth=redis_depth(dead_lettered=3)).actions == ()


def test_run_without_a_policy_is_never_given_up() -> None:
    resource = a_work_queue_job(**REDIS)
    depth = redis_depth(0, dead_lettered=99)
    decided = plan(
        an_observation(a_job(), depth=depth, resource=resource), Evidence(), now=after(60)
    )
    assert decided.actions == ()


def test_breaker_stays_open_although_workers_finish_more_meanwhile() -> None:
    # 3 of 29 were too many; four were in hand, and 3 of 33 would not be.
    depth = redis_depth(dead_lettered=3, succeeded=30)
    decided = decide(BROKEN, limit="10%", depth=depth)
    assert decided.verdict.end_reason == TOO_MANY_DEAD_LETTERED


def test_breaker_is_asked_before_the_back_off_limit() -> None:
    # Otherwise workers that go on would put everything aside.
    failed = a_job(active=2, failed=9)
    decided = decide(failed, depth=redis_depth(dead_lettered=3))
    assert [type(action) for action in decided.actions] == [EndJob]


class TestDeadLettersThatOnlyTheTargetShows:
    STATUS = WorkQueueJobStatus(
        queue=QueueStatus(dead_lettered_at_start=0), items=ItemsStatus(total=9)
    )

    def decide(self, *jobs: ObservedJob, dead: int, evidence: Evidence | None = None) -> Plan:
        depth = a_depth(4, dead_lettered=dead)
        spec = a_worker_spec(mode="Fine")
        return decide(*jobs, depth=depth, spec=spec, status=self.STATUS, evidence=evidence)

    def test_they_open_the_breaker_before_the_pods_have_told(self) -> None:
        decided = self.decide(a_job(active=2), dead=3)
        assert [type(action) for action in decided.actions] == [EndJob]

    def test_run_goes_on_if_they_turn_out_to_be_others(self) -> None:
        told = a_finished_job(items=CountedItems(dead_lettered=1, succeeded=4))
        decided = self.decide(told, dead=9)
        assert [type(action) for action in decided.actions] == [CreateWave]

    @pytest.mark.parametrize(("quiet_seconds", "ends"), [(9, False), (10, True)])
    def test_verdict_waits_for_an_item_that_may_be_out_of_sight(
        self, quiet_seconds: int, *, ends: bool
    ) -> None:
        told = a_finished_job(items=CountedItems(dead_lettered=3, uncertain=1))
        evidence = Evidence(quiet=a_streak(quiet_seconds, until=60))
        decided = self.decide(told, dead=3, evidence=evidence)
        assert decided.actions == ()
        assert (decided.verdict.end_reason == TOO_MANY_DEAD_LETTERED) is ends
