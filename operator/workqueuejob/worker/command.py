"""`run`: one item after the other is handed to a command, and settled by how the command ends.

exit 0                                 succeeded
exit n, killed, timed out, not fit     failed, with that as the reason
the worker's grace is over             the command is ended, the item given back; failed where the
                                       pod's own deadline or probe ends it
the lease is lost                      the command is ended, the item is somebody else's
the program can't be started           the item is given back, the worker ends: not its fault
the pod is short of what it takes      failed, because it may be its fault, and the worker ends
"""

import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

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
    is_exhaustion,
    is_too_large,
    reap_orphans,
)
from workqueuejob.worker.stop_request import KILL_AFTER_SECONDS, StopRequest

TIMEOUT_KILL_SECONDS = 5.0
"""Between SIGTERM and SIGKILL for a command that took too long, or whose item is lost."""

SAID_MAX_LENGTH = 200

TIMED_OUT, STOPPED, LOST = "timed out", "stopped", "lost"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit code (negative: a signal), and why we ended it, if we did."""

    code: int
    why: str | None = None


class Runner:
    """Runs one command for every item; in the main thread."""

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
        self._limit_seconds = engine.settings.item_timeout_seconds or float("inf")
        engine.settlement.on_lost = self.poller.wake

    def run(self) -> None:
        """Work until there is no more to take; raises what ends the worker before."""
        while (item := self._engine.next()) is not None:
            try:
                self._work_on(item)
            finally:
                if self._adopts_orphans:
                    reap_orphans()

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
            # Given back it might end one worker after the other, and no attempt would ever count.
            self.processes.signal(signal.SIGKILL)
            failure = explain_exhaustion(error)
            item.fail(str(failure))
            raise failure from error
        except BaseException:
            # A missing program is no fault of the item.
            item.release()
            raise
        if ended.why == STOPPED:
            self._engine.settlement.interrupt(item)
        elif ended.why is None and ended.code == 0:
            item.ack()
        elif ended.why != LOST:
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
        why: str | None = None
        kill_at = float("inf")
        while (code := processes.poll()) is None:
            if why is None and (why := self._why_end(item, late_at)) is not None:
                processes.signal(signal.SIGTERM)
                patience = KILL_AFTER_SECONDS if why == STOPPED else TIMEOUT_KILL_SECONDS
                kill_at = clock() + patience
            # A command that is being ended has no more time than the worker itself.
            kill_at = min(kill_at, self._stop.kill_by) if why else kill_at
            if clock() >= kill_at:
                processes.signal(signal.SIGKILL)
                due_at = float("inf")
            else:
                due_at = kill_at if why else min(late_at, self._stop.finish_by)
            ready = self.poller.wait(due_at - clock())
            if output is not None:
                output.pump(ready)
        if why is not None and group is not None:
            end_group(group, kill_at=kill_at, clock=clock)
        return Ended(code, why)

    def _why_end(self, item: Item, late_at: float) -> str | None:
        if item.is_lost:
            return LOST
        if self._engine.clock() >= late_at:
            return TIMED_OUT
        return STOPPED if self._stop.expired else None

    def _explain(self, ended: Ended, output: Output | None) -> str:
        if ended.why == TIMED_OUT:
            reason = f"timed out after {self._limit_seconds:g} s"
        elif ended.code < 0:
            reason = f"killed by {_signal_name(-ended.code)}"
        else:
            reason = f"exit code {ended.code}"
        said = output.last_line[:SAID_MAX_LENGTH] if output is not None else ""
        return f"{reason}: {said}" if said else reason


def find_program(command: Sequence[str], environ: Mapping[str, str]) -> bytes:
    """Return the path of the command's program; raise SettingsInvalid if there is none."""
    name = command[0]
    directories = [""] if "/" in name else environ.get("PATH", os.defpath).split(os.pathsep)
    there = [path for one in directories if os.path.isfile(path := os.path.join(one, name))]
    for path in there:
        if os.access(path, os.X_OK):
            return os.fsencode(path)
    what = "is not executable" if there else "not found"
    raise SettingsInvalid(f"command {name!r} {what}; correct the container's command, or its image")


def _signal_name(number: int) -> str:
    with suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"
