"""Runs of our worker, and at a broker that knows no consumers: what ends them, and what not."""

from dataclasses import replace
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
from tests.reckoning import gather_evidence, plan
from workqueuejob.api import PodsStatus, WorkQueueJobStatus
from workqueuejob.api.status import CountedItems
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.contract.report import ItemCounts
from workqueuejob.planning.actions import CreateWave, EndJob
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.evidence.evidence import Evidence
from workqueuejob.planning.evidence.signs import is_drained, is_surplus
from workqueuejob.planning.observing.observed import JobState, Observed, ObservedJob, PodProblem
from workqueuejob.planning.verdict import Progress

COARSE = a_worker_spec()
FINE = a_worker_spec(mode="Fine")
REDIS: dict[str, Any] = {"redis": {}, "mode": "Fine", "worker": {"source": "Image"}}
FOREIGN_REDIS: dict[str, Any] = {"redis": {}, "mode": "Fine"}
LONG = a_streak(600, until=60)
MANY_FAILED = WorkQueueJobStatus(waves=1, pods=PodsStatus(failed=7))


def observe(*jobs: ObservedJob, spec: dict[str, Any], depth: QueueDepth, **fields: Any) -> Observed:
    status = fields.pop("status", None)
    resource = a_work_queue_job(status=status, **({"parallelism": 4} | spec))
    return an_observation(*jobs, depth=depth, resource=resource, **fields)


def decide(
    *jobs: ObservedJob,
    spec: dict[str, Any],
    depth: QueueDepth,
    evidence: Evidence | None = None,
    **fields: Any,
) -> Plan:
    observed = observe(*jobs, spec=spec, depth=depth, **fields)
    return plan(observed, evidence or Evidence(), now=after(60))


def redis_depth(ready: int = 0, in_flight: int = 0, **fields: Any) -> QueueDepth:
    return QueueDepth(ready=ready, in_flight=in_flight, **fields)


def test_limit_for_programs_that_wait_for_ever_ends_no_worker() -> None:
    """The CRD refuses the limit beside a worker; an object may be older than that rule."""
    spec = COARSE | {"rabbitmq": {"surplus_pod_timeout_seconds": 20}}
    decided = decide(
        a_job(active=1), spec=spec, depth=a_depth(0, None), evidence=Evidence(idle=LONG)
    )
    assert not [action for action in decided.actions if isinstance(action, EndJob)]


class TestItemsThatRest:
    """A delayed retry is neither a reason for a pod nor for an end."""

    @pytest.mark.parametrize("spec", [COARSE, FINE, REDIS], ids=["Coarse", "Fine", "Redis"])
    def test_no_wave_is_made_until_one_is_ready(self, spec: dict[str, Any]) -> None:
        resting = decide(a_finished_job(), spec=spec, depth=a_depth(delayed=2))
        assert resting.actions == ()
        assert "2 items rest until the next attempt" in resting.verdict.message
        ready = decide(a_finished_job(), spec=spec, depth=a_depth(1, delayed=1))
        assert [type(action) for action in ready.actions] == [CreateWave]

    def test_run_is_not_drained_by_them(self) -> None:
        assert not is_drained((a_finished_job(),), a_depth(delayed=1))

    def test_waves_of_pods_that_only_failed_their_item_are_no_futile_ones(self) -> None:
        # Thirty attempts with five minutes in between are thirty waves, each of which exits 0.
        evidence = Evidence()
        jobs: tuple[ObservedJob, ...] = ()
        for attempt in range(1, 31):
            jobs = (*jobs, a_finished_job(attempt, succeeded=1, items=failed(attempts=1)))
            observed = observe(*jobs, spec=COARSE, depth=a_depth(1), at=float(attempt))
            evidence = gather_evidence(evidence, observed, now=after(attempt))
            decided = plan(observed, evidence, now=after(attempt))
            assert [type(action) for action in decided.actions] == [CreateWave]


def failed(attempts: int) -> CountedItems:
    return CountedItems(attempts_failed=attempts)


class TestWorkersThatTakeNothing:
    """A library's program that leaves at once, or a consumer that keeps all items to itself."""

    def run(self, waves: int, *, counts: ItemCounts | None = None) -> Plan:
        """Return the plan after so many waves that left the queue as it was."""
        status = WorkQueueJobStatus(waves=waves, waves_without_progress=waves - 1)
        evidence, spec = Evidence(), REDIS if counts else COARSE
        for at, jobs in enumerate([(), (a_job(waves, completions=1),), (self.over(waves),)]):
            depth = redis_depth(3, counts=counts if at == 2 else None)
            if spec is COARSE:
                depth = a_depth(3)
            observed = observe(*jobs, spec=spec, depth=depth, status=status, at=float(at))
            evidence = gather_evidence(evidence, observed, now=after(at))
        quiet = replace(evidence, quiet=a_streak(60, until=60))
        return plan(observed, quiet, now=after(60))

    def over(self, wave: int) -> ObservedJob:
        return a_finished_job(wave, succeeded=1, completions=1, items=CountedItems())

    def test_waves_follow_each_other_after_a_delay(self) -> None:
        decided = self.run(1)
        assert [type(action) for action in decided.actions] == [CreateWave]
        assert decided.futile_waves == 1

    def test_run_fails_after_several(self) -> None:
        decided = self.run(3)
        assert (decided.actions, decided.verdict.end_reason) == ((), "NoProgress")
        assert "without having tried an item" in decided.verdict.message

    def test_attempt_that_the_broker_has_counted_is_progress(self) -> None:
        decided = self.run(3, counts=ItemCounts(attempts_lost=1))
        assert [type(action) for action in decided.actions] == [CreateWave]


