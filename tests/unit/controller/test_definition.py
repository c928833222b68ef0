"""The start waits for WorkQueueJobs that can be listed, and for no single namespace."""

import asyncio
from typing import cast

from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.controller.definition import wait_for_definition
from workqueuejob.errors import JobRejected, NotFound

from .fake_cluster import FakeCluster


async def test_namespace_that_can_not_be_read_keeps_no_other_one_waiting() -> None:
    cluster = FakeCluster(refused={"list workqueuejobs first": JobRejected("no role")})
    async with asyncio.timeout(10):
        namespaces = ("first", "second")
        await wait_for_definition(cast("ClusterAPI", cluster), namespaces, asyncio.Event())
    assert cluster.requests == ["list workqueuejobs"] * 2


async def test_start_waits_while_nothing_can_be_listed_unless_it_is_to_stop() -> None:
    cluster, stop = (
        FakeCluster(refused={"list workqueuejobs": NotFound("no kind")}),
        asyncio.Event(),
    )
    waiting = asyncio.create_task(wait_for_definition(cast("ClusterAPI", cluster), (), stop))
    done, _ = await asyncio.wait([waiting], timeout=0.05)
    assert not done
    stop.set()
    await waiting
