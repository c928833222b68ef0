"""What kopf asks the API server for, and what our handlers hear of: kopf itself, real requests."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import kopf
import pytest
from yarl import URL

from tests.builders import a_job_manifest
from workqueuejob.cluster.unreadable import Unreadable
from workqueuejob.cluster.watching import PAGE_MAX_OBJECTS, WatchReader
from workqueuejob.controller.operator import build_kopf_settings, log_in_through
from workqueuejob.names import GROUP, PLURAL, UID_LABEL, VERSION, WORKER_LABEL

from .acting import until
from .fake_api_server import JOBS, PODS, WORK_QUEUE_JOBS, FakeAPIServer, running_fake_api_server

Manifest = dict[str, Any]


@dataclass
class Heard:
    """The events that handlers got, as (type, name), and the last object of each name."""

    events: list[tuple[str | None, str]] = field(default_factory=list)
    objects: dict[str, Manifest] = field(default_factory=dict)

    async def take(self, *, event: Any, **_: Any) -> None:
        name = event["object"]["metadata"]["name"]
        self.events.append((event["type"], name))
        self.objects[name] = dict(event["object"])

    def phase_of(self, name: str) -> str | None:
        status: Manifest = self.objects.get(name, {}).get("status", {})
        return status.get("phase")


def an_object(name: str, **parts: Any) -> Manifest:
    metadata = {"name": name, "namespace": "shop", "uid": f"uid of {name}", "resourceVersion": "7"}
    return {"metadata": {**metadata, **parts.pop("metadata", {})}, **parts}


def a_pod(name: str, *, phase: str = "Succeeded", **metadata: Any) -> Manifest:
    labels = {WORKER_LABEL: "true", UID_LABEL: "u"}
    return an_object(name, metadata={"labels": labels, **metadata}, status={"phase": phase})


def a_job(wave: int) -> Manifest:
    job = a_job_manifest(wave)
    job["metadata"]["labels"][UID_LABEL] = "u"
    job["metadata"] |= {"namespace": "shop", "uid": f"uid of {wave}", "resourceVersion": "7"}
    return job


@asynccontextmanager
async def watching(
    kubeconfig: Path,
    heard: Heard,
    *,
    namespaces: Sequence[str] = (),
    unreadable: Unreadable | None = None,
    excluded_namespaces: Collection[str] = (),
) -> AsyncIterator[None]:
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(log_in_through(WatchReader(unreadable=unreadable)))
    kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)(heard.take)
    kopf.on.event("batch", "v1", "jobs", registry=registry)(heard.take)
    kopf.on.event("v1", "pods", registry=registry)(heard.take)
    ready, stop = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(
        kopf.operator(
            registry=registry,
            settings=build_kopf_settings(excluded_namespaces),
            standalone=True,
            clusterwide=not namespaces,
            namespaces=namespaces,
            identity=cast("Any", "test"),
            ready_flag=ready,
            stop_flag=stop,
        )
    )
    await ready.wait()
    try:
        yield
    finally:
        stop.set()
        await running


@pytest.fixture
async def server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[FakeAPIServer, Path]]:
    async with running_fake_api_server(tmp_path) as (fake, kubeconfig):
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        yield fake, kubeconfig


async def test_api_server_selects_what_is_ours_and_gives_it_in_pages(
    server: tuple[FakeAPIServer, Path],
) -> None:
    fake, kubeconfig = server
    fake.objects[PODS] = [a_pod(f"pod-{number}") for number in range(PAGE_MAX_OBJECTS + 1)]
    heard = Heard()

    async with watching(kubeconfig, heard):
        await until(lambda: len(heard.events) == PAGE_MAX_OBJECTS + 1)
        await until(lambda: {JOBS, PODS, WORK_QUEUE_JOBS} <= fake.watches.keys())

    for path, selector in ((JOBS, UID_LABEL), (PODS, WORKER_LABEL), (WORK_QUEUE_JOBS, None)):
        requests = [*fake.lists[path], *fake.watches[path]]
        assert {query.get("labelSelector") for query in requests} == {selector}, path
        assert {query.get("limit") for query in fake.lists[path]} == {str(PAGE_MAX_OBJECTS)}, path
    assert [query.get("continue") for query in fake.lists[PODS]] == [None, str(PAGE_MAX_OBJECTS)]


async def test_api_server_leaves_out_the_namespaces_of_other_installations(
    server: tuple[FakeAPIServer, Path],
) -> None:
    fake, kubeconfig = server

    async with watching(kubeconfig, Heard(), excluded_namespaces=("shop", "bank")):
        await until(lambda: {JOBS, PODS, WORK_QUEUE_JOBS} <= fake.watches.keys())

    for path in (JOBS, PODS, WORK_QUEUE_JOBS):
        asked = {query.get("fieldSelector") for query in [*fake.lists[path], *fake.watches[path]]}
        assert asked == {"metadata.namespace!=bank,metadata.namespace!=shop"}, path


@pytest.mark.parametrize("path", [JOBS, PODS, WORK_QUEUE_JOBS])
async def test_deletion_that_no_watch_has_told_is_told_after_the_next_list(
    server: tuple[FakeAPIServer, Path], path: str
) -> None:
    fake, kubeconfig = server
    builders: dict[str, Callable[[int], Manifest]] = {
        JOBS: a_job,
        PODS: lambda number: a_pod(f"pod-{number}"),
        WORK_QUEUE_JOBS: lambda number: an_object(f"fruits-{number}"),
    }
    build = builders[path]
    fake.objects[path] = [build(1), build(2)]
    gone, came = build(1)["metadata"]["name"], build(3)["metadata"]["name"]
    heard = Heard()

    async with watching(kubeconfig, heard):
        await until(lambda: len(heard.events) == 2 and path in fake.watches)
        fake.send(path, {"type": "ADDED", "object": build(3)})
        await until(lambda: ("ADDED", came) in heard.events)
        fake.objects[path] = [build(2)]
        fake.end_as_stale(path)
        await until(lambda: {("DELETED", gone), ("DELETED", came)} <= set(heard.events))
        await until(lambda: len(fake.watches[path]) == 2)

    stays = build(2)["metadata"]["name"]
    assert ("DELETED", stays) not in heard.events
    assert heard.objects[gone]["metadata"]["uid"] == build(1)["metadata"]["uid"]
    # A watch that ends later goes on from where the list was.
    assert fake.watches[path][-1]["resourceVersion"] == "100"


async def test_pod_whose_deletion_was_missed_is_told_as_it_was_last_seen(
    server: tuple[FakeAPIServer, Path],
) -> None:
    fake, kubeconfig = server
    fake.objects[PODS] = [a_pod("pod-1", phase="Running")]
    heard = Heard()

    async with watching(kubeconfig, heard):
        await until(lambda: PODS in fake.watches)
        fake.objects[PODS] = []
        fake.end_as_stale(PODS)
        await until(lambda: ("DELETED", "pod-1") in heard.events)

    assert heard.objects["pod-1"]["status"] == {"phase": "Running"}
    assert heard.objects["pod-1"]["metadata"]["labels"][UID_LABEL] == "u"


async def test_object_that_was_told_as_deleted_is_not_told_again(
    server: tuple[FakeAPIServer, Path],
) -> None:
    fake, kubeconfig = server
    fake.objects[JOBS] = [a_job(1), a_job(2)]
    heard = Heard()

    async with watching(kubeconfig, heard):
        await until(lambda: len(heard.events) == 2 and JOBS in fake.watches)
        fake.send(JOBS, {"type": "DELETED", "object": a_job(1)})
        fake.objects[JOBS] = []
        fake.end_as_stale(JOBS)
        second = a_job(2)["metadata"]["name"]
        await until(lambda: ("DELETED", second) in heard.events)

    assert len([kind for kind, _ in heard.events if kind == "DELETED"]) == 2


async def test_nothing_large_that_nobody_reads_reaches_the_handlers(
    server: tuple[FakeAPIServer, Path],
) -> None:
    fake, kubeconfig = server
    huge = "x" * 500_000
    job = a_job(1)
    job["metadata"]["annotations"] = {"huge": huge}
    job["metadata"]["managedFields"] = [{"huge": huge}]
    job["spec"]["template"] = {"huge": huge}
    pod = a_pod("pod-1", annotations={"huge": huge})
    pod["spec"] = {"containers": [{"name": "c", "env": [{"name": "A", "value": huge}]}]}
    template = {"metadata": {"annotations": {"huge": huge}}}
    fake.objects[JOBS], fake.objects[PODS] = [job], [pod]
    fake.objects[WORK_QUEUE_JOBS] = [an_object("fruits", spec={"template": template})]
    heard = Heard()

    async with watching(kubeconfig, heard):
        await until(lambda: len(heard.events) == 3)
        await until(lambda: JOBS in fake.watches)
        job["metadata"]["generation"] = 2
        fake.send(JOBS, {"type": "MODIFIED", "object": job})
        name = job["metadata"]["name"]
        await until(lambda: ("MODIFIED", name) in heard.events)

    assert len(heard.objects) == 3
    assert all(len(str(one)) < 3000 for one in heard.objects.values())


async def test_pod_is_told_once_it_has_started(server: tuple[FakeAPIServer, Path]) -> None:
    fake, kubeconfig = server
    fake.objects[PODS] = [a_pod("pod-1", phase="Pending"), a_pod("pod-2", phase="Running")]
    heard = Heard()

    async with watching(kubeconfig, heard):
        await until(lambda: PODS in fake.watches)
        fake.send(PODS, {"type": "ADDED", "object": a_pod("pod-3", phase="Pending")})
        for phase in ("Running", "Succeeded"):
            fake.send(PODS, {"type": "MODIFIED", "object": a_pod("pod-1", phase=phase)})
            await until(lambda: heard.phase_of("pod-1") == phase)  # noqa: B023 - is awaited here
        fake.send(PODS, {"type": "DELETED", "object": a_pod("pod-1")})
        await until(lambda: ("DELETED", "pod-1") in heard.events)

    changes = [("MODIFIED", "pod-1"), ("MODIFIED", "pod-1"), ("DELETED", "pod-1")]
    assert heard.events == [(None, "pod-2"), *changes]


def in_namespace(path: str, namespace: str) -> str:
    """Return the path of the same objects in one namespace."""
    version, _, plural = path.rpartition("/")
    return f"{version}/namespaces/{namespace}/{plural}"


@pytest.mark.parametrize("status", [403, 404, 503])
async def test_namespace_that_is_refused_harms_no_other_one_and_comes_back(
    server: tuple[FakeAPIServer, Path], status: int
) -> None:
    fake, kubeconfig = server
    first, second = (in_namespace(WORK_QUEUE_JOBS, name) for name in ("first", "second"))
    for path in (WORK_QUEUE_JOBS, JOBS, PODS):
        for name in ("first", "second"):
            fake.objects[in_namespace(path, name)] = []
    fake.objects[first] = [an_object("fruits")]
    fake.refused[first] = status
    heard, changes = Heard(), list[tuple[str, str, bool]]()
    unreadable = Unreadable(pause_seconds=0.1, on_change=lambda *change: changes.append(change))

    async with watching(kubeconfig, heard, namespaces=["first", "second"], unreadable=unreadable):
        await until(lambda: bool(changes) and second in fake.watches)
        fake.send(second, {"type": "ADDED", "object": an_object("nuts")})
        await until(lambda: ("ADDED", "nuts") in heard.events)
        del fake.refused[first]
        await until(lambda: (None, "fruits") in heard.events)

    assert changes == [("first", PLURAL, False), ("first", PLURAL, True)]


async def test_what_a_refused_namespace_held_stays_known_until_it_is_listed_again(
    server: tuple[FakeAPIServer, Path],
) -> None:
    fake, kubeconfig = server
    fake.objects[WORK_QUEUE_JOBS] = [an_object("stays"), an_object("goes")]
    heard, changes = Heard(), list[tuple[str, str, bool]]()
    unreadable = Unreadable(pause_seconds=0.1, on_change=lambda *change: changes.append(change))

    async with watching(kubeconfig, heard, unreadable=unreadable):
        await until(lambda: len(heard.events) == 2 and WORK_QUEUE_JOBS in fake.watches)
        fake.refused[WORK_QUEUE_JOBS] = 403
        fake.end_as_stale(WORK_QUEUE_JOBS)
        await until(lambda: ("*", PLURAL, False) in changes)
        fake.objects[WORK_QUEUE_JOBS] = [an_object("stays")]
        assert "DELETED" not in {kind for kind, _ in heard.events}
        fake.refused.clear()
        await until(lambda: ("DELETED", "goes") in heard.events)

    assert ("DELETED", "stays") not in heard.events


async def test_watch_that_ends_with_any_error_is_followed_by_a_list(
    server: tuple[FakeAPIServer, Path],
) -> None:
    fake, kubeconfig = server
    heard = Heard()

    async with watching(kubeconfig, heard, unreadable=Unreadable(pause_seconds=0.1)):
        await until(lambda: JOBS in fake.watches)
        fake.objects[JOBS] = [a_job(1)]
        fake.send(JOBS, {"type": "ERROR", "object": {"kind": "Status", "code": 500}})
        await until(lambda: len(heard.events) == 1)


async def test_page_is_given_to_kopf_when_the_objects_before_it_have_had_their_turn() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield json.dumps({"metadata": {}, "items": [a_job(1)]}).encode()

    turn = asyncio.Event()

    async def take_turn() -> None:
        await turn.wait()

    reader = WatchReader(pause=take_turn)
    reading = asyncio.create_task(reader.read_list(URL(f"http://server{JOBS}"), chunks()))
    done, _ = await asyncio.wait([reading], timeout=0.05)
    assert not done
    turn.set()

    assert [job["metadata"]["name"] for job in (await reading)["items"]] == [
        a_job(1)["metadata"]["name"]
    ]
