"""Serves /healthz, /readyz and /metrics over HTTP; what is healthy, its caller decides."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

Check = Callable[[], str | None]
"""Returns the problem in words, or None."""


@asynccontextmanager
async def serve_http(*, port: int, alive: Check, ready: Check) -> AsyncIterator[None]:
    """Serve until the context ends: status 200, or 503 with the problem.

    Raises OSError if the port is taken.
    """
    application = web.Application()
    application.add_routes(
        [
            web.get("/healthz", _answer(alive)),
            web.get("/readyz", _answer(ready)),
            web.get("/metrics", _metrics),
        ]
    )
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, port=port).start()
    try:
        yield
    finally:
        await runner.cleanup()


def _answer(check: Check) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_request: web.Request) -> web.Response:
        problem = check()
        if problem is None:
            return web.Response(text="ok\n")
        return web.Response(text=f"{problem}\n", status=503)

    return answer


async def _metrics(_request: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
