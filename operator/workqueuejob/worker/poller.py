"""What wakes the main thread while a command runs: its end, its output, a signal, a lost lease."""

import os
import select
import signal
from collections.abc import Callable
from contextlib import suppress
from math import ceil
from types import FrameType

SEVERAL_BYTES = 512


class Poller:
    """A poll, and a pipe that signal handlers and other threads write to."""

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
        """Wake when a child ends, for want of a descriptor that tells."""
        if not self._watches_children:
            self._watches_children = True
            self.on_signal(signal.SIGCHLD, lambda _: None)
            # It may have ended before.
            self.wake()

    def watch(self, descriptor: int) -> None:
        """Wake when there is something to read, or the other side is gone."""
        self._poll.register(descriptor, select.POLLIN)

    def forget(self, descriptor: int) -> None:
        """Watch it no more."""
        self._poll.unregister(descriptor)

    def wake(self) -> None:
        """Wake the main thread, or keep it from falling asleep; for handlers and threads."""
        # A full pipe wakes it just as well.
        with suppress(BlockingIOError):
            os.write(self._writing, b"\0")

    def wait(self, seconds: float) -> list[int]:
        """Return the descriptors that can be read, none of which after so many seconds."""
        ready = self._poll.poll(None if seconds == float("inf") else max(ceil(seconds * 1000), 0))
        found = [descriptor for descriptor, _ in ready]
        if self._reading in found:
            found.remove(self._reading)
            with suppress(BlockingIOError):
                while len(os.read(self._reading, SEVERAL_BYTES)) == SEVERAL_BYTES:
                    pass
        return found

    def close(self) -> None:
        """Close the pipe."""
        os.close(self._reading)
        os.close(self._writing)
