"""A webhook, a policy or a quota that refuses what the operator asks for, or does not answer."""

from collections.abc import Callable

import pytest

from tests.builders import NAME, UID, a_job_manifest, a_template
from tests.fake_broker import FakeBroker
from workqueuejob.api import WorkQueueJob
from workqueuejob.errors import ClusterError, ClusterUnavailable, JobRejected, TemplateInvalid
from workqueuejob.names import job_name

from .acting import FIRST, a_stored_object, acting, reason_of, until
from .fake_cluster import FakeCluster
from .test_actor import a_finished_manifest, broker

__all__ = ["broker"]

SECOND = job_name(NAME, UID, 2)
DENIED = JobRejected('admission webhook "policy.example.com" denied the request: not on Mondays')
FAILURES = [
    pytest.param(JobRejected('failed calling webhook "jobs.example.com"'), id="webhook is down"),
    pytest.param(JobRejected("exceeded quota: jobs"), id="quota"),
    pytest.param(ClusterUnavailable("the API server answered 503"), id="503"),
    pytest.param(ClusterUnavailable("the API server did not answer: TimeoutError"), id="time-out"),
]


def message_of(cluster: FakeCluster, condition_type: str) -> str:
    conditions = cluster.work_queue_job["status"]["conditions"]
    message: str = next(c["message"] for c in conditions if c["type"] == condition_type)
    return message


def edit(cluster: FakeCluster, **spec: object) -> WorkQueueJob:
    """Change the spec as a person does; return the object for the watch to bring."""
    stored = cluster.work_queue_job
    stored["spec"] |= spec
    stored["metadata"]["generation"] += 1
    stored["metadata"]["resourceVersion"] = cluster.next_version()
    return WorkQueueJob.from_manifest(stored)


def is_suspended(cluster: FakeCluster, name: str = FIRST) -> Callable[[], bool]:
    return lambda: cluster.jobs[name]["spec"].get("suspend") is True


@pytest.mark.parametrize("failure", FAILURES)
async def test_trial_that_fails_is_a_condition_in_the_api_servers_words(
    broker: FakeBroker, failure: ClusterError
) -> None:
    broker.queues["job1"].publish("a")
    cluster = FakeCluster(work_queue_job=a_stored_object(), refusal=failure)

    async with acting(cluster, broker):
        await until(lambda: reason_of(cluster, "Progressing") == "JobRejected")
        assert str(failure) in message_of(cluster, "Progressing")
        assert cluster.requests.count("try job") == 1
        cluster.refusal = None
        await until(lambda: FIRST in cluster.jobs)


@pytest.mark.parametrize("failure", FAILURES)
async def test_jobs_are_suspended_although_no_job_would_be_accepted(
    broker: FakeBroker, failure: ClusterError
) -> None:
    broker.queues["job1"].publish("a")
    cluster = FakeCluster(work_queue_job=a_stored_object())

    async with acting(cluster, broker) as actor:
        await until(lambda: bool(cluster.work_queue_job.get("status", {}).get("waves")))
        cluster.refusal = failure
        actor.update(edit(cluster, suspend=True))
        await until(is_suspended(cluster))
        await until(lambda: reason_of(cluster, "Progressing") == "Suspended")


async def test_deadline_ends_a_run_whose_jobs_are_refused(broker: FakeBroker) -> None:
    broker.queues["job1"].publish("a")
    stored = a_stored_object(activeDeadlineSeconds=1)
    cluster = FakeCluster(work_queue_job=stored, refusal=ClusterUnavailable("503"))

    async with acting(cluster, broker):
        await until(lambda: reason_of(cluster, "Failed") == "DeadlineExceeded")


