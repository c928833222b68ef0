"""What probes and Prometheus get, and what a flood of requests costs."""

import asyncio

import aiohttp

from dev.servers.ports import find_free_ports
from workqueuejob.controller.http import serve_http


class Counting:
    """Answers, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.problem: str | None = None

    async def check(self) -> str | None:
        self.asked += 1
        await asyncio.sleep(0)
        return self.problem

    async def render(self) -> bytes:
        self.asked += 1
        return b"wqj_leader 1.0\n"


async def test_flood_of_requests_is_answered_from_one_rendering_a_second() -> None:
    metrics, alive = Counting(), Counting()
    (port,) = find_free_ports(1)
    async with (
        serve_http(port=port, alive=alive.check, ready=alive.check, render=metrics.render),
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):

        async def get(path: str) -> str:
            async with session.get(path) as answer:
                return await answer.text()

        loop = asyncio.get_running_loop()
        began = loop.time()
        bodies = await asyncio.gather(*(get("/metrics") for _ in range(300)))
        await asyncio.gather(*(get("/healthz") for _ in range(300)))
        seconds = loop.time() - began

    assert set(bodies) == {"wqj_leader 1.0\n"}
    assert metrics.asked <= seconds + 1
    assert alive.asked <= seconds + 1


async def test_problem_is_answered_with_503_and_its_words() -> None:
    ready = Counting()
    ready.problem = "the watches have not started"
    (port,) = find_free_ports(1)
    async with (
        serve_http(port=port, alive=Counting().check, ready=ready.check, render=ready.render),
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):
        async with session.get("/readyz") as answer:
            assert (answer.status, await answer.text()) == (503, "the watches have not started\n")
        async with session.get("/healthz") as answer:
            assert (answer.status, await answer.text()) == (200, "ok\n")
        async with session.get("/metrics") as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=")
