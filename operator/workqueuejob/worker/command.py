"""`run`: runs a command for each item, and settles the item by how the command ends.

exit 0                              the item succeeded
exit n after a stop was requested   the item is given back; it failed where the pod's deadline or
                                    a container probe requested the stop
exit n, killed, timed out           the item failed, with that as the reason; for good where the
                                    settings name the exit code
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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from workqueuejob.contract.grace import AT_ONCE
from workqueuejob.contract.notices import say
from workqueuejob.errors import SettingsInvalid, WorkQueueJobError
from workqueuejob.worker.command_attempt import (
    LOST,
    STOPPED,
    TIMED_OUT,
    CommandAttempt,
    Ended,
    Limits,
)
from workqueuejob.worker.command_input import CommandInput, ItemUnfit
from workqueuejob.worker.engine import Engine
from workqueuejob.worker.item import Item
from workqueuejob.worker.poller import Poller
from workqueuejob.worker.process import Processes, explain_exhaustion, is_alive, reap_orphans
from workqueuejob.worker.reasons import describe_limit
from workqueuejob.worker.stop_request import StopRequest

REAP_SECONDS = 1.0
"""How long a process that a command left behind may be a zombie while the command runs."""

LAST_LINE_MAX_CHARACTERS = 200
"""How much of a command's last line becomes part of the reason of a failure."""

LOOK_SECONDS = 0.05
"""How long to wait for commands before the queue is asked again for what there is room for."""

NEXT_SECONDS = 0.01
"""How long to wait for the item that takes the place of one that was settled."""


class Runner:
    """Runs one command for every item in hand, and supervises all of them in the main thread.

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
        limit_seconds = engine.settings.item_timeout_seconds or float("inf")
        at_once = engine.settings.stop_signal == AT_ONCE
        self._limits = Limits(stop, engine.clock, limit_seconds, stops_at_once=at_once)
        self._attempts: list[CommandAttempt] = []
        self._begun = 0
        self._has_settled = False
        self._error: WorkQueueJobError | None = None
        self._left_behind = (0, 0)
        self._has_named_leftovers = False
        engine.settlement.on_lost = self.poller.wake

    def run(self) -> None:
        """Work until there is no more to take; raise the error that ends the worker before.

        Such an error ends no other command: each ends by itself, and its item is settled.
        """
        try:
            while self._error is None and (item := self._engine.next()) is not None:
                self._begin(item)
                while self._attempts:
                    self._fill()
                    self._supervise()
        except BaseException:
            # No command may go on with an item that another worker gets.
            for attempt in self._attempts:
                attempt.kill(self.processes)
                self._give_back(attempt.item)
            raise
        if self._error is not None:
            raise self._error

    def _fill(self) -> None:
        """Take and begin as many items as there is room for and are ready."""
        seconds = NEXT_SECONDS if self._has_settled else 0.0
        self._has_settled = False
        while self._error is None and self._engine.has_room:
            try:
                item = self._engine.look(seconds)
            except WorkQueueJobError as error:
                self._error = error
                return
            if item is None:
                return
            self._begin(item)

    def _begin(self, item: Item) -> None:
        self._begun += 1
        attempt = CommandAttempt(item, self._begun, self._limits)
        self._attempts.append(attempt)
        with self._answering(attempt):
            attempt.start(self._program, self._input, self.processes, captures=self._prefix_output)

    def _supervise(self) -> None:
        """Wait until something happens, and settle the items whose commands have ended."""
        now = self._engine.clock()
        seconds = min(REAP_SECONDS, *(attempt.find_due() - now for attempt in self._attempts))
        if self._error is None and self._engine.has_room:
            seconds = min(seconds, LOOK_SECONDS)
        ready = self.poller.wait(seconds)
        if not ready:
            self._reap()
        for attempt in tuple(self._attempts):
            with self._answering(attempt):
                ended = attempt.go_on(ready, self.processes)
                if ended is not None:
                    self._put_down(attempt)
                    self._settle(attempt, ended)
                    self._reap()
                    self._name_leftovers(attempt, ended)

    @contextmanager
    def _answering(self, attempt: CommandAttempt) -> Iterator[None]:
        """Settle the attempt's item by an error, and remember one that ends the worker."""
        item = attempt.item
        try:
            yield
            return
        except ItemUnfit as error:
            failure: WorkQueueJobError | None = None
            reason = str(error)
        except MemoryError:
            failure, reason = None, f"out of memory with an item of {len(item.body)} bytes"
        except OSError as error:
            # An item that is given back might end one worker after the other, and no attempt would
            # count.
            failure = explain_exhaustion(error)
            reason = str(failure)
        except WorkQueueJobError as error:
            # A missing program is no fault of the item.
            failure, reason = error, ""
        attempt.kill(self.processes)
        self._put_down(attempt)
        self._error = self._error or failure
        try:
            if reason:
                item.fail(reason)
            else:
                item.release()
        except WorkQueueJobError as error:
            self._error = self._error or error

    def _settle(self, attempt: CommandAttempt, ended: Ended) -> None:
        item = attempt.item
        self._has_settled = True
        is_by_itself = ended.cause is None
        if is_by_itself and ended.code == 0:
            item.ack()
        elif ended.cause == STOPPED or (is_by_itself and self._stop.requested):
            self._engine.settlement.interrupt(item)
        elif ended.cause == LOST:
            self._engine.settlement.release(item)
        else:
            codes = self._engine.settings.retry.permanent_exit_codes
            is_final = is_by_itself and ended.code in codes
            item.fail(self._explain(ended, attempt.last_line), retry=not is_final)

    def _put_down(self, attempt: CommandAttempt) -> None:
        if attempt in self._attempts:
            self._attempts.remove(attempt)
            attempt.close()

    def _give_back(self, item: Item) -> None:
        with suppress(WorkQueueJobError):
            item.release()

    def _reap(self) -> None:
        # After a stop request a container probe may run, whose end another thread awaits.
        if self._adopts_orphans and not self._stop.requested:
            reap_orphans(besides=self.processes.groups)

    def _name_leftovers(self, attempt: CommandAttempt, ended: Ended) -> None:
        """Say once that a command left processes, if they outlast a command that began later."""
        if self._has_named_leftovers:
            return
        group, began_after = self._left_behind
        if group and attempt.number > began_after and is_alive(group):
            self._has_named_leftovers = True
            say("commands leave processes behind, which keep running", seen_after=attempt.item.id)
        if ended.cause is None:
            self._left_behind = (attempt.group, self._begun)

    def _explain(self, ended: Ended, last_line: str) -> str:
        if ended.cause == TIMED_OUT:
            reason = describe_limit(self._limits.item_seconds)
        elif ended.code < 0:
            reason = f"killed by {_signal_name(-ended.code)}"
        else:
            reason = f"exit code {ended.code}"
        last_line = last_line[:LAST_LINE_MAX_CHARACTERS]
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
