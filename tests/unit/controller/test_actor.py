"""One WorkQueueJob's loop: against an API server and a broker in memory, with the real meter."""

import asyncio
import copy
from contextvars import ContextVar
from typing import Any, cast

import pytest

from tests.builders import (
    NAME,
    NAMESPACE,
    UID,
    a_job_manifest,
    a_log,
    a_log_depth,
    a_reporting_pod,
    a_template,
)
from tests.fake_broker import FakeBroker
from workqueuejob.api import WorkQueueJob
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.brokers.hosts import AllowedHosts, parse_host_pattern
from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.contract.report import ItemCounts
from workqueuejob.controller.actor import Actor
from workqueuejob.controller.obstacles import Obstacles
from workqueuejob.errors import Conflict, NamespaceTerminating, NotFound, TemplateInvalid
from workqueuejob.names import DEFAULT_INSTALLATION, job_name
from workqueuejob.planning.ledger.books import Books, reckon
from workqueuejob.planning.observing.jobs import read_job
from workqueuejob.planning.observing.observed import Observed
from workqueuejob.planning.pods.job_manifest import WorkerImage

from .acting import FIRST, a_stored_object, acting, reason_of, until
from .fake_cluster import FakeCluster


class LogBroker:
    """A topic of two partitions, and the probe that measures it; it grows with each measurement."""

    def __init__(self) -> None:
        self.came = 0

    def connect(self, _settings: object) -> "LogBroker":
        return self

    def begin_round(self) -> None:
        self.came += 1

    def measure(self, _queue: object) -> QueueDepth:
        return a_log_depth(a_log((0, 2 + self.came, None), (0, 2 + self.came, None)))

    def close(self) -> None:
        pass


@pytest.fixture
def broker() -> FakeBroker:
    broker = FakeBroker(host=f"mq.{NAMESPACE}.svc")
    broker.declare("job1")
    return broker


async def test_wave_is_created_and_recorded_from_a_measured_queue(broker: FakeBroker) -> None:
    broker.queues["job1"].publish("a", "b", "c")
    cluster = FakeCluster(work_queue_job=a_stored_object(parallelism=2))

    async with acting(cluster, broker):
        await until(lambda: bool(cluster.work_queue_job.get("status", {}).get("waves")))

    assert cluster.jobs[FIRST]["spec"]["completions"] == 3
    assert [event["reason"] for event in cluster.events] == ["WaveCreated"]


