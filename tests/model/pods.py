"""Pods that run a user's own program. What a program does next is chosen from outside.

The program connects, takes one item at a time (a prefetch of 1), and exits 0 after itemsPerPod
items. Depending on the program, it waits for ever when the queue is empty, or exits 0.
"""

from dataclasses import dataclass
from enum import Enum, auto

from tests.model.queue import Queue

GRACE_SECONDS = 30.0
SHORT_GRACE_SECONDS = 2.0
PROMPT_SECONDS = 1.0


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


@dataclass
class Pod:
    """One pod.

    settled: items that it acknowledged.
    kill_at: when SIGKILL comes, once it is being deleted.
    is_tracked: whether its end is counted; the Job's controller lets go of what it deletes.
    is_disrupted: whether it was evicted, which our failure policy ignores.
    """

    name: str
    index: int
    phase: Phase = Phase.PENDING
    settled: int = 0
    kill_at: float | None = None
    is_tracked: bool = True
    is_disrupted: bool = False

    @property
    def is_live(self) -> bool:
        """Whether it has not ended."""
        return self.phase in {Phase.PENDING, Phase.RUNNING}

    @property
    def is_terminating(self) -> bool:
        """Whether it is being deleted and has not ended."""
        return self.is_live and self.kill_at is not None

    @property
    def is_active(self) -> bool:
        """Whether a Job's status counts it as active."""
        return self.is_live and self.kill_at is None


@dataclass(frozen=True)
class Program:
    """The user's program, as far as it is the same in every pod."""

    items_per_pod: int = 1
    waits_for_ever: bool = True
    handles_sigterm: bool = True


def run_step(pod: Pod, step: Step, queue: Queue, program: Program) -> None:
    """Let a pod's program go on; a step that it can't take does nothing."""
    if not pod.is_live:
        return
    if pod.phase is Phase.PENDING:
        _start(pod, queue)
        return
    holds = pod.name in queue.held
    match step:
        case Step.CRASH:
            end(pod, Phase.FAILED, queue)
        case _ if pod.settled >= program.items_per_pod:
            end(pod, Phase.SUCCEEDED, queue)
        case Step.PRETEND if holds:
            end(pod, Phase.SUCCEEDED, queue)
        case Step.LEAVE if not holds and not program.waits_for_ever:
            end(pod, Phase.SUCCEEDED, queue)
        case Step.WORK if holds:
            _settle(pod, queue, program)
        case _:
            return


def end(pod: Pod, phase: Phase, queue: Queue) -> None:
    """End a pod, which closes its connection."""
    pod.phase = phase
    queue.disconnect(pod.name)


def terminate(
    pod: Pod, program: Program, *, now: float, grace_seconds: float = GRACE_SECONDS
) -> None:
    """Send SIGTERM: a program without a handler stays for its whole grace period."""
    if pod.is_active:
        pod.kill_at = now + (PROMPT_SECONDS if program.handles_sigterm else grace_seconds)


def _start(pod: Pod, queue: Queue) -> None:
    pod.phase = Phase.RUNNING
    queue.subscribe(pod.name)


def _settle(pod: Pod, queue: Queue, program: Program) -> None:
    pod.settled += 1
    if pod.settled >= program.items_per_pod:
        queue.settle_last(pod.name)
    else:
        queue.settle(pod.name)
