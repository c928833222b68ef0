"""What is written to the API server is asked for first, whatever it is."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio import client

from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.cluster.connection import GuardedClient
from workqueuejob.errors import Conflict, NotLeading
from workqueuejob.leadership.leases import LeaseAPI
from workqueuejob.leadership.rules import Lease

WRITES: dict[str, tuple[Any, ...]] = {
    "create_job": ({"metadata": {"namespace": "shop", "name": "fruits-1"}},),
    "patch_job_spec": ("shop", "fruits-1", {"suspend": True}),
    "patch_job_condition": ("shop", "fruits-1", {"type": "SuccessCriteriaMet"}),
    "patch_status": ("shop", "fruits", {"waves": 1}),
    "delete_job": ("shop", "fruits-1"),
    "delete_work_queue_job": ("shop", "fruits"),
    "delete_pod": ("shop", "fruits-1-0"),
    "create_event": ("shop", {"metadata": {"generateName": "fruits-"}}),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "patch_job_spec": {"resource_version": "1"},
    "patch_job_condition": {"resource_version": "1"},
    "patch_status": {"resource_version": "1"},
    "delete_job": {"uid": "u", "resource_version": "1"},
    "delete_work_queue_job": {"uid": "u", "resource_version": "1"},
    "delete_pod": {"uid": "u", "grace_period_seconds": 1},
}
READS: dict[str, tuple[Any, ...]] = {
    "read_job": ("shop", "fruits-1"),
    "list_jobs": ("shop",),
    "list_work_queue_jobs": ("shop",),
    "read_work_queue_job": ("shop", "fruits"),
    "list_pods": ("shop",),
    "read_secret": ("shop", "mq"),
}
READ_OPTIONS: dict[str, dict[str, Any]] = {
    "list_jobs": {"label_selector": "a=b"},
    "list_pods": {"label_selector": "a=b", "limit": 1},
    "list_work_queue_jobs": {"limit": 1},
}


@dataclass
class Server:
    """Answers everything with an object, and notes what it was asked."""

    url: str = ""
    requests: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.requests.append(f"{request.method} {request.path}")
        status = 201 if request.method == "POST" else 200
        listed = {"metadata": {"resourceVersion": "1"}, "items": []}
        return web.json_response(LEASE if "/leases" in request.path else listed, status=status)


LEASE = {
    "metadata": {"name": "wqj", "resourceVersion": "7"},
    "spec": {
        "holderIdentity": "pod-1_uid",
        "leaseDurationSeconds": 8,
        "acquireTime": "2026-01-01T12:00:00.000000Z",
        "renewTime": "2026-01-01T12:00:02.500000Z",
        "leaseTransitions": 3,
    },
}


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()


@asynccontextmanager
async def guarded_api(
    answer: Callable[[web.Request], Awaitable[web.Response]], guard: Callable[[], None]
) -> AsyncIterator[ClusterAPI]:
    """Yield the operator's requests to a server that answers each in this way."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(application) as server:
        configuration = client.Configuration(host=str(server.make_url("")).rstrip("/"))
        async with GuardedClient(configuration, guard) as guarded:
            yield ClusterAPI(guarded)


async def test_crowd_of_requests_goes_a_few_at_a_time_and_slow_writes_hold_up_no_read() -> None:
    open_requests: list[str] = []
    most = 0
    ended = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        nonlocal most
        open_requests.append(request.method)
        most = max(most, len(open_requests))
        if request.method == "POST":
            await ended.wait()
        open_requests.remove(request.method)
        return web.json_response({"metadata": {"resourceVersion": "1"}, "items": []}, status=200)

    async with guarded_api(answer, lambda: None) as cluster, asyncio.TaskGroup() as writes:
        for _ in range(200):
            writes.create_task(cluster.create_event("shop", {"metadata": {}}))
        await asyncio.sleep(0)
        for _ in range(200):
            await cluster.list_jobs("shop", label_selector="a=b")
        assert most <= 30
        ended.set()

    assert most <= 30


async def test_statuses_that_take_long_hold_up_no_job() -> None:
    under_way: list[str] = []
    ended = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        if "/workqueuejobs/" in request.path:
            under_way.append(request.path)
            await ended.wait()
        return web.json_response({"metadata": {"resourceVersion": "1"}})

    async with guarded_api(answer, lambda: None) as cluster, asyncio.TaskGroup() as writes:
        for number in range(12):
            patch = cluster.patch_status("shop", f"fruits-{number}", {}, resource_version="1")
            writes.create_task(patch)
        await asyncio.sleep(0)
        for _ in range(12):
            await cluster.patch_job_condition(
                "shop", "fruits-1", {"type": "SuccessCriteriaMet"}, resource_version="1"
            )
        assert len(under_way) <= 4
        ended.set()

    assert len(under_way) == 12


