"""Waits while a command runs: for its end, its output, a signal or a lost lease.

A `poll` with a self-pipe: signal handlers and other threads write to the pipe, so no wake-up is
lost between a check and the wait. Reads no descriptor but that pipe.
"""

import os
import select
import signal
from collections.abc import Callable
from contextlib import suppress
from math import ceil
from types import FrameType

_CHUNK_BYTES = 512


class Poller:
    """The descriptors that the main thread waits on, and the pipe that wakes it."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._poll = select.poll()
        self._poll.register(self._reading, select.POLLIN)
        self._watches_children = False

    def on_signal(self, number: int, handle: Callable[[int], None]) -> None:
        """Call `handle` in the main thread when the signal comes, and wake it."""

        def run(number: int, _frame: FrameType | None) -> None:
            handle(number)
            self.wake()

        signal.signal(number, run)

    def on_child(self) -> None:
        """Wake when any child ends; for kernels without a process descriptor."""
        if not self._watches_children:
            self._watches_children = True
            self.on_signal(signal.SIGCHLD, lambda _: None)
            # The child may have ended before the handler was there.
            self.wake()

    def watch(self, descriptor: int) -> None:
        """Wake when the descriptor can be read, or its other end is closed."""
        self._poll.register(descriptor, select.POLLIN)

    def forget(self, descriptor: int) -> None:
        """Watch the descriptor no more."""
        self._poll.unregister(descriptor)

    def wake(self) -> None:
        """End the present wait, or the next one; signal handlers and other threads call this."""
        # A full pipe ends the wait just as well.
        with suppress(BlockingIOError):
            os.write(self._writing, b"\0")

    def wait(self, seconds: float) -> list[int]:
        """Wait for at most so many seconds; return the watched descriptors that can be read."""
        ready = self._poll.poll(ceil(max(seconds, 0.0) * 1000))
        readable = [descriptor for descriptor, _ in ready]
        if self._reading in readable:
            readable.remove(self._reading)
            with suppress(BlockingIOError):
                while len(os.read(self._reading, _CHUNK_BYTES)) == _CHUNK_BYTES:
                    pass
        return readable

    def close(self) -> None:
        """Close the pipe."""
        os.close(self._reading)
        os.close(self._writing)
