"""Starts, signals and reaps a command's process group; decides nothing about its item.

`posix_spawn` with a process descriptor (pidfd) takes a third of the time that `subprocess` takes,
and needs no thread to wait. Where a kernel or sandbox has no such descriptors, SIGCHLD wakes the
worker instead.
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
    """Runs commands, one at a time. group: the running command's process group, else None."""

    def __init__(self, poller: Poller) -> None:
        self.group: int | None = None
        self._poller = poller
        self._pidfd: int | None = None
        self._terminal = _find_terminal()
        if self._terminal is not None:
            # So that taking the terminal back, and lines on it, don't stop the worker.
            signal.signal(signal.SIGTTOU, signal.SIG_IGN)

    def start(
        self, path: bytes, arguments: list[bytes], environ: Environment, actions: FileActions
    ) -> None:
        """Start a program; raises OSError (E2BIG where the arguments are too large)."""
        self.group = os.posix_spawn(
            path,
            arguments,
            environ,
            file_actions=actions,
            setpgroup=0,
            setsigmask=(),
            setsigdef=_DEFAULT_SIGNALS,
        )
        self._hand_terminal_to(self.group)
        try:
            self._pidfd = os.pidfd_open(self.group)
            self._poller.watch(self._pidfd)
        except OSError:
            self._pidfd = None
            self._poller.on_child()

    def signal(self, number: int) -> None:
        """Send a signal to the whole group, if a command runs."""
        if self.group is not None:
            # The group may have ended, or changed its user, which the kernel answers with EPERM.
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
        self._hand_terminal_to(os.getpgrp())
        if self._pidfd is not None:
            self._poller.forget(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None
        return os.waitstatus_to_exitcode(status)

    def _hand_terminal_to(self, group: int) -> None:
        """Make a group the terminal's foreground group, which alone may change its settings."""
        if self._terminal is not None:
            with suppress(OSError):
                os.tcsetpgrp(self._terminal, group)
                # It may have been stopped for an access before this.
                os.killpg(group, signal.SIGCONT)


def end_group(group: int, *, kill_at: float, clock: Callable[[], float] = time.monotonic) -> None:
    """Wait until the processes that a command left in its group have ended; then kill them.

    The caller has sent them SIGTERM. kill_at: by the clock, when they are killed.
    """
    while is_alive(group):
        if clock() >= kill_at:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)
            return
        time.sleep(GROUP_POLL_SECONDS)


def reap_orphans(*, besides: int | None = None) -> None:
    """Reap every child that has ended.

    besides: the running command, whose end `poll` is to see; those that ended after it wait.
    """
    with suppress(ChildProcessError):
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid == besides:
                return
            os.waitpid(ended.si_pid, os.WNOHANG)


def hide_from_commands() -> bool:
    """Keep other processes of the same user from reading this one; return whether that is so.

    Without it a command reads the worker's environment, with the queue's login, in /proc: see
    PR_SET_DUMPABLE in prctl(2). Commands don't inherit it, because a program is started readable.
    """
    set_dumpable = 4
    return _prctl(set_dumpable, 0)


def adopt_orphans() -> bool:
    """Become the parent of the processes that commands leave behind; return whether it is so.

    See `PR_SET_CHILD_SUBREAPER` in prctl(2). As process 1 the worker is their parent anyway.
    """
    if os.getpid() == 1:
        return True
    set_child_subreaper = 36
    return _prctl(set_child_subreaper, 1)


def is_too_large(error: OSError) -> bool:
    """Return whether the arguments or the environment were too large for a program."""
    return error.errno == errno.E2BIG


def is_exhaustion(error: OSError) -> bool:
    """Return whether the pod or its node was short of something, so that no program is to blame."""
    return error.errno in _SHORT_OF


def explain_exhaustion(error: OSError) -> PodExhausted:
    """Return the error for what the system refused while an item was passed to its command."""
    resource = _SHORT_OF.get(error.errno or 0, "something")
    return PodExhausted(
        f"the command can't be run: the pod or its node is short of {resource} ({error.strerror})"
    )


def _find_terminal() -> int | None:
    """Return a descriptor of the terminal that a container with `tty: true` has, or None.

    Where a shell started the worker, the shell owns the terminal: Ctrl-C is for the worker then.
    """
    if os.getsid(0) != os.getpid():
        return None
    for descriptor in (0, 1, 2):
        with suppress(OSError):
            if os.tcgetpgrp(descriptor) == os.getpgrp():
                return descriptor
    return None


def _prctl(option: int, value: int) -> bool:
    try:
        import ctypes

        return bool(ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0)
    except (ImportError, OSError, AttributeError):
        return False


def is_alive(group: int) -> bool:
    """Return whether a process of the group is left, zombies aside."""
    # A worker that adopts orphans is their parent, and they are zombies until it reaps them.
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
