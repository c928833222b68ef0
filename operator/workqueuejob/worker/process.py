"""One command's process, in a process group of its own. Starts, signals and reaps it; decides
nothing about its item.

`posix_spawn` with a file descriptor of the process costs a third of what `subprocess` does, and
needs no thread to wait. Where a kernel or sandbox has no such descriptors, SIGCHLD wakes instead.
"""

import errno
import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from workqueuejob.errors import PodExhausted
from workqueuejob.worker.poller import Poller

GROUP_POLL_SECONDS = 0.02

_DEFAULT_SIGNALS = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}

_SHORT_OF = {
    errno.EAGAIN: "processes",
    errno.ENOMEM: "memory",
    errno.EMFILE: "open files",
    errno.ENFILE: "open files",
    errno.ENOSPC: "disk space",
    errno.EDQUOT: "disk space",
}

FileActions = Sequence[tuple[Any, ...]]
Environment = dict[bytes, bytes]


class Processes:
    """Starts commands, one at a time. group: of the one that runs, None between them."""

    def __init__(self, poller: Poller) -> None:
        self.group: int | None = None
        self._poller = poller
        self._pidfd: int | None = None

    def start(
        self, path: bytes, arguments: list[bytes], environ: Environment, actions: FileActions
    ) -> None:
        """Run a program; raises OSError when it can't be (E2BIG: the arguments are too large)."""
        self.group = os.posix_spawn(
            path,
            arguments,
            environ,
            file_actions=actions,
            setpgroup=0,
            setsigmask=(),
            setsigdef=_DEFAULT_SIGNALS,
        )
        try:
            self._pidfd = os.pidfd_open(self.group)
            self._poller.watch(self._pidfd)
        except OSError:
            self._pidfd = None
            self._poller.on_child()

    def signal(self, number: int) -> None:
        """Send a signal to the whole group, if there is one."""
        if self.group is not None:
            # It may have ended, or changed its user, which the kernel answers with EPERM.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.group, number)

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal, or None while it runs."""
        if self.group is None:
            raise RuntimeError("no command runs")
        pid, status = os.waitpid(self.group, os.WNOHANG)
        if pid == 0:
            return None
        self.group = None
        if self._pidfd is not None:
            self._poller.forget(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None
        return os.waitstatus_to_exitcode(status)


def end_group(group: int, *, kill_at: float, clock: Callable[[], float] = time.monotonic) -> None:
    """Wait for what a command has left in its group, which has its SIGTERM; then kill it."""
    while _is_alive(group):
        if clock() >= kill_at:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)
            return
        time.sleep(GROUP_POLL_SECONDS)


def reap_orphans() -> None:
    """Reap every child that has ended; those of ours that run are waited for elsewhere."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def adopt_orphans() -> bool:
    """Become the parent of what commands leave behind; return False where that can't be."""
    if os.getpid() == 1:
        return True
    try:
        import ctypes

        set_child_subreaper = 36
        return bool(ctypes.CDLL(None).prctl(set_child_subreaper, 1, 0, 0, 0) == 0)
    except (ImportError, OSError, AttributeError):
        return False


def is_too_large(error: OSError) -> bool:
    """Whether the arguments or the environment were too large for a program."""
    return error.errno == errno.E2BIG


def is_exhaustion(error: OSError) -> bool:
    """Whether the pod or its node was short of something, so that no program is to blame."""
    return error.errno in _SHORT_OF


def explain_exhaustion(error: OSError) -> PodExhausted:
    """Return what the system refused while an item was handed to its command."""
    what = _SHORT_OF.get(error.errno or 0, "something")
    return PodExhausted(
        f"the command can't be run: the pod or its node is short of {what} ({error.strerror})"
    )


def _is_alive(group: int) -> bool:
    # Orphans of the group are our children if we adopt any, and zombies until they are reaped.
    with suppress(ChildProcessError):
        while os.waitpid(-group, os.WNOHANG)[0]:
            pass
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