@pytest.mark.parametrize(
    ("job", "depth", "surplus"),
    [
        pytest.param(a_job(active=1), a_depth(consumers=1), False, id="a worker leaves by itself"),
        pytest.param(a_job(terminating=1), a_depth(), False, id="a worker is about to end"),
        pytest.param(a_job(), a_depth(consumers=1), False, id="somebody still consumes"),
        pytest.param(a_job(), a_depth(), True, id="a completion that waits for its back-off"),
        pytest.param(a_job(active=1), redis_depth(), False, id="a worker at Redis"),
        pytest.param(a_job(), redis_depth(), True, id="a back-off at Redis"),
        pytest.param(a_job(), redis_depth(0, 1), False, id="a lease that lasts"),
        pytest.param(a_job(), redis_depth(delayed=1), False, id="an item that rests"),
    ],
)
def test_no_worker_is_surplus_that_is_there(
    job: ObservedJob, depth: QueueDepth, *, surplus: bool
) -> None:
    # Its item may be in a queue of its own, past the broker's time-out, where nobody sees it.
    assert is_surplus((job,), depth, has_workers=True) is surplus


@pytest.mark.parametrize(("active", "surplus"), [(1, False), (0, True)])
def test_no_foreign_pod_is_surplus_where_consumers_are_unknown(
    active: int, *, surplus: bool
) -> None:
    assert is_surplus((a_job(active=active),), redis_depth()) is surplus


@pytest.mark.parametrize("spec", [FINE, REDIS], ids=["RabbitMQ", "Redis"])
def test_surplus_worker_gets_its_whole_grace(spec: dict[str, Any]) -> None:
    (end,) = decide(a_job(), spec=spec, depth=a_depth(), evidence=Evidence(surplus=LONG)).actions
    assert isinstance(end, EndJob)
    assert (end.succeeded, end.with_grace) == (True, True)


class TestTooManyFailedWorkers:
    @pytest.mark.parametrize(
        ("job", "depth", "ends"),
        [
            pytest.param(a_job(active=1), redis_depth(9, 0), False, id="one is between two items"),
            pytest.param(a_job(active=1), a_depth(9, 0), False, id="one holds what nobody sees"),
            pytest.param(a_job(terminating=1), a_depth(9, 0), False, id="one is about to end"),
            pytest.param(a_job(), redis_depth(9, 1), False, id="a lease lasts"),
            pytest.param(a_job(), redis_depth(9, 0), True, id="all wait for their back-off"),
        ],
    )
    def test_workers_that_are_there_go_on(
        self, job: ObservedJob, depth: QueueDepth, *, ends: bool
    ) -> None:
        decided = decide(job, spec=REDIS, depth=depth, status=MANY_FAILED)
        assert [type(action) for action in decided.actions] == ([EndJob] if ends else [])
        for action in decided.actions:
            assert isinstance(action, EndJob)
            assert action.with_grace

    def test_pods_that_died_idle_count(self) -> None:
        # attach_reports adds them to what the Job has counted.
        decided = decide(a_finished_job(failed=7), spec=REDIS, depth=redis_depth(1))
        assert decided.verdict.end_reason == "BackoffLimitExceeded"

    @pytest.mark.parametrize(("quiet_seconds", "ends"), [(9, False), (10, True)])
    def test_end_waits_for_an_item_that_may_be_out_of_sight(
        self, quiet_seconds: int, *, ends: bool
    ) -> None:
        killed = a_finished_job(failed=7, items=CountedItems(uncertain=1))
        evidence = Evidence(quiet=a_streak(quiet_seconds, until=60))
        decided = decide(killed, spec=FINE, depth=a_depth(1), evidence=evidence)
        assert decided.actions == ()
        assert (decided.verdict.end_reason == "BackoffLimitExceeded") is ends


@pytest.mark.parametrize(
    ("spec", "depth", "uncertain", "seconds", "ends"),
    [
        pytest.param(FINE, a_depth(), 1, 9, False, id="a killed worker's item may come back"),
        pytest.param(FINE, a_depth(), 1, 10, True, id="but before long"),
        pytest.param(FINE, a_depth(), 0, 5, True, id="nobody was killed"),
        pytest.param(REDIS, redis_depth(), 1, 5, True, id="a lease is seen until it ends"),
    ],
)
def test_drained_run_waits_for_what_killed_workers_held(
    spec: dict[str, Any], depth: QueueDepth, uncertain: int, seconds: int, *, ends: bool
) -> None:
    job = a_finished_job(items=CountedItems(succeeded=5, uncertain=uncertain))
    streak = a_streak(seconds, until=60)
    evidence = Evidence(drained=streak, quiet=streak)
    decided = decide(job, spec=spec, depth=depth, evidence=evidence)
    assert (decided.verdict.progress == Progress.COMPLETE) is ends


