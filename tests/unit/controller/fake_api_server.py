"""An API server in memory, as far as kopf watches one: pages, watches that end, and what it heard.

A watch brings nothing by itself: a test ends it as stale, and kopf lists again.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from workqueuejob.names import API_VERSION, GROUP, KIND, PLURAL, VERSION

Manifest = dict[str, Any]

WORK_QUEUE_JOBS = f"/apis/{API_VERSION}/{PLURAL}"
JOBS = "/apis/batch/v1/jobs"
PODS = "/api/v1/pods"

_CRDS = "apiextensions.k8s.io"
_STALE = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}


@dataclass
class FakeAPIServer:
    """objects: by the path of their list. lists, watches: the queries that came, by path.

    refused: the status with which the lists and watches of a path are refused, by path.
    """

    objects: dict[str, list[Manifest]] = field(
        default_factory=lambda: {WORK_QUEUE_JOBS: [], JOBS: [], PODS: []}
    )
    lists: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    watches: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    streams: dict[str, asyncio.Queue[Manifest]] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)

    def send(self, path: str, event: Manifest) -> None:
        """Send an event to the watch of a path."""
        self.streams.setdefault(path, asyncio.Queue()).put_nowait(event)

    def end_as_stale(self, path: str) -> None:
        """End the watch of a path with 410 Gone."""
        self.send(path, _STALE)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        if path in self.objects:
            if path in self.refused:
                answer = {"kind": "Status", "message": "refused", "code": self.refused[path]}
                return web.json_response(answer, status=self.refused[path])
            if "watch" in request.query:
                return await self._watch(request)
            return self._list(request)
        discovered = _DISCOVERY.get(path)
        return web.json_response(discovered, status=200 if discovered else 404)

    def _list(self, request: web.Request) -> web.Response:
        path, query = request.path, dict(request.query)
        self.lists.setdefault(path, []).append(query)
        first = int(query.get("continue", 0))
        last = first + int(query.get("limit", 10_000))
        objects = self.objects[path]
        metadata = {"resourceVersion": "100"}
        if last < len(objects):
            metadata["continue"] = str(last)
        return web.json_response({"metadata": metadata, "items": objects[first:last]})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        self.watches.setdefault(path, []).append(dict(request.query))
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while True:
            event = await self.streams.setdefault(path, asyncio.Queue()).get()
            await response.write(json.dumps(event).encode() + b"\n")
            if event["type"] == "ERROR":
                return response


@asynccontextmanager
async def running_fake_api_server(directory: Path) -> AsyncIterator[tuple[FakeAPIServer, Path]]:
    """Yield the server and a kubeconfig that leads to it."""
    fake = FakeAPIServer()
    application = web.Application()
    application.router.add_get("/{path:.*}", fake.answer)
    async with TestServer(application) as server:
        kubeconfig = directory / "kubeconfig"
        kubeconfig.write_text(
            json.dumps(
                {
                    "clusters": [
                        {"name": "c", "cluster": {"server": str(server.make_url("")).rstrip("/")}}
                    ],
                    "users": [{"name": "u", "user": {"token": "t"}}],
                    "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                    "current-context": "x",
                }
            )
        )
        yield fake, kubeconfig


def _resource(plural: str, kind: str) -> Manifest:
    verbs = ["list", "watch"]
    return {"name": plural, "singularName": "", "kind": kind, "namespaced": True, "verbs": verbs}


def _group(name: str, version: str) -> Manifest:
    return {
        "name": name,
        "versions": [{"version": version}],
        "preferredVersion": {"version": version},
    }


_DISCOVERY: dict[str, Manifest] = {
    "/api": {"versions": ["v1"]},
    "/apis": {"groups": [_group("batch", "v1"), _group(GROUP, VERSION), _group(_CRDS, "v1")]},
    # kopf waits until it knows of the kinds that it could watch by itself.
    f"/apis/{_CRDS}/v1": {
        "resources": [_resource("customresourcedefinitions", "CustomResourceDefinition")]
    },
    "/api/v1": {
        "resources": [
            _resource("pods", "Pod"),
            _resource("namespaces", "Namespace"),
            _resource("events", "Event"),
        ]
    },
    "/apis/batch/v1": {"resources": [_resource("jobs", "Job")]},
    f"/apis/{API_VERSION}": {"resources": [_resource(PLURAL, KIND)]},
}
