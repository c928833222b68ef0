"""How often pods are listed that don't start."""

from typing import cast

from tests.builders import a_job
from workqueuejob.api import WorkQueueJob
from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.controller.waiting_pods import WaitingPodWatchman

from .acting import a_stored_object
from .fake_cluster import FakeCluster


class Looking:
    """A watchman that is asked when it says that it is due."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.watchman = WaitingPodWatchman(lambda: self.now)
        self.cluster = FakeCluster(work_queue_job=a_stored_object())
        self.resource = WorkQueueJob.from_manifest(self.cluster.work_queue_job)

    async def look_for(self, seconds: float, *, terminating: int = 0) -> int:
        """Look for so long; return how often pods were listed."""
        before, end = self.cluster.requests.count("list pods"), self.now + seconds
        job = a_job(active=4, ready=0, terminating=terminating)
        while self.now < end:
            await self.watchman.look(cast("ClusterAPI", self.cluster), self.resource, (job,))
            self.now += self.watchman.look_again_after_seconds or seconds
        return self.cluster.requests.count("list pods") - before


async def test_pods_that_wait_for_an_hour_are_listed_twice_a_minute() -> None:
    looking = Looking()
    first_minute = await looking.look_for(60)
    await looking.look_for(240)
    an_hour = await looking.look_for(3600)
    assert 6 <= first_minute <= 11
    assert 118 <= an_hour <= 122


async def test_pods_that_begin_to_end_are_looked_at_within_seconds() -> None:
    looking = Looking()
    await looking.look_for(600)
    assert await looking.look_for(20, terminating=1) >= 3
