"""What this worker has done and whether it holds an item, kept in its termination message.

The file stays open, and taking or finishing an item rewrites it: two system calls, one of which
asks for its size. Another size than what was written last means that the command or program has
written there, too, as programs do that explain how they ended. What it wrote last becomes part of
the report, which takes the file's place again. Only what is written after the last item, by a
worker that is killed before the next, can't be seen here.

Where there is no such file, as outside a pod, nothing is written and nothing is said about it.
"""

import os
from dataclasses import replace

from workqueuejob.contract.report import TEXT_MAX_BYTES, ItemCounts, write_report

_PLACE = 10**18 + 7
"""Stands for the number of successes in a template; no worker gets there."""

_BEGINNING = b'{"wqj":'
"""Of another worker's report, or of what is left of this one's; neither is a command's text."""


class ReportFile:
    """The counts of one worker; used by one thread at a time."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._descriptor = _open(path, os.O_TRUNC)
        self._written = b""
        self._others = ItemCounts()
        self._succeeded = 0
        self._settled_otherwise = 0
        self._note: str | None = None
        self._message: str | None = None
        self._is_holding = False
        self._is_stopping = False
        self._head = b""
        self._tails = {False: b"", True: b""}
        self._write_anew()

    @property
    def counts(self) -> ItemCounts:
        """What was counted so far."""
        return replace(self._others, succeeded=self._succeeded)

    @property
    def noted(self) -> str:
        """Why the worker waits; nothing while it doesn't."""
        return self._note or ""

    @property
    def settled(self) -> int:
        """Items that nobody will see again."""
        return self._succeeded + self._settled_otherwise

    def take(self, **more: int) -> None:
        """Say that an item is in hand; count what is known of it."""
        self._is_holding = True
        if more:
            self.add(**more)
        else:
            self._write()

    def succeed(self) -> None:
        """Count an item that was acknowledged, and is not in hand any more."""
        self._succeeded += 1
        self._is_holding = False
        self._write()

    def let_go(self, **more: int) -> None:
        """Say that no item is in hand any more, and count what became of it."""
        self._is_holding = False
        self.add(**more)

    def add(self, **more: int) -> None:
        """Count anything else, by the names of ItemCounts."""
        self._others = self._others.plus(**more)
        self._settled_otherwise = self._others.settled
        self._write_anew()

    def stop(self) -> None:
        """Say that the worker was told to stop; who is killed for that may not say so later."""
        if not self._is_stopping:
            self._is_stopping = True
            self._write_anew()

    def note(self, why: str) -> None:
        """Say why the worker waits or ended, for the person who reads `kubectl describe pod`."""
        self._note = why or None
        self._write_anew()

    def close(self) -> None:
        """Write it once more, and close the file; what is counted later is not written."""
        self._write()
        self._close()

    def rewrite(self) -> None:
        """Write it again after it was closed, where the program has written there since."""
        if self._descriptor is None:
            self._descriptor = _open(self._path)
        self.close()

    def disown(self) -> None:
        """In a forked child: close its copy of the file, and never write to it."""
        self._path = None
        self._close()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _write_anew(self) -> None:
        self._build()
        self._write()

    def _build(self) -> None:
        counts = replace(self._others, succeeded=_PLACE)
        for holding in (True, False):
            text = write_report(
                counts,
                holding=holding,
                stopping=self._is_stopping,
                note=self._note,
                message=self._message,
            )
            self._head, _, self._tails[holding] = text.encode().partition(b"%d" % _PLACE)
        # Nothing of a longer message may be left behind a shorter one; JSON may end in spaces.
        self._tails[False] = self._tails[False].ljust(len(self._tails[True]))

    def _write(self) -> None:
        if self._descriptor is None:
            return
        try:
            size = os.lseek(self._descriptor, 0, os.SEEK_END)
            is_disturbed = size != len(self._written)
            if is_disturbed:
                self._take_in(self._descriptor, size)
            text = b"%b%d%b" % (self._head, self._succeeded, self._tails[self._is_holding])
            os.pwrite(self._descriptor, text, 0)
            if is_disturbed:
                os.ftruncate(self._descriptor, len(text))
        except OSError:
            # What a message can't hold is not worth an item.
            return
        self._written = text

    def _take_in(self, descriptor: int, size: int) -> None:
        """Make what others wrote to the file part of the report; the last of it, where it is long.

        Behind the report there is what was appended; otherwise nothing of the report is left.
        """
        begins_at = max(size - TEXT_MAX_BYTES, 0)
        if os.pread(descriptor, len(self._written), 0) == self._written:
            begins_at = max(begins_at, len(self._written))
        found = os.pread(descriptor, size - begins_at, begins_at).strip(b"\0 \n")
        if found and not found.startswith(_BEGINNING):
            self._message = found.decode("utf-8", "replace")
            self._build()


def _open(path: str | None, flags: int = 0) -> int | None:
    if path is None:
        return None
    try:
        # The kubelet made it; a file that nobody reads must not appear elsewhere.
        return os.open(path, os.O_RDWR | os.O_CLOEXEC | flags)
    except OSError:
        return None