async def test_write_that_waited_asks_again_when_its_turn_comes() -> None:
    leads, ended, seen = True, asyncio.Event(), 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal seen
        seen += 1
        await ended.wait()
        return web.json_response({}, status=201)

    def ask() -> None:
        if not leads:
            raise NotLeading("stale")

    async with guarded_api(answer, ask) as cluster:
        writes = [
            asyncio.create_task(cluster.create_event("shop", {"metadata": {}})) for _ in range(50)
        ]
        while not seen:
            await asyncio.sleep(0.01)
        leads = False
        ended.set()
        results = await asyncio.gather(*writes, return_exceptions=True)

    refused = [result for result in results if isinstance(result, NotLeading)]
    assert len(refused) >= 50 - 30
    assert seen == 50 - len(refused)


def refuse() -> None:
    raise NotLeading("stale")


def public_methods() -> set[str]:
    return {name for name in vars(ClusterAPI) if not name.startswith("_")}


def test_every_request_of_the_operator_is_in_these_tests() -> None:
    assert public_methods() == READS.keys() | WRITES.keys()


@pytest.mark.parametrize("method", WRITES)
async def test_no_write_leaves_a_replica_that_does_not_lead(server: Server, method: str) -> None:
    async with GuardedClient(client.Configuration(host=server.url), refuse) as guarded:
        with pytest.raises(NotLeading):
            await getattr(ClusterAPI(guarded), method)(*WRITES[method], **OPTIONS.get(method, {}))

    assert server.requests == []


@pytest.mark.parametrize("method", WRITES)
async def test_the_leaders_writes_arrive(server: Server, method: str) -> None:
    async with GuardedClient(client.Configuration(host=server.url), lambda: None) as guarded:
        await getattr(ClusterAPI(guarded), method)(*WRITES[method], **OPTIONS.get(method, {}))

    assert len(server.requests) == 1


@pytest.mark.parametrize("method", READS)
async def test_reading_is_free(server: Server, method: str) -> None:
    async with GuardedClient(client.Configuration(host=server.url), refuse) as guarded:
        await getattr(ClusterAPI(guarded), method)(*READS[method], **READ_OPTIONS.get(method, {}))

    assert len(server.requests) == 1


async def test_lease_is_read_and_replaced_as_it_was_read(server: Server) -> None:
    async with client.ApiClient(client.Configuration(host=server.url)) as opened:
        leases = LeaseAPI(opened, namespace="shop", name="wqj")
        lease = await leases.read()
        assert lease is not None
        assert await leases.write(lease) == lease

    assert (lease.holder, lease.duration_seconds, lease.transitions) == ("pod-1_uid", 8, 3)
    assert lease.resource_version == "7"
    path = "/apis/coordination.k8s.io/v1/namespaces/shop/leases/wqj"
    assert server.requests == [f"GET {path}", f"PUT {path}"]


async def test_lease_that_is_not_stored_yet_is_created(server: Server) -> None:
    async with client.ApiClient(client.Configuration(host=server.url)) as opened:
        leases = LeaseAPI(opened, namespace="shop", name="wqj")
        await leases.write(Lease("pod-1_uid", 8, acquired=None, renewed=None))

    assert server.requests == ["POST /apis/coordination.k8s.io/v1/namespaces/shop/leases"]


async def test_lease_that_somebody_else_has_just_created_is_a_conflict() -> None:
    async def refuse_creation(_: web.Request) -> web.Response:
        status = {"reason": "AlreadyExists", "message": 'leases "wqj" already exists'}
        return web.json_response(status, status=409)

    application = web.Application()
    application.router.add_post("/{path:.*}", refuse_creation)
    async with TestServer(application) as taken:
        configuration = client.Configuration(host=str(taken.make_url("")).rstrip("/"))
        async with client.ApiClient(configuration) as opened:
            leases = LeaseAPI(opened, namespace="shop", name="wqj")
            with pytest.raises(Conflict, match="already exists"):
                await leases.write(Lease("pod-1_uid", 8, acquired=None, renewed=None))
