"""How many lists of Jobs many WorkQueueJobs need, and who gets which Jobs."""

import asyncio
from typing import Any, cast

import pytest

from tests.builders import NAMESPACE, a_job_manifest
from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.controller.job_lists import MOST_AT_ONCE, JobLists
from workqueuejob.errors import ClusterUnavailable
from workqueuejob.names import UID_LABEL

from .fake_cluster import FakeCluster

Manifest = dict[str, Any]


class SlowCluster(FakeCluster):
    """Answers once `answers` is set, and fails as long as `fails` is."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = asyncio.Event()
        self.answers.set()
        self.fails = False

    async def list_jobs(self, namespace: str, *, label_selector: str) -> tuple[list[Manifest], str]:
        listed = await super().list_jobs(namespace, label_selector=label_selector)
        await self.answers.wait()
        if self.fails:
            raise ClusterUnavailable("503")
        return listed


def a_job_of(uid: str, wave: int = 1) -> Manifest:
    job = a_job_manifest(wave)
    job["metadata"]["labels"][UID_LABEL] = uid
    job["metadata"]["name"] = f"{uid}-{wave}"
    return job


def lists_of(cluster: FakeCluster) -> JobLists:
    return JobLists(cast("ClusterAPI", cluster))


async def test_many_that_ask_at_once_share_lists_and_each_gets_its_own_jobs() -> None:
    cluster = SlowCluster()
    uids = [f"u{number}" for number in range(2 * MOST_AT_ONCE)]
    cluster.jobs = {uid: a_job_of(uid) for uid in uids}
    lists = lists_of(cluster)

    listed = await asyncio.gather(*(lists.list_jobs(NAMESPACE, uid) for uid in uids))

    assert [[job["metadata"]["name"] for job in jobs] for jobs, _ in listed] == [
        [f"{uid}-1"] for uid in uids
    ]
    assert cluster.requests == ["list jobs"] * 2


async def test_list_begins_after_it_was_asked_for() -> None:
    cluster = SlowCluster()
    cluster.answers.clear()
    lists = lists_of(cluster)
    first = asyncio.create_task(lists.list_jobs(NAMESPACE, "u"))
    while not cluster.requests:
        await asyncio.sleep(0)
    # The list that is under way lacks this Job.
    cluster.jobs = {"u": a_job_of("u")}
    second = asyncio.create_task(lists.list_jobs(NAMESPACE, "u"))
    await asyncio.sleep(0)
    cluster.answers.set()

    assert [len((await asked)[0]) for asked in (first, second)] == [0, 1]


async def test_failed_list_fails_all_that_asked_and_none_that_ask_later() -> None:
    cluster = SlowCluster()
    cluster.fails = True
    lists = lists_of(cluster)

    answers = await asyncio.gather(
        *(lists.list_jobs(NAMESPACE, uid) for uid in ("u", "v")), return_exceptions=True
    )
    assert all(isinstance(answer, ClusterUnavailable) for answer in answers)

    cluster.fails = False
    assert await lists.list_jobs(NAMESPACE, "u") == ([], str(cluster.version))


async def test_one_that_gives_up_keeps_no_other_from_its_jobs() -> None:
    cluster = SlowCluster()
    cluster.answers.clear()
    cluster.jobs = {"v": a_job_of("v")}
    lists = lists_of(cluster)
    gives_up = asyncio.create_task(lists.list_jobs(NAMESPACE, "u"))
    stays = asyncio.create_task(lists.list_jobs(NAMESPACE, "v"))
    await asyncio.sleep(0)
    gives_up.cancel()
    cluster.answers.set()

    jobs, _ = await stays
    assert [job["metadata"]["name"] for job in jobs] == ["v-1"]
    with pytest.raises(asyncio.CancelledError):
        await gives_up


async def test_error_of_any_kind_reaches_all_that_wait() -> None:
    class OddCluster(FakeCluster):
        async def list_jobs(self, _namespace: str, *, label_selector: str) -> Any:
            raise ValueError(label_selector)

    lists = lists_of(OddCluster())
    answers = await asyncio.gather(
        *(asyncio.wait_for(lists.list_jobs(NAMESPACE, uid), 5) for uid in ("u1", "u2")),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [ValueError, ValueError]
