"""Starts, signals and reaps commands' process groups; decides nothing about their items.

`posix_spawn` with a process descriptor (pidfd) takes a third of the time that `subprocess` takes,
and needs no thread to wait. Where a kernel or sandbox has no such descriptors, SIGCHLD wakes the
worker instead.
"""

import errno
import os
import signal
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any

from workqueuejob.errors import PodExhausted
from workqueuejob.worker.poller import Poller

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


class Process:
    """A command's process group. group: its number; pidfd: None where there are no descriptors."""

    __slots__ = ("group", "pidfd")

    def __init__(self, group: int) -> None:
        self.group = group
        self.pidfd: int | None
        try:
            self.pidfd = os.pidfd_open(group)
        except OSError:
            self.pidfd = None

    def signal(self, number: int) -> None:
        """Send a signal to the whole group."""
        signal_group(self.group, number)


class Processes:
    """Runs commands, and signals all of them. running: those whose end was not seen yet."""

    def __init__(self, poller: Poller) -> None:
        self.running: list[Process] = []
        self.poller = poller
        self._terminal = _find_terminal()
        if self._terminal is not None:
            # So that taking the terminal back, and lines on it, don't stop the worker.
            signal.signal(signal.SIGTTOU, signal.SIG_IGN)

    @property
    def groups(self) -> frozenset[int]:
        """The groups of the commands that run."""
        return frozenset(process.group for process in self.running)

    def start(
        self, path: bytes, arguments: list[bytes], environ: Environment, actions: FileActions
    ) -> Process:
        """Start a program; raises OSError (E2BIG where the arguments are too large)."""
        group = os.posix_spawn(
            path,
            arguments,
            environ,
            file_actions=actions,
            setpgroup=0,
            setsigmask=(),
            setsigdef=_DEFAULT_SIGNALS,
        )
        process = Process(group)
        self.running.append(process)
        self._hand_terminal_to(group)
        if process.pidfd is None:
            self.poller.on_child()
        else:
            self.poller.watch(process.pidfd)
        return process

    def signal(self, number: int) -> None:
        """Send a signal to the groups of all commands that run."""
        for process in self.running:
            process.signal(number)

    def poll(self, process: Process) -> int | None:
        """Return the exit code, negative for a signal, or None while it runs.

        Its end is seen once.
        """
        pid, status = os.waitpid(process.group, os.WNOHANG)
        if pid == 0:
            return None
        self.abandon(process)
        return os.waitstatus_to_exitcode(status)

    def abandon(self, process: Process) -> None:
        """Watch a command no more."""
        self.running.remove(process)
        self._hand_terminal_to(os.getpgrp())
        if process.pidfd is not None:
            self.poller.forget(process.pidfd)
            os.close(process.pidfd)

    def _hand_terminal_to(self, group: int) -> None:
        """Make a group the terminal's foreground group, which alone may change its settings."""
        if self._terminal is not None:
            with suppress(OSError):
                os.tcsetpgrp(self._terminal, group)
                # It may have been stopped for an access before this.
                os.killpg(group, signal.SIGCONT)


def signal_group(group: int, number: int) -> None:
    """Send a signal to a process group, if it is still there."""
    # It may have changed its user, which the kernel answers with EPERM.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def reap_orphans(*, besides: Collection[int] = ()) -> None:
    """Reap every child that has ended.

    besides: the commands that run, whose ends `poll` is to see; those that ended after one wait.
    """
    with suppress(ChildProcessError):
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid in besides:
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
