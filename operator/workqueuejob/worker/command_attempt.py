"""One attempt at an item by a command: from its start to the end of all that it has started.

It never waits: the runner waits for all attempts at once, and then has each go on. It ends a
command that takes too long, whose item is lost, or whose worker's grace is over. Settles nothing.
"""

import os
import signal
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass

from workqueuejob.contract.grace import KILL_AFTER_SECONDS
from workqueuejob.errors import SettingsInvalid
from workqueuejob.worker.command_input import CommandInput, Invocation, ItemUnfit
from workqueuejob.worker.item import Item
from workqueuejob.worker.output import Output
from workqueuejob.worker.process import (
    Process,
    Processes,
    is_alive,
    is_exhaustion,
    is_too_large,
    signal_group,
)
from workqueuejob.worker.stop_request import StopRequest

TIMEOUT_KILL_SECONDS = 5.0
"""Between SIGTERM and SIGKILL for a command that took too long, or whose item is lost."""

GROUP_POLL_SECONDS = 0.02
"""How often to look whether a group that was sent SIGTERM has ended, once its command has."""

TIMED_OUT, STOPPED, LOST = "timed out", "stopped", "lost"
"""Why the worker ended a command."""

_NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended.

    code: its exit code; negative for a signal.
    cause: why the worker ended it; None where it ended by itself.
    """

    code: int
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What all attempts of a worker share.

    item_seconds: how long one may take; infinite without a limit.
    stops_at_once: whether a command gets SIGTERM as soon as a stop is requested; it may still end
        by itself until the grace is over.
    """

    stop: StopRequest
    clock: Callable[[], float]
    item_seconds: float
    stops_at_once: bool = False


class CommandAttempt:
    """The command that works on one item.

    number: larger than those of all attempts that this worker began before.
    group: the command's process group; 0 before it is started.
    """

    __slots__ = (
        "_cause",
        "_code",
        "_files",
        "_is_warned",
        "_kill_at",
        "_late_at",
        "_limits",
        "_output",
        "_process",
        "group",
        "item",
        "number",
    )

    def __init__(self, item: Item, number: int, limits: Limits) -> None:
        self.item = item
        self.number = number
        self.group = 0
        self._limits = limits
        self._files = ExitStack()
        self._output: Output | None = None
        self._process: Process | None = None
        self._code: int | None = None
        self._cause: str | None = None
        self._is_warned = False
        self._late_at = self._kill_at = _NEVER

    @property
    def last_line(self) -> str:
        """The last line on stderr that is not blank; empty where the output is not captured."""
        return self._output.last_line if self._output is not None else ""

    def start(
        self, program: bytes, command_input: CommandInput, processes: Processes, *, captures: bool
    ) -> None:
        """Start the command; `close` follows in any case.

        program: the path of the command's program.
        captures: whether each line that it prints gets the item's id.
        Raises ItemUnfit where this item can't be passed, SettingsInvalid where none can, and
        OSError where the pod or its node is short of something.
        """
        invocation = self._files.enter_context(command_input.prepare(self.item))
        actions = invocation.actions
        if captures:
            self._output = output = Output(self.item.id, processes.poller)
            self._files.callback(output.close)
            actions = [*actions, *output.actions]
        try:
            process = processes.start(program, invocation.arguments, invocation.environ, actions)
        except OSError as error:
            if is_exhaustion(error):
                raise
            raise _explain(error, program, invocation) from None
        self._process, self.group = process, process.group
        self._late_at = self._limits.clock() + self._limits.item_seconds
        if self._output is not None:
            self._output.started()

    def go_on(self, ready: Collection[int], processes: Processes) -> Ended | None:
        """Pass output on, and end the command if it is time; return how it ended, or None.

        ready: the descriptors that can be read.
        """
        if self._output is not None:
            self._output.pump(ready)
        process = self._process
        if process is not None and (process.pidfd is None or process.pidfd in ready):
            self._code = processes.poll(process)
            self._process = process = None if self._code is not None else process
        if process is not None:
            self._end_in_time(process)
            return None
        if self._code is None:
            raise RuntimeError("the command was not started")
        if self._cause is not None and is_alive(self.group):
            # It has left processes in its group, which were sent SIGTERM as well.
            if self._limits.clock() < self._kill_at:
                return None
            signal_group(self.group, signal.SIGKILL)
        return Ended(self._code, self._cause)

    def find_due(self) -> float:
        """Return when `go_on` must be called at the latest, by the clock."""
        if self._process is None:
            return self._limits.clock() + GROUP_POLL_SECONDS
        if self._cause is None:
            return min(self._late_at, self._limits.stop.finish_by)
        return self._kill_at

    def kill(self, processes: Processes) -> None:
        """End the command by SIGKILL, if it runs, and do not wait for its end."""
        if self._process is not None:
            self._process.signal(signal.SIGKILL)
            processes.abandon(self._process)
            self._process = None

    def close(self) -> None:
        """Pass on the rest of the output, and remove the item's files."""
        self._files.close()

    def _end_in_time(self, process: Process) -> None:
        limits = self._limits
        now = limits.clock()
        if self._cause is None:
            self._cause = self._find_cause(now)
            if self._cause is None:
                self._warn(process)
                return
            process.signal(signal.SIGTERM)
            patience = KILL_AFTER_SECONDS if self._cause == STOPPED else TIMEOUT_KILL_SECONDS
            self._kill_at = now + patience
        # A command that is being ended has no more time than the worker itself.
        self._kill_at = min(self._kill_at, limits.stop.kill_by)
        if now >= self._kill_at:
            process.signal(signal.SIGKILL)
            self._kill_at = _NEVER

    def _warn(self, process: Process) -> None:
        """Send SIGTERM once a stop is requested, if commands are to get it then."""
        limits = self._limits
        if limits.stops_at_once and limits.stop.requested and not self._is_warned:
            self._is_warned = True
            process.signal(signal.SIGTERM)

    def _find_cause(self, now: float) -> str | None:
        """Return why the running command must end now; None while it may go on."""
        if self.item.is_lost:
            return LOST
        if now >= self._late_at:
            return TIMED_OUT
        return STOPPED if self._limits.stop.expired else None


def _explain(error: OSError, program: bytes, invocation: Invocation) -> Exception:
    """Return the error for a program that can't be started, though the pod lacks nothing."""
    if invocation.holds_item and is_too_large(error):
        return ItemUnfit(
            "the item is too large for an argument or variable; "
            "let the command read it from stdin or a file"
        )
    return SettingsInvalid(
        f"command {os.fsdecode(program)!r} can't be started ({error.strerror});"
        " correct the container's command, or its image"
    )
