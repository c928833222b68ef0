"""Stands between the API server and kopf: trims what kopf's watches bring, and adds deletions.

kopf lists objects, watches them, and lists them again when the API server has forgotten where the
watch was (410 Gone). An object that was deleted in between is in no list and in no event. So each
list is compared with the one before, and the next watch begins with the deletions.

It plugs in as aiohttp's `response_class`, the class that a session uses for its answers.
"""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

import aiohttp
from yarl import URL

from workqueuejob.cluster.decoding import decode
from workqueuejob.cluster.pages import Manifest, Trim, read_page
from workqueuejob.cluster.trimming import trim_job, trim_pod, trim_to_identity, trim_work_queue_job
from workqueuejob.names import PLURAL

PAGE_MAX_OBJECTS = 100
"""kopf handles the objects of a page without letting the event loop run anything else."""

_CHUNK_BYTES = 1 << 16
_TRIMS: Mapping[str, Trim] = {PLURAL: trim_work_queue_job, "jobs": trim_job, "pods": trim_pod}
_CHANGES = frozenset({"ADDED", "MODIFIED", "DELETED"})


class WatchReader:
    """Reads kopf's lists and watches, and remembers which objects they showed."""

    def __init__(self) -> None:
        # By the path of the list, then by UID: the object that a deletion will show.
        self._known: dict[str, dict[str, bytes]] = {}
        self._listed: dict[str, dict[str, bytes]] = {}
        self._gone: dict[str, dict[str, bytes]] = {}

    def follows(self, url: URL) -> bool:
        """Return whether a request is for objects that are trimmed."""
        return url.name in _TRIMS

    async def read_list(self, url: URL, chunks: AsyncIterator[bytes]) -> Manifest:
        """Return a page of a list, trimmed; after the last page, find what is gone."""
        page = await read_page(chunks, _TRIMS[url.name])
        if "continue" not in url.query:
            self._listed[url.path] = {}
        listed = self._listed.setdefault(url.path, {})
        listed.update((_uid(item), _write_last_state(url.name, item)) for item in page.items)
        if not page.token:
            self._compare(url.path)
        return {**page.fields, "items": page.items}

    async def read_watch(self, url: URL, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield the deletions that the last watch missed, then the lines of the watch, trimmed."""
        gone = self._gone.get(url.path, {})
        while gone:
            _, last_state = gone.popitem()
            yield b'{"type":"DELETED","object":%s}\n' % last_state
        async for line in _split_lines(chunks):
            event = decode(line.decode())
            if event.get("type") in _CHANGES:
                event["object"] = _TRIMS[url.name](event["object"])
                self._note(url, event)
            yield json.dumps(event, separators=(",", ":")).encode() + b"\n"

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
        async def start(self, connection: Any) -> aiohttp.ClientResponse:
            await super().start(connection)
            if self._is_followed and "watch" in self.url.query:
                # Of the content kopf calls only `iter_chunked`.
                self.content = cast("Any", _TrimmedContent(self.content, reader, self.url))
            return self

        async def json(self, **_options: Any) -> Any:
            if self._is_followed:
                return await reader.read_list(self.url, self.content.iter_chunked(_CHUNK_BYTES))
            return decode(await self.text())

        @property
        def _is_followed(self) -> bool:
            return self.status == 200 and reader.follows(self.url)

    return Response


class _TrimmedContent:
    """The body of a watch, line by line."""

    def __init__(self, content: aiohttp.StreamReader, reader: WatchReader, url: URL) -> None:
        self._content = content
        self._reader = reader
        self._url = url

    def iter_chunked(self, _size: int) -> AsyncIterator[bytes]:
        """Yield one line after the other; the size does not matter to kopf."""
        return self._reader.read_watch(self._url, self._content.iter_chunked(_CHUNK_BYTES))

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


def _write_last_state(plural: str, manifest: Manifest) -> bytes:
    """Return the object that a deletion shows: of a pod, its last state, and else its metadata."""
    state = manifest if plural == "pods" else {}
    return json.dumps({**state, **trim_to_identity(manifest)}, separators=(",", ":")).encode()