class TestItemsThatNobodyHolds:
    """Leases of workers that are gone, and a foreign program's processing list."""

    HELD = redis_depth(0, 2)

    def test_run_is_not_drained_by_them(self) -> None:
        assert not is_drained((a_finished_job(),), self.HELD)

    def test_strangers_at_a_broker_that_knows_them_settle_their_own(self) -> None:
        assert is_drained((a_finished_job(),), a_depth(0, 2))

    @pytest.mark.parametrize(
        ("spec", "seconds", "progress"),
        [
            pytest.param(REDIS, 600, Progress.WORKING, id="our worker's lease runs out"),
            pytest.param(FOREIGN_REDIS, 29, Progress.WORKING, id="somebody may yet settle it"),
            pytest.param(FOREIGN_REDIS, 30, Progress.ITEMS_ABANDONED, id="nobody will"),
        ],
    )
    def test_run_says_that_it_waits_for_them(
        self, spec: dict[str, Any], seconds: int, progress: Progress
    ) -> None:
        evidence = Evidence(abandoned=a_streak(seconds, until=60))
        decided = decide(a_finished_job(), spec=spec, depth=self.HELD, evidence=evidence)
        assert (decided.actions, decided.verdict.progress) == ((), progress)

    def test_abandoned_items_are_told_with_the_command_that_brings_them_back(self) -> None:
        evidence = Evidence(abandoned=LONG)
        decided = decide(a_finished_job(), spec=FOREIGN_REDIS, depth=self.HELD, evidence=evidence)
        assert "LMOVE job2:processing job2 LEFT RIGHT" in decided.verdict.message
        stream = {"redis": {"stream": {"key": "s", "consumer_group": "g"}}, "mode": "Fine"}
        decided = decide(a_finished_job(), spec=stream, depth=self.HELD, evidence=evidence)
        assert "XPENDING s g" in decided.verdict.message

    def test_an_item_that_has_come_back_gets_a_pod(self) -> None:
        decided = decide(a_finished_job(), spec=REDIS, depth=redis_depth(1, 1))
        assert [type(action) for action in decided.actions] == [CreateWave]


@pytest.mark.parametrize(
    ("spec", "depth", "progress"),
    [
        pytest.param(
            FOREIGN_REDIS, redis_depth(), Progress.SURPLUS_PODS_WAITING, id="at Redis nobody knows"
        ),
        pytest.param(FOREIGN_REDIS, redis_depth(0, 1), Progress.WORKING, id="an item is held"),
        pytest.param(REDIS, redis_depth(), Progress.WORKING, id="a worker leaves by itself"),
        pytest.param(
            FINE, a_depth(0, None, consumers=1), Progress.WORKING, id="so it does at RabbitMQ"
        ),
    ],
)
def test_only_foreign_pods_are_said_to_wait_for_ever(
    spec: dict[str, Any], depth: QueueDepth, progress: Progress
) -> None:
    job = a_job(active=1, parallelism=5)
    decided = decide(job, spec=spec, depth=depth, evidence=Evidence(idle=LONG))
    assert (decided.actions, decided.verdict.progress) == ((), progress)


def test_at_redis_a_waiting_program_is_told_to_exit() -> None:
    evidence = Evidence(idle=LONG)
    decided = decide(a_job(active=1), spec=FOREIGN_REDIS, depth=redis_depth(), evidence=evidence)
    assert "exit when the queue is empty" in decided.verdict.message
    assert "rabbitmq" not in decided.verdict.message


def test_outdated_workers_get_their_whole_grace() -> None:
    job = a_job(active=1, template_hash="former")
    problem = PodProblem("ImagePullBackOff", "no such image", pods=1)
    (end,) = decide(job, spec=FINE, depth=a_depth(5), pod_problem=problem).actions
    assert isinstance(end, EndJob)
    assert end.with_grace


def test_worker_is_not_counted_on_for_more_items_than_one() -> None:
    job = a_job(completions=1, parallelism=1, active=1)
    foreign = decide(job, spec={"items_per_pod": 3}, depth=a_depth(2, 1))
    assert foreign.actions == ()
    ours = decide(job, spec=a_worker_spec(items_per_pod=3), depth=a_depth(2, 1))
    assert ours.actions == (CreateWave(wave=2, completions=1, parallelism=1),)


def test_wave_that_completes_as_items_arrive_is_followed_by_another() -> None:
    ending = a_job(state=JobState.ENDING, succeeded=5)
    assert decide(ending, spec=FINE, depth=a_depth(2)).actions == ()
    decided = decide(a_finished_job(), spec=FINE, depth=a_depth(2))
    assert decided.actions == (CreateWave(wave=2, completions=2, parallelism=2),)
