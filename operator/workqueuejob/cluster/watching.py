"""Stands between the API server and kopf: trims what kopf's watches bring, and adds deletions.

kopf lists objects, watches them, and lists them again when the API server has forgotten where the
watch was (410 Gone). An object that was deleted in between is in no list and in no event. So each
list is compared with the one before, and the next watch begins with the deletions.

kopf ends the process when a list or a watch is refused, as in one namespace that was deleted. So it
gets a refused list as an empty one, and the watch after it ends after a pause with 410 Gone, upon
which kopf lists again. What was known stays known until a list has shown what is there.

It plugs in as aiohttp's `response_class`, the class that a session uses for its answers.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, cast

import aiohttp
from yarl import URL

from workqueuejob.cluster.decoding import decode
from workqueuejob.cluster.pages import Manifest, Trim, read_page
from workqueuejob.cluster.trimming import trim_job, trim_pod, trim_to_identity, trim_work_queue_job
from workqueuejob.cluster.unreadable import Unreadable
from workqueuejob.names import PLURAL
from workqueuejob.planning.observing.containers import has_started, is_deleted

PAGE_MAX_OBJECTS = 100
"""kopf handles the objects of a page without letting the event loop run anything else."""

_CHUNK_BYTES = 1 << 16
_TRIMS: Mapping[str, Trim] = {PLURAL: trim_work_queue_job, "jobs": trim_job, "pods": trim_pod}
_CHANGES = frozenset({"ADDED", "MODIFIED", "DELETED"})
_KOPFS_OWN = frozenset({401, 429})
"""Refusals that kopf has an answer to: it logs in again, or waits as long as it is asked to."""

_GONE = b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Gone"}}\n'
_NOTHING: Mapping[str, Any] = {"metadata": {"resourceVersion": ""}, "items": []}


class WatchReader:
    """Reads kopf's lists and watches, and remembers which objects they showed."""

    def __init__(
        self,
        *,
        unreadable: Unreadable | None = None,
        pause: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Prepare.

        unreadable: notes which lists are refused. pause: awaited before kopf is given a page, so
            that no more pages wait in memory than the handlers can take.
        """
        self._unreadable = unreadable or Unreadable()
        self._pause = pause
        # By the path of the list, then by UID: the object that a deletion will show.
        self._known: dict[str, dict[str, bytes]] = {}
        self._listed: dict[str, dict[str, bytes]] = {}
        self._gone: dict[str, dict[str, bytes]] = {}

    def follows(self, url: URL) -> bool:
        """Return whether a request is for objects that are trimmed."""
        return url.name in _TRIMS

    async def read_list(self, url: URL, chunks: AsyncIterator[bytes]) -> Manifest:
        """Return a page of a list, trimmed; after the last page, find what is gone.

        A pod that has not started yet is noted, and is not in the page: it says nothing so far.
        """
        page = await read_page(chunks, _TRIMS[url.name])
        if "continue" not in url.query:
            self._listed[url.path] = {}
        listed = self._listed.setdefault(url.path, {})
        listed.update((_uid(item), _write_last_state(url.name, item)) for item in page.items)
        if not page.token:
            self._compare(url.path)
            self._unreadable.forget(url)
        if self._pause is not None:
            await self._pause()
        return {**page.fields, "items": [item for item in page.items if _is_told(url, item)]}

    def refuse_list(self, url: URL, status: int, answer: str) -> Manifest:
        """Return an empty list in the place of a refused one; the next watch ends soon."""
        self._listed.pop(url.path, None)
        self._unreadable.note(url, status, answer)
        return {**_NOTHING}

    async def read_watch(self, url: URL, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield the deletions that the last watch missed, then the lines of the watch, trimmed."""
        if self._unreadable.has(url):
            await asyncio.sleep(self._unreadable.pause_seconds)
            yield _GONE
            return
        self._unreadable.forget(url)
        gone = self._gone.get(url.path, {})
        while gone:
            _, last_state = gone.popitem()
            yield b'{"type":"DELETED","object":%s}\n' % last_state
        async for line in _split_lines(chunks):
            event = decode(line.decode())
            if event.get("type") in _CHANGES:
                event["object"] = _TRIMS[url.name](event["object"])
                self._note(url, event)
                if event["type"] != "DELETED" and not _is_told(url, event["object"]):
                    event = _bookmark(event["object"])
            elif event.get("type") == "ERROR":
                # kopf would end the process at any other error than that a watch is too far back.
                if event["object"].get("code") != 410:
                    await asyncio.sleep(self._unreadable.pause_seconds)
                yield _GONE
                return
            yield json.dumps(event, separators=(",", ":")).encode() + b"\n"

    async def refuse_watch(self, url: URL, status: int, answer: str) -> AsyncIterator[bytes]:
        """Yield the end of a watch that is refused: at once if it only began too far back."""
        if status != 410:
            self._unreadable.note(url, status, answer)
            await asyncio.sleep(self._unreadable.pause_seconds)
        yield _GONE

    def _compare(self, path: str) -> None:
        listed = self._listed.pop(path)
        known = self._known.get(path, {})
        gone = {uid: state for uid, state in known.items() if uid not in listed}
        self._gone.setdefault(path, {}).update(gone)
        self._known[path] = listed

    def _note(self, url: URL, event: Manifest) -> None:
        known, uid = self._known.setdefault(url.path, {}), _uid(event["object"])
        if event["type"] == "DELETED":
            known.pop(uid, None)
        else:
            known[uid] = _write_last_state(url.name, event["object"])


def build_response_class(reader: WatchReader) -> type[aiohttp.ClientResponse]:
    """Return the class of answers for kopf's session, which `reader` reads."""

    class Response(aiohttp.ClientResponse):
        _refusal: tuple[int, str] | None = None

        async def start(self, connection: Any) -> aiohttp.ClientResponse:
            await super().start(connection)
            if not reader.follows(self.url):
                return self
            if self.status >= 400 and self.status not in _KOPFS_OWN:
                self._refusal = self.status, await self.text()
                self.status = 200
            if self.status == 200 and "watch" in self.url.query:
                # Of the content kopf calls only `iter_chunked`.
                self.content = cast("Any", _Content(self.content, self._read_watch))
            return self

        async def json(self, **_options: Any) -> Any:
            if self._refusal is not None:
                return reader.refuse_list(self.url, *self._refusal)
            if self.status == 200 and reader.follows(self.url):
                return await reader.read_list(self.url, self.content.iter_chunked(_CHUNK_BYTES))
            return decode(await self.text())

        def _read_watch(self, content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
            if self._refusal is not None:
                return reader.refuse_watch(self.url, *self._refusal)
            return reader.read_watch(self.url, content.iter_chunked(_CHUNK_BYTES))

    return Response


class _Content:
    """The body of a watch, line by line."""

    def __init__(
        self,
        content: aiohttp.StreamReader,
        read: Callable[[aiohttp.StreamReader], AsyncIterator[bytes]],
    ) -> None:
        self._content = content
        self._read = read

    def iter_chunked(self, _size: int) -> AsyncIterator[bytes]:
        """Yield one line after the other; the size does not matter to kopf."""
        return self._read(self._content)

    def __getattr__(self, name: str) -> Any:
        # aiohttp itself uses more of it, for instance when the connection is closed.
        return getattr(self._content, name)


async def _split_lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield lines without empty ones; looks at each byte once, however the chunks cut them."""
    pieces: list[bytes] = []
    async for chunk in chunks:
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            line = b"".join([*pieces, part])
            pieces.clear()
            if line:
                yield line
        pieces.append(rest)
    if line := b"".join(pieces):
        yield line


def _uid(manifest: Manifest) -> str:
    uid: str = manifest["metadata"]["uid"]
    return uid


def _is_told(url: URL, manifest: Manifest) -> bool:
    """Return whether kopf gets an object. A pod that has not started yet is only noted."""
    return url.name != "pods" or has_started(manifest) or is_deleted(manifest)


def _bookmark(manifest: Manifest) -> Manifest:
    """Return an event that tells kopf how far the watch is, and nothing else."""
    version = manifest["metadata"].get("resourceVersion")
    return {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": version}}}


def _write_last_state(plural: str, manifest: Manifest) -> bytes:
    """Return the object that a deletion shows: of a pod, its last state, and else its metadata."""
    state = manifest if plural == "pods" else {}
    return json.dumps({**state, **trim_to_identity(manifest)}, separators=(",", ":")).encode()