async def test_policy_that_refuses_changes_of_jobs_is_told_and_asked_seldom(
    broker: FakeBroker,
) -> None:
    broker.queues["job1"].publish("a")
    cluster = FakeCluster(work_queue_job=a_stored_object())

    async with acting(cluster, broker) as actor:
        await until(lambda: bool(cluster.work_queue_job.get("status", {}).get("waves")))
        cluster.refused["patch job"] = DENIED
        actor.update(edit(cluster, suspend=True))
        await until(lambda: reason_of(cluster, "Progressing") == "JobRejected")
        assert "not on Mondays" in message_of(cluster, "Progressing")
        await until(lambda: cluster.events[-1]["reason"] == "JobRejected")
        for _ in range(3):
            actor.update(edit(cluster))
        assert cluster.requests.count("patch job") == 1
        cluster.refused.clear()
        await until(is_suspended(cluster))
        await until(lambda: reason_of(cluster, "Progressing") == "Suspended")


async def test_one_job_that_may_not_be_changed_does_not_keep_another_from_it(
    broker: FakeBroker,
) -> None:
    broker.queues["job1"].publish("a")
    cluster = FakeCluster(work_queue_job=a_stored_object(suspend=True))
    cluster.jobs = {FIRST: a_job_manifest(1), SECOND: a_job_manifest(2)}
    cluster.refused[f"patch job {FIRST}"] = DENIED

    async with acting(cluster, broker):
        await until(is_suspended(cluster, SECOND))
        await until(lambda: reason_of(cluster, "Progressing") == "JobRejected")

    assert not is_suspended(cluster)()


@pytest.mark.parametrize("refusal", [DENIED, TemplateInvalid("status.progress: Invalid value")])
async def test_status_that_is_refused_is_told_by_one_event(
    broker: FakeBroker, refusal: ClusterError
) -> None:
    cluster = FakeCluster(work_queue_job=a_stored_object())
    cluster.refused["patch status"] = refusal

    async with acting(cluster, broker):
        await until(lambda: cluster.requests.count("patch status") == 2)
        (event,) = cluster.events
        assert (event["reason"], event["note"]) == ("StatusRejected", str(refusal))
        cluster.refused.clear()
        await until(lambda: reason_of(cluster, "Complete") == "QueueEmpty")


async def test_history_that_may_not_be_deleted_is_told_and_holds_up_nothing(
    broker: FakeBroker,
) -> None:
    cluster = FakeCluster(work_queue_job=a_stored_object(successfulJobsHistoryLimit=0))
    cluster.jobs[FIRST] = a_finished_manifest(1)
    cluster.refused["delete job"] = DENIED

    async with acting(cluster, broker):
        await until(lambda: reason_of(cluster, "Complete") == "Drained")
        await until(lambda: "DeletionRejected" in [e["reason"] for e in cluster.events])
        before = cluster.requests.count("delete job")
        assert before == 1
        cluster.refused.clear()
        await until(lambda: not cluster.jobs)

    assert [e["reason"] for e in cluster.events].count("DeletionRejected") == 1


async def test_run_that_may_not_be_deleted_when_its_time_is_over_says_so(
    broker: FakeBroker,
) -> None:
    cluster = FakeCluster(work_queue_job=a_stored_object(ttlSecondsAfterFinished=0))
    cluster.refused["delete workqueuejob"] = DENIED

    async with acting(cluster, broker):
        await until(lambda: "DeletionRejected" in [e["reason"] for e in cluster.events])

    assert cluster.requests.count("delete workqueuejob") == 1


async def test_template_of_a_megabyte_is_a_condition_and_makes_no_job(broker: FakeBroker) -> None:
    broker.queues["job1"].publish("a")
    large = a_template(x="y" * 1_200_000)
    cluster = FakeCluster(work_queue_job=a_stored_object(template=large))

    async with acting(cluster, broker) as actor:
        await until(lambda: reason_of(cluster, "Progressing") is not None)
        assert reason_of(cluster, "Progressing") == "TemplateInvalid"
        assert "at most 262,144 are allowed" in message_of(cluster, "Progressing")
        assert not {"try job", "create job"} & set(cluster.requests)
        actor.update(edit(cluster, template=a_template()))
        await until(lambda: FIRST in cluster.jobs)
