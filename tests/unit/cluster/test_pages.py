"""Lists that are longer than a page, against an HTTP server that gives two pods at a time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio import client

from workqueuejob.cluster.api import ClusterAPI

PODS = [{"metadata": {"name": f"pod-{number}"}} for number in range(5)]
PAGE = 2


async def list_pods(request: web.Request) -> web.Response:
    first = int(request.query.get("continue", 0))
    last = first + PAGE
    metadata = {"continue": str(last)} if last < len(PODS) else {}
    return web.json_response({"metadata": metadata, "items": PODS[first:last]})


@asynccontextmanager
async def a_cluster() -> AsyncIterator[ClusterAPI]:
    application = web.Application()
    application.router.add_get("/api/v1/namespaces/shop/pods", list_pods)
    async with TestServer(application) as server:
        configuration = client.Configuration(host=str(server.make_url("")).rstrip("/"))
        async with client.ApiClient(configuration) as api_client:
            yield ClusterAPI(api_client)


async def test_every_page_of_pods_is_listed() -> None:
    async with a_cluster() as cluster:
        assert await cluster.list_pods("shop", label_selector="a=b") == PODS


async def test_sample_of_pods_is_one_page() -> None:
    async with a_cluster() as cluster:
        assert await cluster.list_pods("shop", label_selector="a=b", limit=2) == PODS[:2]
