"""How often pods are listed that don't start or end, and what is found in them."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from tests.builders import a_job, a_pod_metadata
from workqueuejob.api import WorkQueueJob
from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.controller.waiting_pods import WaitingPodWatchman
from workqueuejob.planning.observing.lingering_pods import CONTAINERS_LEFT
from workqueuejob.planning.observing.observed import PodProblem

from .acting import a_stored_object
from .fake_cluster import FakeCluster


class Looking:
    """A watchman that is asked when it says that it is due."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.watchman = WaitingPodWatchman(lambda: self.now)
        self.cluster = FakeCluster(work_queue_job=a_stored_object())
        self.resource = WorkQueueJob.from_manifest(self.cluster.work_queue_job)
        self.problem: PodProblem | None = None

    async def look_for(self, seconds: float, *, terminating: int = 0) -> int:
        """Look for so long; return how often pods were listed."""
        before, end = self.cluster.requests.count("list pods"), self.now + seconds
        job = a_job(active=4, ready=0, terminating=terminating)
        while self.now < end:
            self.problem = await self.watchman.look(
                cast("ClusterAPI", self.cluster), self.resource, (job,)
            )
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


LONG_AGO = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
CREATING = {"waiting": {"reason": "ContainerCreating"}}
ENDED = {"terminated": {"exitCode": 0, "finishedAt": LONG_AGO}}


@pytest.mark.parametrize(
    ("phase", "states", "reason"),
    [
        pytest.param("Pending", (CREATING,), "NotStarted", id="a volume is missing"),
        pytest.param("Running", (ENDED, {"running": {}}), CONTAINERS_LEFT, id="a proxy goes on"),
        pytest.param("Failed", (), "BackOff", id="it failed"),
    ],
)
async def test_what_keeps_pods_from_starting_or_ending_is_found(
    phase: str, states: tuple[dict[str, Any], ...], reason: str
) -> None:
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": LONG_AGO}
    looking = Looking()
    looking.cluster.pods = [
        {
            "metadata": a_pod_metadata("u1", a_job(), creationTimestamp=LONG_AGO),
            "status": {
                "phase": phase,
                "conditions": [scheduled],
                "containerStatuses": [
                    {"name": f"c{number}", "state": state} for number, state in enumerate(states)
                ],
            },
        }
    ]
    await looking.look_for(20)
    assert looking.problem is not None
    assert looking.problem.reason == reason
