"""`run`: runs a command for one item after the other, and settles each by how the command ends.

exit 0                              the item succeeded
exit n, killed, timed out           the item failed, with that as the reason
the item can't be passed on         the item failed, because another worker can't pass it either
the worker's grace is over          the command is ended and the item given back; it failed
                                    where the pod's deadline or a container probe ended it
the lease is lost                   the command is ended; another worker settles the item
the program can't be started        the item is given back, and the worker ends
the pod lacks memory, files, space  the item failed, because it may be the cause, and the worker
                                    ends
"""

import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from workqueuejob.contract.notices import say
from workqueuejob.errors import SettingsInvalid
from workqueuejob.worker.command_input import CommandInput, Invocation, ItemUnfit
from workqueuejob.worker.engine import Engine
from workqueuejob.worker.item import Item
from workqueuejob.worker.output import Output, captured
from workqueuejob.worker.poller import Poller
from workqueuejob.worker.process import (
    Processes,
    end_group,
    explain_exhaustion,
    is_alive,
    is_exhaustion,
    is_too_large,
    reap_orphans,
)
from workqueuejob.worker.stop_request import KILL_AFTER_SECONDS, StopRequest

TIMEOUT_KILL_SECONDS = 5.0
"""Between SIGTERM and SIGKILL for a command that took too long, or whose item is lost."""

REAP_SECONDS = 1.0
"""How long a process that a command left behind may be a zombie while the command runs."""

LAST_LINE_MAX_CHARACTERS = 200
"""How much of a command's last line becomes part of the reason of a failure."""

TIMED_OUT, STOPPED, LOST = "timed out", "stopped", "lost"
"""Why the worker ended a command."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended.

    code: its exit code; negative for a signal.
    cause: why the worker ended it; None where it ended by itself.
    """

    code: int
    cause: str | None = None


