"""Reads the pages of the API server's lists, object by object. Sends no request.

A page of a hundred objects may be 150 MB of text, and ten times that as Python's objects. So each
object is decoded as soon as its last byte is there, and trimmed before the next one is decoded.
"""

import asyncio
import codecs
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from workqueuejob.cluster.decoding import decode_at

_SPACE = re.compile(r"\s*+")

Manifest = dict[str, Any]
Trim = Callable[[Manifest], Manifest]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list: its objects, and the list's other fields."""

    items: list[Manifest]
    fields: Manifest

    @property
    def token(self) -> str:
        """The `continue` token with which to ask for the next page; empty in the last one."""
        return (self.fields.get("metadata") or {}).get("continue") or ""

    @property
    def resource_version(self) -> str:
        """The version of the store that the whole list shows."""
        return (self.fields.get("metadata") or {}).get("resourceVersion") or ""


async def read_page(chunks: AsyncIterator[bytes], trim: Trim) -> Page:
    """Return a page whose objects `trim` has trimmed; raises ValueError if it is not a list."""
    text = _Text(chunks)
    items: list[Manifest] = []
    fields: Manifest = {}
    await text.take("{")
    while not await text.take("}"):
        name = await text.read_value()
        await text.take(":")
        if name == "items" and await text.take("["):
            while not await text.take("]"):
                items.append(trim(await text.read_value()))
                # A page that has arrived as a whole has nothing to wait for. Other tasks must get
                # their turn in between.
                await asyncio.sleep(0)
                await text.take(",")
        else:
            fields[name] = await text.read_value()
        await text.take(",")
    await text.finish()
    return Page(items, fields)


class _Text:
    """JSON text that arrives in pieces; keeps only what was not read."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._position = 0
        self._is_over = False

    async def take(self, mark: str) -> bool:
        """Return whether the next character is `mark`, and if so, go past it."""
        await self._skip_space()
        if not self._text.startswith(mark, self._position):
            return False
        self._position += 1
        return True

    async def read_value(self) -> Any:
        """Return the next JSON value and go past it; raises ValueError if there is none."""
        await self._skip_space()
        while True:
            try:
                value, end = decode_at(self._text, self._position)
            except ValueError:
                if self._is_over:
                    raise
                end = len(self._text)
            if end < len(self._text) or self._is_over:
                self._position = end
                return value
            # Twice as much each time, so that a long value is not tried after every piece.
            await self._fetch(len(self._text) - self._position)

    async def finish(self) -> None:
        """Read to the end, so that the connection can be used again."""
        async for _ in self._chunks:
            pass

    async def _skip_space(self) -> None:
        while (end := _end_of_space(self._text, self._position)) == len(self._text):
            if self._is_over:
                raise ValueError("the text ends within a list")
            await self._fetch(1)
        self._position = end

    async def _fetch(self, count: int) -> None:
        """Wait until `count` more characters, or the end, have arrived."""
        pieces, self._position = [self._text[self._position :]], 0
        while count > 0 and not self._is_over:
            chunk = await anext(self._chunks, None)
            self._is_over = chunk is None
            piece = self._decoder.decode(chunk or b"", final=self._is_over)
            pieces.append(piece)
            count -= len(piece)
        self._text = "".join(pieces)


def _end_of_space(text: str, begin: int) -> int:
    space = _SPACE.match(text, begin)
    return space.end() if space else begin
