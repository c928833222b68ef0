"""What this worker has done and whether it holds an item, kept in its termination message.

The file stays open, and taking or finishing an item rewrites it with one system call each.
Where there is no such file, as outside a pod, nothing is written and nothing is said about it.
"""

import os
from dataclasses import replace

from workqueuejob.protocol.report import ItemCounts, write_report

NOTE_MAX_LENGTH = 1000
"""Of the 4,096 bytes that Kubernetes keeps of a message."""

_PLACE = 10**18 + 7
"""Stands for the number of successes in a template; no worker gets there."""


class Report:
    """The counts of one worker; used by one thread at a time."""

    def __init__(self, path: str | None) -> None:
        self._descriptor = _open(path)
        self._others = ItemCounts()
        self._succeeded = 0
        self._settled_otherwise = 0
        self._note: str | None = None
        self._is_holding = False
        self._head = b""
        self._tails = {False: b"", True: b""}
        self._write_anew()

    @property
    def counts(self) -> ItemCounts:
        """What was counted so far."""
        return replace(self._others, succeeded=self._succeeded)

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

    def note(self, why: str) -> None:
        """Say why the worker ended, for whoever reads `kubectl describe pod`."""
        self._note = why[:NOTE_MAX_LENGTH]
        self._write_anew()

    def close(self) -> None:
        """Close the file; what is counted later is not written."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _write_anew(self) -> None:
        counts = replace(self._others, succeeded=_PLACE)
        for holding in (True, False):
            text = write_report(counts, holding=holding, note=self._note).encode()
            self._head, self._tails[holding] = text.split(b"%d" % _PLACE)
        # Nothing of a longer message may be left behind a shorter one; JSON may end in spaces.
        self._tails[False] = self._tails[False].ljust(len(self._tails[True]))
        self._write()

    def _write(self) -> None:
        if self._descriptor is None:
            return
        text = b"%b%d%b" % (self._head, self._succeeded, self._tails[self._is_holding])
        try:
            os.pwrite(self._descriptor, text, 0)
        except OSError:
            # What a message can't hold is not worth an item.
            return


def _open(path: str | None) -> int | None:
    if path is None:
        return None
    try:
        # The kubelet made it; a file that nobody reads must not appear elsewhere.
        return os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_TRUNC)
    except OSError:
        return None
