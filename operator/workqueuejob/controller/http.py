"""Serves /healthz, /readyz and /metrics over HTTP; what is healthy, its caller decides.

An answer is kept for a second. So a flood of requests costs no more than one answer a second, and
the sending of it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

_KEPT_SECONDS = 1.0

Check = Callable[[], Awaitable[str | None]]
"""Returns the problem in words, or None."""
Render = Callable[[], Awaitable[bytes]]
"""Returns the metrics in Prometheus' text format."""


@asynccontextmanager
async def serve_http(
    *, port: int, alive: Check, ready: Check, render: Render
) -> AsyncIterator[None]:
    """Serve until the context ends: status 200, or 503 with the problem.

    Raises OSError if the port is taken.
    """
    application = web.Application()
    application.add_routes(
        [
            web.get("/healthz", _Page(_judge(alive)).answer),
            web.get("/readyz", _Page(_judge(ready)).answer),
            web.get("/metrics", _Page(_show(render)).answer),
        ]
    )
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, port=port).start()
    try:
        yield
    finally:
        await runner.cleanup()


_Content = tuple[int, bytes, str]
"""Status, body and content type."""


class _Page:
    """One path, and its last content."""

    def __init__(self, build: Callable[[], Awaitable[_Content]]) -> None:
        self._build = build
        self._content: _Content | None = None
        self._built_at = 0.0
        self._building = asyncio.Lock()

    async def answer(self, _request: web.Request) -> web.Response:
        """Return the content, which is a second old at most."""
        async with self._building:
            if self._content is None or time.monotonic() - self._built_at >= _KEPT_SECONDS:
                self._content = await self._build()
                self._built_at = time.monotonic()
            status, body, content_type = self._content
        return web.Response(status=status, body=body, headers={"Content-Type": content_type})


def _judge(check: Check) -> Callable[[], Awaitable[_Content]]:
    async def build() -> _Content:
        problem = await check()
        text = "ok" if problem is None else problem
        status = 200 if problem is None else 503
        return status, f"{text}\n".encode(), "text/plain; charset=utf-8"

    return build


def _show(render: Render) -> Callable[[], Awaitable[_Content]]:
    async def build() -> _Content:
        return 200, await render(), CONTENT_TYPE_LATEST

    return build
