"""Lists are read page by page, and each page object by object."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio import client

from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.cluster.pages import read_page

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


def names(pods: list[dict[str, Any]]) -> list[str]:
    return [pod["metadata"]["name"] for pod in pods]


async def test_every_page_of_pods_is_listed() -> None:
    async with a_cluster() as cluster:
        assert names(await cluster.list_pods("shop", label_selector="a=b")) == names(PODS)


async def test_sample_of_pods_is_one_page() -> None:
    async with a_cluster() as cluster:
        sample = await cluster.list_pods("shop", label_selector="a=b", limit=2)
        assert names(sample) == names(PODS[:2])


async def pieces(text: bytes, size: int) -> AsyncIterator[bytes]:
    for begin in range(0, len(text), size):
        yield text[begin : begin + size]


ITEMS = [
    {"metadata": {"name": f'n{number} "]}}\\'}, "items": [[1, {"b": []}]], "s": "ü🍎"}
    for number in range(4)
]
LISTS = {
    "as built-in kinds": {"kind": "PodList", "metadata": {"continue": "t"}, "items": ITEMS},
    "as custom resources": {"items": ITEMS, "kind": "PodList", "metadata": {"continue": "t"}},
    "with items in its metadata": {"items": ITEMS, "metadata": {"continue": "t", "items": [3]}},
}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100, 10_000])
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("listed", LISTS.values(), ids=LISTS)
async def test_page_is_the_same_in_whatever_pieces_it_comes(
    listed: dict[str, Any], indent: int | None, size: int
) -> None:
    text = json.dumps(listed, ensure_ascii=False, indent=indent).encode()

    page = await read_page(pieces(text, size), lambda item: item)

    assert page.items == ITEMS
    assert page.token == "t"


async def test_deep_object_in_a_page_hides_none_of_the_others() -> None:
    deep = '{"a":' * 10_000 + "1" + "}" * 10_000
    text = f'{{"items":[{{"n":1}},{deep},{{"n":3}}],"metadata":{{}}}}'.encode()

    page = await read_page(pieces(text, 1000), lambda item: item)

    assert [item.get("n") for item in page.items] == [1, None, 3]


async def test_an_object_is_trimmed_before_the_next_one_is_decoded() -> None:
    seen: list[str] = []

    async def told() -> AsyncIterator[bytes]:
        yield b'{"items":[{"n":1},'
        seen.append("the next piece")
        yield b'{"n":2}],"metadata":{}}'

    await read_page(told(), lambda item: seen.append(item["n"]) or {})  # type: ignore[func-returns-value]  # both at once

    assert seen == [1, "the next piece", 2]


async def test_others_run_between_the_objects_of_a_page_that_is_there_as_a_whole() -> None:
    ran = 0

    async def run() -> None:
        nonlocal ran
        while True:
            ran += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(run())
    items = ",".join(['{"n":1}'] * 20)

    await read_page(pieces(f'{{"items":[{items}]}}'.encode(), 1000), lambda item: item)

    other.cancel()
    assert ran >= 20


@pytest.mark.parametrize("text", [b"", b"{", b"null", b'{"items":[{"a":1}', b"<html>"])
async def test_what_is_no_list_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        await read_page(pieces(text, 3), lambda item: item)


async def seconds_for(text: bytes) -> float:
    began = time.process_time()
    await read_page(pieces(text, 1000), lambda item: item)
    return time.process_time() - began


@pytest.mark.parametrize("character", ["x", '"', "["])
async def test_long_value_in_many_pieces_takes_a_time_that_grows_with_its_length(
    character: str,
) -> None:
    def listed(length: int) -> bytes:
        return json.dumps({"items": [{"a": character * length}], "metadata": {}}).encode()

    seconds = min([await seconds_for(listed(200_000)) for _ in range(3)])

    assert await seconds_for(listed(1_600_000)) < 24 * seconds
