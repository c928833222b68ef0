"""What keeps items from being settled, and is told before, or without, a pod that fails of it."""

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
from tests.reckoning import build_status, plan
from workqueuejob.api import PodsStatus, QueueStatus, WorkQueueJobStatus
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.brokers.retries import list_delays
from workqueuejob.planning.actions import CreateWave
from workqueuejob.planning.decision import Plan
from workqueuejob.planning.evidence.evidence import Evidence
from workqueuejob.planning.observing.observed import ObservedJob

FOREIGN: dict[str, Any] = {"redis": {"lease_seconds": 10}, "mode": "Fine"}


def decide(
    *jobs: ObservedJob,
    spec: dict[str, Any],
    depth: QueueDepth,
    evidence: Evidence | None = None,
    status: WorkQueueJobStatus | None = None,
) -> Plan:
    resource = a_work_queue_job(status=status, **spec)
    observed = an_observation(*jobs, depth=depth, resource=resource)
    return plan(observed, evidence or Evidence(), now=after(60))


class TestMissingDeadLetterQueue:
    def test_no_pod_is_started_for_items_that_might_have_nowhere_to_go(self) -> None:
        decided = decide(spec=a_worker_spec(), depth=a_depth(3, dead_lettered=None))

        assert decided.actions == ()
        assert decided.verdict.progress == "DeadLetterTargetMissing"
        assert "'job1-dead'" in decided.verdict.message
        assert "create it" in decided.verdict.message

    def test_work_begins_once_it_is_there(self) -> None:
        decided = decide(spec=a_worker_spec(), depth=a_depth(3, dead_lettered=0))

        assert [type(action) for action in decided.actions] == [CreateWave]

    @pytest.mark.parametrize(
        "spec",
        [
            {"worker": {"source": "Image"}, "retry": {"on_exhausted": "Discard"}},
            {"worker": {"source": "Image"}, "redis": {}},
            {},
        ],
        ids=["Discard", "Redis makes its own", "no worker"],
    )
    def test_it_is_not_asked_for_where_it_is_not_needed(self, spec: dict[str, Any]) -> None:
        decided = decide(spec=spec, depth=a_depth(3, dead_lettered=None))

        assert [type(action) for action in decided.actions] == [CreateWave]


class TestItemsThatAForeignProgramLeftBehind:
    def test_pods_that_wait_for_them_are_told_of(self) -> None:
        stalled = Evidence(idle=a_streak(30, until=60))

        decided = decide(
            a_job(active=2), spec=FOREIGN, depth=QueueDepth(ready=0, in_flight=1), evidence=stalled
        )

        assert decided.verdict.is_progressing
        assert "1 item in job2:processing" in decided.verdict.message
        assert "LMOVE job2:processing job2 LEFT RIGHT" in decided.verdict.message

    def test_a_moment_without_movement_is_no_stall(self) -> None:
        moving = Evidence(idle=a_streak(5, until=60))

        decided = decide(
            a_job(active=2),
            spec=FOREIGN | {"parallelism": 2},
            depth=QueueDepth(ready=0, in_flight=1),
            evidence=moving,
        )

        assert decided.verdict.message == "2 pods at work"


class TestWorkersThatComplain:
    STATUS = WorkQueueJobStatus(waves=1, pods=PodsStatus(failed=7))

    def test_their_words_are_in_the_condition(self) -> None:
        job = replace(a_finished_job(), complaint="login refused; correct the Secret")

        decided = decide(job, spec=a_worker_spec(), depth=a_depth(3), status=self.STATUS)

        assert decided.verdict.end_reason == "BackoffLimitExceeded"
        assert "said: login refused; correct the Secret" in decided.verdict.message

    def test_job_that_gave_up_by_itself_is_not_said_to_have_more_failed_pods(self) -> None:
        job = a_finished_job(failure_reason="BackoffLimitExceeded")

        decided = decide(job, spec={}, depth=a_depth(3), status=WorkQueueJobStatus(waves=1))

        assert "containers failed more often than spec.backoffLimit 6" in decided.verdict.message


class TestDelaysThatWereChanged:
    """Items rest on where former settings had put them."""

    BEFORE = WorkQueueJobStatus(queue=QueueStatus(retry_delays_seconds=(60, 120)))

    def test_queues_of_former_delays_are_still_measured(self) -> None:
        resource = a_work_queue_job(status=self.BEFORE, **a_worker_spec())

        assert list_delays(resource) == (1, 2, 60, 120)

    def test_status_remembers_them(self) -> None:
        resource = a_work_queue_job(status=self.BEFORE, **a_worker_spec())
        observed = an_observation(resource=resource, depth=a_depth(3))

        status = build_status(observed, plan(observed, Evidence(), now=after(0)), now=after(0))

        assert status.queue is not None
        assert status.queue.retry_delays_seconds == (1, 2, 60, 120)

    @pytest.mark.parametrize("spec", [{}, {"worker": {"source": "Image"}, "redis": {}}])
    def test_only_rabbitmq_has_a_queue_for_each(self, spec: dict[str, Any]) -> None:
        assert list_delays(a_work_queue_job(**spec)) == ()

    def test_delays_of_many_edits_fit_the_status(self) -> None:
        status = WorkQueueJobStatus()
        for edit in range(30):
            retry = {"max_attempts": 100, "initial_delay_seconds": 2 * edit + 1}
            spec = a_worker_spec(retry=retry | {"max_delay_seconds": 86_400})
            observed = an_observation(resource=a_work_queue_job(status=status, **spec))
            status = build_status(observed, plan(observed, Evidence(), now=after(0)), now=after(0))
        assert status.queue is not None
        assert len(status.queue.retry_delays_seconds) > 300
        assert WorkQueueJobStatus.from_manifest(status.to_manifest()) == status
