"""Passes a command's output on line by line, each with its item's id in front.

Used only on request: otherwise the command writes to the worker's own stdout and stderr directly.
A line ends with a line feed or a carriage return; one that does not end within a mebibyte is passed
on in pieces.
"""

import fcntl
import os
from collections.abc import Collection
from contextlib import suppress

from workqueuejob.worker.poller import Poller
from workqueuejob.worker.process import FileActions

STDOUT, STDERR = 1, 2
LINE_MAX_BYTES = 2**20
_CHUNK_BYTES = 2**16


class Stream:
    """A pipe from a command's stdout or stderr to the worker's. target: the worker's descriptor."""

    def __init__(self, target: int, prefix: bytes) -> None:
        self.target = target
        self.last_line = b""
        self._prefix = prefix
        self._pending = b""
        self._ended_by_return = False
        self.reading, self.writing = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self.reading, False)

    def pump(self) -> bool:
        """Pass on what can be read now; return False at the end of the stream."""
        with suppress(BlockingIOError):
            chunk = os.read(self.reading, _CHUNK_BYTES)
            if not chunk:
                return False
            self._pass_on(chunk)
        return True

    def drain(self) -> None:
        """Pass on what is in the pipe, even if a process still holds the other end.

        What is written meanwhile is not waited for: a process that was left behind may never end.
        """
        left = fcntl.fcntl(self.reading, fcntl.F_GETPIPE_SZ)
        with suppress(BlockingIOError):
            while left > 0 and (chunk := os.read(self.reading, min(_CHUNK_BYTES, left))):
                left -= len(chunk)
                self._pass_on(chunk)
        if self._pending:
            self._write([self._pending])
            self._pending = b""

    def _pass_on(self, chunk: bytes) -> None:
        # A progress bar ends its lines with a carriage return alone.
        if self._ended_by_return and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        self._ended_by_return = chunk.endswith(b"\r")
        lines = (self._pending + chunk).splitlines(keepends=True)
        is_complete = not lines or lines[-1].endswith((b"\n", b"\r"))
        self._pending = b"" if is_complete else lines.pop()
        if len(self._pending) > LINE_MAX_BYTES:
            lines.append(self._pending)
            self._pending = b""
        if lines:
            self._write([line.rstrip(b"\r\n") for line in lines])

    def _write(self, lines: list[bytes]) -> None:
        self.last_line = next((line for line in reversed(lines) if line.strip()), self.last_line)
        text = b"".join(b"%b%b\n" % (self._prefix, line) for line in lines)
        written = 0
        # A worker whose output is closed goes on, because its items are worth as much.
        with suppress(OSError):
            while written < len(text):
                written += os.write(self.target, text[written:] if written else text)


class Output:
    """Both streams of one command."""

    def __init__(self, item_id: str, poller: Poller) -> None:
        prefix = f"[{item_id}] ".encode()
        self._poller = poller
        self._streams = {}
        for target in (STDOUT, STDERR):
            stream = Stream(target, prefix)
            self._streams[stream.reading] = stream
            poller.watch(stream.reading)
        self._open = set(self._streams)

    @property
    def actions(self) -> FileActions:
        """The file actions by which the command's streams become these pipes."""
        return tuple((os.POSIX_SPAWN_DUP2, s.writing, s.target) for s in self._streams.values())

    @property
    def last_line(self) -> str:
        """The last line on stderr that is not blank."""
        line = next(s.last_line for s in self._streams.values() if s.target == STDERR)
        return line.decode("utf-8", "replace").strip()

    def started(self) -> None:
        """Close this process's writing ends, so that only the command holds them."""
        for stream in self._streams.values():
            if stream.writing >= 0:
                os.close(stream.writing)
                stream.writing = -1

    def pump(self, ready: Collection[int]) -> None:
        """Pass on what can be read from these descriptors."""
        for descriptor in self._open.intersection(ready):
            if not self._streams[descriptor].pump():
                self._forget(descriptor)

    def close(self) -> None:
        """Pass on the rest, and close everything."""
        self.started()
        for descriptor, stream in self._streams.items():
            stream.drain()
            if descriptor in self._open:
                self._forget(descriptor)
            os.close(descriptor)

    def _forget(self, descriptor: int) -> None:
        self._open.discard(descriptor)
        self._poller.forget(descriptor)
