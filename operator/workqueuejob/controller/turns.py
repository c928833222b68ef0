"""Lets one go on per round of the event loop, so that no crowd of actors starves the others.

The loop runs everything that is ready before it looks at what came in meanwhile. Two thousand
actors that are woken together, with some milliseconds of planning each, would keep the Lease from
being renewed, and /healthz from being answered, for longer than either bears.
"""

import asyncio
from collections import deque


class Turns:
    """Who waits to go on with something that takes its time; first come, first served."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        """Wait for a turn: what is done until the next wait is done in it."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        if len(self._waiting) == 1:
            loop.call_soon(self._give)
        await turn

    def _give(self) -> None:
        turn = self._waiting.popleft()
        if not turn.done():
            turn.set_result(None)
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._give)
