"""When the operator looks for pods that don't end, and whose pods it believes."""

from typing import Any, cast

import pytest

from tests.builders import a_job, a_pod_metadata, a_work_queue_job
from tests.unit.controller.fake_cluster import FakeCluster
from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.controller.stuck_pods import (
    PATIENCE_SECONDS,
    STUCK_PODS_REREAD_SECONDS,
    StuckPodWatchman,
)
from workqueuejob.planning.observing.observed import ObservedJob, StuckPod

WAITING = a_job(1, terminating=1)
STUCK = StuckPod("p1", WAITING.uid, "node-1")


class Surroundings:
    """A watchman whose time a test sets."""

    def __init__(self, *pods: dict[str, Any]) -> None:
        self.seconds = 0.0
        self.cluster = FakeCluster(pods=list(pods))
        self.watchman = StuckPodWatchman(lambda: self.seconds)

    async def look(self, *jobs: ObservedJob, after: float = 0.0) -> tuple[StuckPod, ...]:
        self.seconds += after
        cluster = cast("ClusterAPI", self.cluster)
        return await self.watchman.look(cluster, a_work_queue_job(), jobs)


def a_pod(job: ObservedJob = WAITING) -> dict[str, Any]:
    deleted = {"deletionTimestamp": "2026-01-01T12:00:00Z"}
    return {
        "metadata": a_pod_metadata("1", job, name="p1", **deleted),
        "spec": {"nodeName": "node-1"},
        "status": {"phase": "Running"},
    }


@pytest.fixture
def surroundings() -> Surroundings:
    return Surroundings(a_pod())


async def test_pods_are_looked_at_when_one_has_terminated_for_long(
    surroundings: Surroundings,
) -> None:
    assert await surroundings.look(WAITING) == ()
    assert await surroundings.look(WAITING, after=PATIENCE_SECONDS - 1) == ()
    assert surroundings.cluster.requests == []
    assert surroundings.watchman.is_waiting
    assert await surroundings.look(WAITING, after=1) == (STUCK,)


async def test_they_are_not_looked_at_with_every_reconcile(surroundings: Surroundings) -> None:
    await surroundings.look(WAITING)
    await surroundings.look(WAITING, after=PATIENCE_SECONDS)
    assert await surroundings.look(WAITING, after=STUCK_PODS_REREAD_SECONDS - 1) == (STUCK,)
    assert len(surroundings.cluster.requests) == 1
    await surroundings.look(WAITING, after=1)
    assert len(surroundings.cluster.requests) == 2


async def test_job_without_such_a_pod_is_not_asked_about(surroundings: Surroundings) -> None:
    idle = a_job(1, active=2)
    await surroundings.look(idle)
    assert await surroundings.look(idle, after=PATIENCE_SECONDS) == ()
    assert surroundings.cluster.requests == []
    assert not surroundings.watchman.is_waiting


async def test_pod_that_has_gone_after_all_is_forgotten(surroundings: Surroundings) -> None:
    await surroundings.look(WAITING)
    await surroundings.look(WAITING, after=PATIENCE_SECONDS)
    assert await surroundings.look(a_job(1)) == ()
    assert surroundings.watchman.pods == ()


async def test_pod_that_only_bears_the_label_is_nobodys() -> None:
    forged = a_pod()
    forged["metadata"]["ownerReferences"][0]["uid"] = "of another Job"
    surroundings = Surroundings(forged)
    await surroundings.look(WAITING)
    assert await surroundings.look(WAITING, after=PATIENCE_SECONDS) == ()