class Runner:
    """Runs one command for every item, in the main thread.

    program: the path of the command's program.
    prefix_output: whether each line that the command prints gets its item's id.
    adopts_orphans: whether processes that a command leaves behind become this process's children.
    """

    def __init__(
        self,
        engine: Engine,
        stop: StopRequest,
        command_input: CommandInput,
        *,
        program: bytes,
        prefix_output: bool = False,
        adopts_orphans: bool = False,
    ) -> None:
        self.poller = Poller()
        self.processes = Processes(self.poller)
        self._engine = engine
        self._stop = stop
        self._input = command_input
        self._program = program
        self._prefix_output = prefix_output
        self._adopts_orphans = adopts_orphans
        self._group: int | None = None
        self._group_before: int | None = None
        self._has_named_leftovers = False
        self._limit_seconds = engine.settings.item_timeout_seconds or float("inf")
        engine.settlement.on_lost = self.poller.wake

    def run(self) -> None:
        """Work until there is no more to take; raise the error that ends the worker before."""
        while (item := self._engine.next()) is not None:
            try:
                self._work_on(item)
            finally:
                self._reap()
                self._name_leftovers(item)

    def _work_on(self, item: Item) -> None:
        try:
            with (
                self._input.prepare(item) as invocation,
                captured(item.id, self.poller, wanted=self._prefix_output) as output,
            ):
                self._start(invocation, output)
                ended = self._supervise(item, output)
        except ItemUnfit as error:
            item.fail(str(error))
            return
        except MemoryError:
            item.fail(f"out of memory with an item of {len(item.body)} bytes")
            return
        except OSError as error:
            # An item that is given back might end one worker after the other, and no attempt would
            # count.
            self.processes.signal(signal.SIGKILL)
            failure = explain_exhaustion(error)
            item.fail(str(failure))
            raise failure from error
        except BaseException:
            # A missing program is no fault of the item. Whatever else it is, no command may go on
            # with an item that another worker gets.
            self.processes.signal(signal.SIGKILL)
            item.release()
            raise
        if ended.cause == STOPPED:
            self._engine.settlement.interrupt(item)
        elif ended.cause is None and ended.code == 0:
            item.ack()
        elif ended.cause != LOST:
            item.fail(self._explain(ended, output))

    def _start(self, invocation: Invocation, output: Output | None) -> None:
        actions = [*invocation.actions, *(output.actions if output else ())]
        try:
            self.processes.start(self._program, invocation.arguments, invocation.environ, actions)
        except OSError as error:
            if invocation.holds_item and is_too_large(error):
                raise ItemUnfit(
                    "the item is too large for an argument or variable; "
                    "let the command read it from stdin or a file"
                ) from None
            if is_exhaustion(error):
                raise
            raise SettingsInvalid(
                f"command {os.fsdecode(self._program)!r} can't be started ({error.strerror});"
                " correct the container's command, or its image"
            ) from None
        if output is not None:
            output.started()

    def _supervise(self, item: Item, output: Output | None) -> Ended:
        processes, clock = self.processes, self._engine.clock
        group = processes.group
        late_at = clock() + self._limit_seconds
        cause: str | None = None
        kill_at = float("inf")
        while (code := processes.poll()) is None:
            if cause is None and (cause := self._find_cause(item, late_at)) is not None:
                processes.signal(signal.SIGTERM)
                patience_seconds = KILL_AFTER_SECONDS if cause == STOPPED else TIMEOUT_KILL_SECONDS
                kill_at = clock() + patience_seconds
            # A command that is being ended has no more time than the worker itself.
            kill_at = min(kill_at, self._stop.kill_by) if cause else kill_at
            if clock() >= kill_at:
                processes.signal(signal.SIGKILL)
                due_at = float("inf")
            else:
                due_at = kill_at if cause else min(late_at, self._stop.finish_by)
            ready = self.poller.wait(min(due_at - clock(), REAP_SECONDS))
            if output is not None:
                output.pump(ready)
            if not ready:
                self._reap(besides=group)
        if cause is not None and group is not None:
            end_group(group, kill_at=kill_at, clock=clock)
        elif group is not None:
            self._group_before, self._group = self._group, group
        return Ended(code, cause)

    def _reap(self, *, besides: int | None = None) -> None:
        # After a stop request a container probe may run, whose end another thread awaits.
        if self._adopts_orphans and not self._stop.requested:
            reap_orphans(besides=besides)

    def _name_leftovers(self, item: Item) -> None:
        """Say once that a command left processes, if they outlast the next item's command."""
        if self._has_named_leftovers or self._group_before is None:
            return
        if is_alive(self._group_before):
            self._has_named_leftovers = True
            say("commands leave processes behind, which keep running", seen_after=item.id)

    def _find_cause(self, item: Item, late_at: float) -> str | None:
        """Return why the running command must end now; None while it may go on."""
        if item.is_lost:
            return LOST
        if self._engine.clock() >= late_at:
            return TIMED_OUT
        return STOPPED if self._stop.expired else None

    def _explain(self, ended: Ended, output: Output | None) -> str:
        if ended.cause == TIMED_OUT:
            reason = f"timed out after {self._limit_seconds:g} s"
        elif ended.code < 0:
            reason = f"killed by {_signal_name(-ended.code)}"
        else:
            reason = f"exit code {ended.code}"
        last_line = output.last_line[:LAST_LINE_MAX_CHARACTERS] if output is not None else ""
        return f"{reason}: {last_line}" if last_line else reason


def find_program(command: Sequence[str], environ: Mapping[str, str]) -> bytes:
    """Return the path of the command's program; raise SettingsInvalid if there is none."""
    name = command[0]
    directories = [""] if "/" in name else environ.get("PATH", os.defpath).split(os.pathsep)
    files = [path for folder in directories if os.path.isfile(path := os.path.join(folder, name))]
    for path in files:
        if os.access(path, os.X_OK):
            return os.fsencode(path)
    fault = "is not executable" if files else "not found"
    raise SettingsInvalid(
        f"command {name!r} {fault}; correct the container's command, or its image"
    )


def _signal_name(number: int) -> str:
    with suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"
