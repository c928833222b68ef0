"""Says once a second that the event loop goes on, and answers other threads' questions there.

The loop that works may stall: in a long step of one task, or because the machine is slow. The
thread that holds the Lease reads here how long that has lasted.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from workqueuejob.controller.stalls import Stalls

BEAT_SECONDS = 1.0
_ANSWER_SECONDS = 1.0

AnswerT = TypeVar("AnswerT")


class Pulse:
    """The event loop that works, as another thread sees it."""

    def __init__(self) -> None:
        """Take the running loop."""
        self.stalls = Stalls()
        self._loop = asyncio.get_running_loop()
        self.beats = 0
        """How often the loop has said that it goes on."""

    async def beat(self) -> None:
        """Beat every second, without an end."""
        while True:
            self.beats += 1
            self.stalls.note_beat()
            await asyncio.sleep(BEAT_SECONDS)

    async def ask(self, question: Callable[[], AnswerT], *, otherwise: AnswerT) -> AnswerT:
        """Return what a function returns in the loop; `otherwise` if the loop stalls.

        Another thread's loop awaits it. What the function reads is not changed meanwhile.
        """
        answer: Future[AnswerT] = Future()

        def call() -> None:
            if answer.set_running_or_notify_cancel():
                answer.set_result(question())

        self._loop.call_soon_threadsafe(call)
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await asyncio.wrap_future(answer)
        except TimeoutError:
            return otherwise
