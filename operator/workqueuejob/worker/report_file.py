"""Keeps a worker's report in its container's termination message, a file that it rewrites.

The file stays open, and each item that is taken or settled rewrites it by two system calls. One of
them asks for the size. Another size than that of the last writing means that the command or program
has written there, too, as programs do to explain how they ended. The end of that text becomes part
of the report, and the report replaces the text. A text that was written after the last item is not
read if the worker is killed before the next one.

Where several workers report in one container, `report_sharing` says who writes.

Where the file does not exist, as outside a pod, nothing is written, and no file is created.
`contract.report` decides the format.
"""

import os
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace

from workqueuejob.contract.report import TEXT_MAX_BYTES, ItemCounts, write_report
from workqueuejob.worker.report_sharing import REPORT_PREFIX, append, lock, read_others

_PLACE = 10**18 + 7
"""Stands for the number of successes in a template; no worker settles so many items."""


class ReportFile:
    """The report of one worker; used by one thread at a time."""

    def __init__(self, path: str | None, *, lacks: Collection[str] | None = None) -> None:
        """Begin the report.

        lacks: the features that this worker was asked for and does not know; None if none was.
        """
        self._path = path
        self._lacks = lacks
        self._descriptor = _open(path)
        self._is_writer = False
        self._of_other_workers = ItemCounts()
        self._written = b""
        self._others = ItemCounts()
        self._succeeded = 0
        self._settled_otherwise = 0
        self._note: str | None = None
        self._message: str | None = None
        self._held = 0
        self._is_stopping = False
        self._head = b""
        self._tails: dict[int, bytes] = {}
        self._become_writer()
        self._rebuild()

    @property
    def counts(self) -> ItemCounts:
        """The counts so far."""
        return replace(self._others, succeeded=self._succeeded)

    @property
    def noted(self) -> str:
        """Why the worker waits; empty while it does not wait."""
        return self._note or ""

    @property
    def settled(self) -> int:
        """Items that are settled for good: succeeded, dead-lettered or discarded."""
        return self._succeeded + self._settled_otherwise

    def take(self, **more: int) -> None:
        """Report one more item in hand; add to the counts, as in `take(attempts_lost=1)`."""
        self._held += 1
        if more:
            self.add(**more)
        else:
            self._write()

    def succeed(self) -> None:
        """Count an item that was acknowledged, and is not in hand any more."""
        self._succeeded += 1
        self._held = max(self._held - 1, 0)
        self._write()

    def let_go(self, **more: int) -> None:
        """Report one item in hand less; add to the counts what became of it."""
        self._held = max(self._held - 1, 0)
        self.add(**more)

    def add(self, **more: int) -> None:
        """Add to the counts, by the names of ItemCounts, as in `add(uncertain=1)`."""
        self._others = self._others.plus(**more)
        self._settled_otherwise = self._others.settled
        self._rebuild()

    def stop(self) -> None:
        """Report that a stop was requested, at once, because SIGKILL may end the worker."""
        if not self._is_stopping:
            self._is_stopping = True
            self._rebuild()

    def note(self, reason: str) -> None:
        """Report why the worker waits or ended, for the reader of `kubectl describe pod`."""
        self._note = reason or None
        self._rebuild()

    def close(self) -> None:
        """Write the report once more, and close the file; what is counted later is not written."""
        if self._descriptor is not None and not self._is_writer:
            with suppress(OSError):
                self._leave_to_writer(self._descriptor)
        self._write()
        self._close()

    def rewrite(self) -> None:
        """Write the report again after `close`, because the program may have written there."""
        if self._descriptor is None:
            self._descriptor = _open(self._path)
            self._is_writer = self._descriptor is not None and self._may_rewrite(self._descriptor)
        if self._is_writer:
            self._write()
        self._close()

    def disown(self) -> None:
        """In a forked child: close its copy of the file; write nothing any more."""
        self._path = None
        self._close()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _become_writer(self) -> None:
        """Write the file from now on, with what others reported, unless another worker does."""
        if self._descriptor is None:
            return
        with suppress(OSError):
            if lock(self._descriptor):
                self._of_other_workers = read_others(self._descriptor)
                os.ftruncate(self._descriptor, 0)
                self._is_writer = True

    def _leave_to_writer(self, descriptor: int) -> None:
        """Append the report for the worker that writes, or write it where that has ended."""
        self._become_writer()
        if not self._is_writer:
            self._build()
            append(descriptor, self._text)
            self._written = b""
            # The writer may have ended meanwhile, without a look at what was appended.
            self._become_writer()
            if self._is_writer:
                # They are among what was read.
                self._succeeded, self._others = 0, ItemCounts()
        self._build()

    def _may_rewrite(self, descriptor: int) -> bool:
        """Return whether the file holds this worker's report, or no worker's."""
        if not self._written or not lock(descriptor):
            return False
        head = os.pread(descriptor, len(self._written), 0)
        return head == self._written or not head.startswith(REPORT_PREFIX)

    @property
    def _text(self) -> bytes:
        succeeded, tail = self._succeeded + self._of_other_workers.succeeded, self._find_tail()
        return b"%b%d%b" % (self._head, succeeded, tail)

    def _rebuild(self) -> None:
        self._build()
        self._write()

    def _build(self) -> None:
        self._tails.clear()

    def _find_tail(self) -> bytes:
        """Return what follows the number of successes; `_head` is what precedes it."""
        tail = self._tails.get(self._held)
        if tail is None:
            text = write_report(
                replace(self._others + self._of_other_workers, succeeded=_PLACE),
                held=self._held,
                stopping=self._is_stopping,
                lacks=self._lacks,
                note=self._note,
                message=self._message,
            )
            self._head, _, tail = text.encode().partition(b"%d" % _PLACE)
            self._tails[self._held] = tail
        return tail

    def _write(self) -> None:
        if self._descriptor is None or not self._is_writer:
            return
        try:
            size = os.lseek(self._descriptor, 0, os.SEEK_END)
            is_disturbed = size != len(self._written)
            if is_disturbed:
                self._take_in(self._descriptor, size)
            # Spaces cover the end of a longer message; JSON may end in spaces.
            text = self._text.ljust(len(self._written))
            os.pwrite(self._descriptor, text, 0)
            if is_disturbed:
                os.ftruncate(self._descriptor, len(text))
        except OSError:
            # A report that can't be written is no reason to fail an item.
            return
        self._written = text

    def _take_in(self, descriptor: int, size: int) -> None:
        """Make what others wrote to the file part of the report: the end of a text, or reports.

        Where the report is still at the beginning, the text follows it; otherwise the text is the
        whole file.
        """
        length = len(self._written)
        is_intact = os.pread(descriptor, length, 0) == self._written
        if is_intact and os.pread(descriptor, size, length).lstrip().startswith(REPORT_PREFIX):
            self._of_other_workers += read_others(descriptor, begins_at=length)
            self._build()
            return
        begins_at = max(size - TEXT_MAX_BYTES, length if is_intact else 0)
        text = os.pread(descriptor, size - begins_at, begins_at).strip(b"\0 \n")
        if text and not text.startswith(REPORT_PREFIX):
            self._message = text.decode("utf-8", "replace")
            self._build()


def _open(path: str | None) -> int | None:
    if path is None:
        return None
    try:
        # Without O_CREAT, because the kubelet has created the file where it reads it.
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
