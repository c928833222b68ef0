"""Lets one task go on per round of the event loop, so that many actors don't delay the rest.

In each round the loop runs all tasks that are ready before it looks at its sockets. Two thousand
actors that wake together plan for some milliseconds each. In one round that would last for seconds,
in which no answer and no watch is read, and what was planned grows old.
"""

import asyncio
from collections import deque


class Turns:
    """The tasks that wait for a turn; first come, first served."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        """Wait for a turn, which lasts until the caller awaits something else."""
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
