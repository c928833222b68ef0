"""Pods that run a user's own program. What a program does next is chosen from outside.

The program connects, takes one item at a time (a prefetch of 1), and exits 0 after itemsPerPod
items. Depending on the program, it waits for ever when the queue is empty, or exits 0.
"""

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol

from tests.model.queue import Queue
from workqueuejob.contract.report import ItemCounts
from workqueuejob.planning.observing.stuck_pods import MARGIN

GRACE_SECONDS = 30.0
SHORT_GRACE_SECONDS = 2.0
PROMPT_SECONDS = 1.0
HEARTBEAT_SECONDS = 60.0
"""After which a broker takes a silent connection for dead."""


class Phase(Enum):
    """A pod's phase."""

    PENDING = auto()
    RUNNING = auto()
    SUCCEEDED = auto()
    FAILED = auto()


class Step(Enum):
    """What a program may do next, where it can."""

    WORK = auto()
    """Start, acknowledge an item, or exit 0 after the last one."""
    CRASH = auto()
    """Die, before or after the acknowledgement; an item in work goes back."""
    PRETEND = auto()
    """Exit 0 without acknowledging, as `amqp-consume` does when its command fails."""
    LEAVE = auto()
    """Exit 0 because the queue is empty; a program that waits for ever does nothing."""


@dataclass(eq=False)
class Pod:
    """One pod.

    settled: items that it acknowledged.
    kill_at: when SIGKILL comes, once it is being deleted.
    is_tracked: whether its end is counted; the Job's controller lets go of what it deletes.
    is_disrupted: whether it was evicted, which our failure policy ignores.
    exit_code: of its container, once it has ended.
    counts, message: what its worker has counted, and what its termination message says.
    is_frozen: its worker renews no lease.
    awaits_first: its worker waits for its first item without end.
    started_at: when its container was started; None before.
    lost_at: since when its node is not heard of, so that nothing of it is; None while it is.
    is_powerless: that node has lost its power, so the program is gone; otherwise it works on.
    """

    name: str
    index: int
    phase: Phase = Phase.PENDING
    settled: int = 0
    kill_at: float | None = None
    is_tracked: bool = True
    is_disrupted: bool = False
    exit_code: int = 0
    counts: ItemCounts = field(default_factory=ItemCounts)
    message: str = ""
    is_frozen: bool = False
    awaits_first: bool = False
    started_at: float | None = None
    lost_at: float | None = None
    is_powerless: bool = False

    @property
    def has_run(self) -> bool:
        """Whether its container was ever started."""
        return self.started_at is not None

    @property
    def is_live(self) -> bool:
        """Whether it has not ended, as far as the API server knows."""
        return self.is_lost or self.phase in {Phase.PENDING, Phase.RUNNING}

    @property
    def is_lost(self) -> bool:
        """Whether its node is not heard of."""
        return self.lost_at is not None

    @property
    def may_step(self) -> bool:
        """Whether its program is there to go on."""
        return not self.is_powerless and self.phase in {Phase.PENDING, Phase.RUNNING}

    def is_stuck(self, now: float) -> bool:
        """Return whether it should have ended long ago."""
        margin = MARGIN.total_seconds()
        return self.is_terminating and self.kill_at is not None and now - self.kill_at >= margin

    @property
    def is_terminating(self) -> bool:
        """Whether it is being deleted and has not ended."""
        return self.is_live and self.kill_at is not None

    @property
    def is_active(self) -> bool:
        """Whether a Job's status counts it as active."""
        return self.is_live and self.kill_at is None


class Behaviour(Protocol):
    """What runs in the pods, as far as it is the same in every pod."""

    def go_on(self, pod: Pod, step: Step, queue: Queue) -> None:
        """Take a step; one that it can't take does nothing."""
        ...

    def hear_sigterm(self, pod: Pod, queue: Queue, *, grace_seconds: float = ...) -> None:
        """Begin to end."""
        ...

    def run_out_of_grace(self, pod: Pod, queue: Queue) -> None:
        """Be over."""
        ...


@dataclass(frozen=True)
class Program:
    """The user's own program."""

    items_per_pod: int = 1
    waits_for_ever: bool = True
    handles_sigterm: bool = True

    def go_on(self, pod: Pod, step: Step, queue: Queue) -> None:
        """Take a step; one that it can't take does nothing."""
        if not pod.is_live:
            return
        if pod.phase is Phase.PENDING:
            start(pod, queue)
            return
        holds = pod.name in queue.held
        match step:
            case Step.CRASH:
                end(pod, Phase.FAILED, queue)
            case _ if pod.settled >= self.items_per_pod:
                end(pod, Phase.SUCCEEDED, queue)
            case Step.PRETEND if holds:
                end(pod, Phase.SUCCEEDED, queue)
            case Step.LEAVE if not holds and not self.waits_for_ever:
                end(pod, Phase.SUCCEEDED, queue)
            case Step.WORK if holds:
                self._settle(pod, queue)
            case _:
                return

    def hear_sigterm(self, pod: Pod, queue: Queue, *, grace_seconds: float = GRACE_SECONDS) -> None:
        """Begin to end: a program without a handler stays for its whole grace period."""
        if pod.is_active:
            stays = PROMPT_SECONDS if self.handles_sigterm else grace_seconds
            pod.kill_at = queue.clock.seconds + stays

    def run_out_of_grace(self, pod: Pod, queue: Queue) -> None:
        """Be over."""
        end(pod, Phase.FAILED, queue)

    def _settle(self, pod: Pod, queue: Queue) -> None:
        pod.settled += 1
        if pod.settled >= self.items_per_pod:
            queue.settle_last(pod.name)
        else:
            queue.settle(pod.name)


def start(pod: Pod, queue: Queue) -> None:
    """Start a pod, which connects."""
    pod.phase, pod.started_at = Phase.RUNNING, queue.clock.seconds
    queue.subscribe(pod.name)


def end(pod: Pod, phase: Phase, queue: Queue) -> None:
    """End a pod, which closes its connection."""
    pod.phase = phase
    pod.exit_code = 0 if phase is Phase.SUCCEEDED else 1
    queue.disconnect(pod.name)
