"""The termination message of a container in which several workers report.

A program may make a worker in each of its threads or processes. The first holds a lock on the file,
and writes it while it works. The others append their reports when they end, and the worker with the
lock adds them up. A process that dies loses the lock. Decides nothing about the format.
"""

import fcntl
import os

from workqueuejob.contract.report import ItemCounts, read_report

REPORT_PREFIX = b'{"wqj":'
"""How any worker's report begins; such a text is no command's."""

_FILE_MAX_BYTES = 1 << 20


def lock(descriptor: int) -> bool:
    """Return whether no other worker has the file; it is locked then, until it is closed."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # A volume without locks has one worker, as far as this one can know.
        return True
    return True


def append(descriptor: int, report: bytes) -> None:
    """Add a worker's last report to the file, behind those that others add at the same time.

    One that is added in the moment in which the worker with the lock cuts the file may be lost.
    """
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_APPEND)
    try:
        os.write(descriptor, b"\n" + report)
    finally:
        # With that flag even a write to the beginning of the file would append.
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags)


def read_others(descriptor: int, *, begins_at: int = 0) -> ItemCounts:
    """Return the sum of the reports in the file from there on.

    A report that says that items are in hand is of a worker that was killed.
    """
    counts = ItemCounts()
    for text in os.pread(descriptor, _FILE_MAX_BYTES, begins_at).split(b"\n"):
        report = read_report(text.decode("utf-8", "replace"))
        if report is not None:
            counts = (counts + report.counts).plus(uncertain=report.held)
    return counts