async def test_books_are_reckoned_once_for_what_was_seen_and_once_after_jobs_were_changed(
    broker: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    reckoned: list[Observed] = []

    def count(observed: Observed, **fields: Any) -> Books:
        reckoned.append(observed)
        return reckon(observed, **fields)

    monkeypatch.setattr("workqueuejob.controller.reconciler.reckon", count)
    broker.queues["job1"].publish("a", "b", "c")
    cluster = FakeCluster(work_queue_job=a_stored_object(parallelism=2))

    async with acting(cluster, broker):
        await until(lambda: bool(cluster.work_queue_job.get("status", {}).get("waves")))

    # The template is new, so the API server was asked if it takes a Job of it.
    unasked, asked, after_creation = reckoned[:3]
    assert len({id(observed) for observed in reckoned}) == len(reckoned)
    assert [len(seen.jobs) for seen in (unasked, asked, after_creation)] == [0, 0, 1]


async def test_ends_of_a_log_are_stored_before_the_first_wave_which_is_told_of_them() -> None:
    stored = a_stored_object(
        mode="Fine",
        parallelism=4,
        worker={"source": "Image"},
        retry={"deadLetter": {"name": "orders.dead"}},
    )
    stored["spec"]["queue"] = {
        "kafka": {"bootstrapServers": ["kafka:9092"], "topic": "orders", "consumerGroup": "billing"}
    }
    cluster = FakeCluster(work_queue_job=stored)

    async with acting(cluster, LogBroker()):
        await until(lambda: bool(cluster.work_queue_job.get("status", {}).get("waves")))

    offsets = cluster.work_queue_job["status"]["queue"]["offsets"]
    assert (offsets["topicID"], offsets["starts"]) == ("id", "0,0")
    job = cluster.jobs[FIRST]["spec"]
    assert job["completions"] == 2
    (container,) = job["template"]["spec"]["containers"]
    (told,) = [one["value"] for one in container["env"] if one["name"] == "WQJ_SETTINGS"]
    assert f'"targets":"id:{offsets["ends"]}"' in told
    writes = [one for one in cluster.requests if one in {"patch status", "create job"}]
    assert writes.index("patch status") < writes.index("create job")


async def test_job_that_only_bears_our_labels_is_left_alone(broker: FakeBroker) -> None:
    broker.queues["job1"].publish("a")
    cluster = FakeCluster(work_queue_job=a_stored_object(suspend=True))
    foreign = a_job_manifest(7)
    foreign["metadata"]["ownerReferences"] = []
    cluster.jobs[foreign["metadata"]["name"]] = foreign

    async with acting(cluster, broker):
        await until(lambda: reason_of(cluster, "Progressing") == "Suspended")

    assert "patch job" not in cluster.requests
    assert cluster.work_queue_job["status"].get("jobs") is None


async def test_job_and_pod_of_another_namespace_change_nothing(broker: FakeBroker) -> None:
    broker.queues["job1"].publish("a")
    broker.declare("job1-dead")
    worked = {"worker": {"source": "Image"}, "retry": {"deadLetter": {"name": "job1-dead"}}}
    stored = a_stored_object(**worked, failurePolicy={"maxDeadLettered": 1})
    cluster = FakeCluster(work_queue_job=stored)

    async with acting(cluster, broker) as actor:
        await until(lambda: bool(cluster.work_queue_job.get("status", {}).get("waves")))
        job = read_job(cluster.jobs[FIRST])
        forged = a_job_manifest(99)
        forged["metadata"]["namespace"] = "elsewhere"
        actor.put_job(forged)
        namesake = copy.deepcopy(cluster.jobs[FIRST])
        namesake["metadata"]["namespace"] = "elsewhere"
        actor.remove_job(namesake)
        forged = a_reporting_pod("forged", job, ItemCounts(dead_lettered=50), namespace="elsewhere")
        actor.put_pod(forged, is_gone=False)
        actor.put_pod(a_reporting_pod("real", job, ItemCounts(dead_lettered=1)), is_gone=False)
        await until(lambda: counted_dead(cluster) == 1)

    status = cluster.work_queue_job["status"]
    assert [known["name"] for known in status["jobs"]] == [FIRST]
    assert status["waves"] == 1
    assert "patch job status" not in cluster.requests


def counted_dead(cluster: FakeCluster) -> int | None:
    counted = cluster.work_queue_job["status"].get("counted") or {}
    return counted.get("deadLettered")


async def test_missing_secret_is_a_reason_and_the_run_goes_on_when_it_comes(
    broker: FakeBroker,
) -> None:
    broker.queues["job1"].publish("a")
    stored = a_stored_object(rabbitmq={"credentialsSecretRef": {"name": "mq"}})
    cluster = FakeCluster(work_queue_job=stored)

    async with acting(cluster, broker):
        await until(lambda: reason_of(cluster, "QueueReachable") == "SecretNotFound")
        assert cluster.jobs == {}
        cluster.secrets["mq"] = {"data": {"username": "Z3Vlc3Q=", "password": "Z3Vlc3Q="}}
        await until(lambda: reason_of(cluster, "QueueReachable") == "Measured")

    assert FIRST in cluster.jobs


async def test_host_that_is_not_allowed_is_never_connected_to(broker: FakeBroker) -> None:
    broker.queues["job1"].publish("apple")
    cluster = FakeCluster(work_queue_job=a_stored_object())
    allowed = AllowedHosts((parse_host_pattern("*.example.com"),))

    async with acting(cluster, broker, allowed_hosts=allowed):
        await until(lambda: reason_of(cluster, "QueueReachable") == "HostNotAllowed")

    conditions = cluster.work_queue_job["status"]["conditions"]
    (message,) = [one["message"] for one in conditions if one["type"] == "QueueReachable"]
    assert f"mq.{NAMESPACE}.svc:5672 (spec.queue.rabbitmq.host)" in message
    assert cluster.jobs == {}
    assert broker.rounds == 0


async def test_refused_template_is_reported_in_the_api_servers_words(broker: FakeBroker) -> None:
    broker.queues["job1"].publish("a")
    cluster = FakeCluster(work_queue_job=a_stored_object())
    cluster.refusal = TemplateInvalid("spec.template.spec.containers[0].image: Required value")

    async with acting(cluster, broker):
        await until(lambda: reason_of(cluster, "Progressing") == "TemplateInvalid")
        cluster.refusal = None
        await until(lambda: FIRST in cluster.jobs)

    told = [event["reason"] for event in cluster.events]
    assert told == ["TemplateInvalid", "WaveCreated"]


async def test_waiting_for_items_writes_nothing_after_it_said_so(broker: FakeBroker) -> None:
    cluster = FakeCluster(work_queue_job=a_stored_object(emptyStart="Wait"))

    async with acting(cluster, broker) as actor:
        await until(lambda: reason_of(cluster, "Progressing") == "WaitingForItems")
        before = list(cluster.requests)
        for _ in range(20):
            actor.wake()
            await asyncio.sleep(0.01)

    assert cluster.requests == before


@pytest.mark.parametrize(
    ("spec", "reason"),
    [({"emptyStart": "Wait"}, "WaitingForItems"), ({"suspend": True}, "Suspended")],
)
async def test_run_that_waits_has_no_task_and_gets_one_when_it_is_woken(
    broker: FakeBroker, spec: dict[str, Any], reason: str
) -> None:
    cluster = FakeCluster(work_queue_job=a_stored_object(**spec))

    def count_tasks() -> int:
        return sum(task.get_name().startswith("actor ") for task in asyncio.all_tasks())

    async with acting(cluster, broker) as actor:
        await until(lambda: reason_of(cluster, "Progressing") == reason)
        await until(lambda: count_tasks() == 0)
        actor.wake()
        assert count_tasks() == 1


async def test_ended_run_asks_nobody_anything(broker: FakeBroker) -> None:
    cluster = FakeCluster(work_queue_job=a_stored_object())
    async with acting(cluster, broker):
        await until(lambda: reason_of(cluster, "Complete") == "QueueEmpty")
    cluster.requests.clear()

    async with acting(cluster, broker) as actor:
        broker.queues["job1"].publish("late")
        for _ in range(20):
            actor.wake()
            await asyncio.sleep(0.01)

    assert cluster.requests == []


async def test_status_that_another_client_changed_is_written_once_the_watch_has_told(
    broker: FakeBroker,
) -> None:
    cluster = FakeCluster(work_queue_job=a_stored_object())

    async with acting(cluster, broker) as actor:
        cluster.work_queue_job["metadata"]["resourceVersion"] = cluster.next_version()
        await until(lambda: cluster.requests.count("patch status") >= 1)
        assert "status" not in cluster.work_queue_job
        actor.update(WorkQueueJob.from_manifest(cluster.work_queue_job))
        await until(lambda: reason_of(cluster, "Complete") == "QueueEmpty")


@pytest.mark.parametrize("another", [{}, {"uid": "another"}])
async def test_object_that_is_gone_unheard_gets_one_wave_and_no_more(
    broker: FakeBroker, another: dict[str, str]
) -> None:
    broker.queues["job1"].publish("a", "b")
    cluster = FakeCluster(work_queue_job=a_stored_object())
    ended: list[Actor] = []

    async with acting(cluster, broker, on_gone=ended.append) as actor:
        # Deleted, perhaps made again, and no watch tells; its Jobs are collected as garbage.
        stored = a_stored_object()
        stored["metadata"] |= another | {"resourceVersion": "50"}
        cluster.work_queue_job = stored if another else {}
        await until(lambda: bool(ended))
        cluster.jobs.clear()
        for _ in range(20):
            actor.wake()
            await asyncio.sleep(0.01)

    assert ended == [actor]
    # A conflict may come of any change, so the object is looked for after the second one.
    assert cluster.requests.count("create job") <= (2 if another else 1)


async def test_object_that_can_not_be_looked_for_is_not_given_up(broker: FakeBroker) -> None:
    class Unserved(FakeCluster):
        served = False

        async def read_work_queue_job(self, *arguments: str) -> dict[str, Any] | None:
            if not self.served:
                self.served = True
                raise NotFound("404 page not found")
            return await super().read_work_queue_job(*arguments)

    cluster = Unserved(work_queue_job=a_stored_object())
    ended: list[Actor] = []

    async with acting(cluster, broker, on_gone=ended.append):
        cluster.work_queue_job["metadata"]["resourceVersion"] = cluster.next_version()
        await until(lambda: reason_of(cluster, "Complete") == "QueueEmpty")

    assert ended == []


def a_job_that_hangs(**status: Any) -> dict[str, Any]:
    return a_job_manifest(1, status=status)


@pytest.mark.parametrize("phase", ["Pending", "Failed"])
async def test_jobs_of_a_namespace_that_is_being_deleted_go_before_their_pods_have_started(
    broker: FakeBroker, phase: str
) -> None:
    cluster = FakeCluster(work_queue_job=a_stored_object())
    hangs = a_job_that_hangs(**({"terminating": 1} if phase == "Pending" else {"active": 0}))
    cluster.jobs[FIRST] = hangs
    cluster.pods = [
        {
            "metadata": {"name": "p", "deletionTimestamp": "2026-01-01T12:00:00Z"},
            "status": {"phase": phase},
        }
    ]
    cluster.refusal = NamespaceTerminating("it is being terminated")

    async with acting(cluster, broker):
        await until(lambda: cluster.jobs == {}, seconds=20)
        assert reason_of(cluster, "Progressing") == "NamespaceTerminating"

    assert "create job" not in cluster.requests


async def test_namespace_is_asked_about_whatever_the_template_is() -> None:
    cluster = FakeCluster(work_queue_job=a_stored_object(template=a_template(x="y" * 300_000)))
    cluster.refusal = NamespaceTerminating("it is being terminated")
    resource = WorkQueueJob.from_manifest(cluster.work_queue_job)
    obstacles, asked = (
        Obstacles(WorkerImage("worker"), DEFAULT_INSTALLATION),
        cast("ClusterAPI", cluster),
    )

    assert not await obstacles.is_namespace_terminating(asked, resource, is_suspected=False)
    assert await obstacles.is_namespace_terminating(asked, resource, is_suspected=True)

    # A yes is for good, and asked for once.
    assert await obstacles.is_namespace_terminating(asked, resource, is_suspected=False)
    assert cluster.requests == ["try job"]


async def test_pods_that_are_deleted_by_others_cost_their_jobs_nothing(broker: FakeBroker) -> None:
    cluster = FakeCluster(work_queue_job=a_stored_object())
    cluster.jobs[FIRST] = a_job_that_hangs(terminating=1)
    cluster.pods = [{"metadata": {"name": "p", "deletionTimestamp": "2026-01-01T12:00:00Z"}}]

    async with acting(cluster, broker):
        await until(lambda: "list pods" in cluster.requests, seconds=20)
        await until(lambda: "try job" in cluster.requests)

    assert FIRST in cluster.jobs
    assert "patch job status" not in cluster.requests


@pytest.mark.parametrize("version", ["99999", "0"], ids=["newer", "as of a restored backup"])
async def test_object_is_read_again_where_the_watch_does_not_tell(
    broker: FakeBroker, version: str
) -> None:
    cluster = FakeCluster(work_queue_job=a_stored_object())

    async with acting(cluster, broker):
        cluster.work_queue_job["metadata"]["resourceVersion"] = version
        cluster.version = max(cluster.version, int(version))
        await until(lambda: reason_of(cluster, "Complete") == "QueueEmpty")

    assert cluster.requests.count("read workqueuejob") == 1


async def test_conflict_that_lasts_is_tried_ever_more_seldom_whatever_wakes_the_loop(
    broker: FakeBroker,
) -> None:
    cluster = FakeCluster(work_queue_job=a_stored_object())
    cluster.refused["patch status"] = Conflict("the object has been modified")

    async with acting(cluster, broker) as actor:
        await until(lambda: cluster.requests.count("patch status") == 3)
        for _ in range(60):
            actor.wake()
            await asyncio.sleep(0.01)
        assert cluster.requests.count("patch status") <= 4
        # A change of spec is looked at without delay.
        cluster.refused.clear()
        cluster.work_queue_job["metadata"] |= {"generation": 2, "resourceVersion": "9000"}
        actor.update(WorkQueueJob.from_manifest(cluster.work_queue_job))
        await until(lambda: reason_of(cluster, "Complete") == "QueueEmpty")


async def test_conflict_about_a_job_that_lasts_is_tried_ever_more_seldom_and_jobs_are_listed(
    broker: FakeBroker,
) -> None:
    cluster = FakeCluster(work_queue_job=a_stored_object(suspend=True))
    cluster.jobs[FIRST] = a_job_manifest(1)
    cluster.refused["patch job"] = Conflict("the object has been modified")

    async with acting(cluster, broker) as actor:
        await until(lambda: cluster.requests.count("patch job") == 3)
        for _ in range(60):
            actor.wake()
            await asyncio.sleep(0.01)
        assert cluster.requests.count("patch job") <= 4

    # A conflict may come of any change, so after the second one the object is read too.
    rounds = cluster.requests.count("patch job")
    assert cluster.requests.count("list jobs") == rounds
    assert cluster.requests.count("read workqueuejob") == rounds - 2


def a_finished_manifest(wave: int) -> dict[str, Any]:
    return a_job_manifest(
        wave,
        spec={"completions": 1, "parallelism": 1},
        status={"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]},
    )


async def test_finished_jobs_beyond_the_limit_are_deleted_after_they_were_counted(
    broker: FakeBroker,
) -> None:
    cluster = FakeCluster(work_queue_job=a_stored_object(successfulJobsHistoryLimit=1))
    for wave in (1, 2, 3):
        cluster.jobs[job_name(NAME, UID, wave)] = a_finished_manifest(wave)

    async with acting(cluster, broker):
        await until(lambda: len(cluster.jobs) == 1)
        await until(lambda: reason_of(cluster, "Complete") == "Drained")

    assert list(cluster.jobs) == [job_name(NAME, UID, 3)]
    assert cluster.requests.index("patch status") < cluster.requests.index("delete job")
    assert cluster.work_queue_job["status"]["pods"]["succeeded"] == 3


async def test_continuous_run_costs_the_api_server_nothing_while_it_waits(
    broker: FakeBroker,
) -> None:
    cluster = FakeCluster(work_queue_job=a_stored_object(runPolicy="Continuous"))

    async with acting(cluster, broker):
        await until(lambda: reason_of(cluster, "Progressing") == "WaitingForItems")
        before = list(cluster.requests)
        await asyncio.sleep(0.5)  # ten measurements

    assert cluster.requests == before


async def test_run_that_has_ended_is_deleted_when_its_time_is_over(broker: FakeBroker) -> None:
    # Its end is recorded in whole seconds: after 1 of them it might go at once.
    cluster = FakeCluster(work_queue_job=a_stored_object(ttlSecondsAfterFinished=2))

    async with acting(cluster, broker):
        await until(lambda: reason_of(cluster, "Complete") == "QueueEmpty")
        assert "delete workqueuejob" not in cluster.requests
        await until(lambda: "delete workqueuejob" in cluster.requests)

    assert cluster.work_queue_job == {}


async def test_what_a_round_remembers_for_the_next_one_is_there_whoever_begins_it(
    broker: FakeBroker,
) -> None:
    mark: ContextVar[int] = ContextVar("mark", default=0)
    seen: list[int] = []

    class MarkingCluster(FakeCluster):
        async def patch_status(self, *arguments: Any, **options: Any) -> dict[str, Any]:
            seen.append(mark.get())
            mark.set(mark.get() + 1)
            return await super().patch_status(*arguments, **options)

    cluster = MarkingCluster(work_queue_job=a_stored_object(emptyStart="Wait"))
    async with acting(cluster, broker):
        await until(lambda: reason_of(cluster, "Progressing") == "WaitingForItems")
        # The meter's thread has the next round begun.
        broker.queues["job1"].publish("apple")
        await until(lambda: len(cluster.jobs) == 1 and len(seen) > 1)

    assert seen == list(range(len(seen)))
