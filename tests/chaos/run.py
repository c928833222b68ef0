"""One chaos run: a load, a schedule of faults over it, and the evidence of what came of it."""

import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dev.environment import Cluster, EnvironmentProblem
from dev.local.layout import build_layout
from dev.local.processes import ProcessTable

from .evidence import Evidence, Injection, Outcome, Sent
from .faults import Breaker
from .load import LOADS, build_work_queue_job, queues_of, read_ledger
from .outcomes import list_objects, save_objects, wait_for_outcomes
from .producer import Producer
from .schedule import BROKERS, LONG, SHORT, Fault, Plan, build_schedule
from .supervision import Supervisor
from .surroundings import JobWatch, Surroundings, open_surroundings
from .victims import Finder


@dataclass(frozen=True, slots=True)
class Scale:
    """How large a run is.

    items: of each queue at least, written evenly over the plan's time.
    drained_after_seconds: longer than a producer ever pauses and a killed broker needs to start,
        for a run must not end before its last item is written.
    faults_wanted: a run with fewer has not shown what it was to show.
    end_seconds: what the WorkQueueJobs have to end in, once all is quiet.
    """

    plan: Plan
    items: int
    item_seconds: float
    drained_after_seconds: int
    faults_wanted: int
    end_seconds: float


LARGE = Scale(
    LONG,
    items=160,
    item_seconds=1.2,
    drained_after_seconds=20,
    faults_wanted=40,
    end_seconds=240,
)
SMALL = Scale(
    SHORT, items=30, item_seconds=0.4, drained_after_seconds=12, faults_wanted=8, end_seconds=150
)

_QUEUES = {broker: queues_of(broker) for broker in BROKERS}


@dataclass(frozen=True, slots=True)
class Run:
    """One run on the local cluster, whose processes can be reached."""

    surroundings: Surroundings
    scale: Scale
    seed: int
    identity: str
    ledger: Path

    def collect(self, directory: Path) -> Evidence:
        """Break, produce, wait; return the evidence, and leave what was seen in the directory."""
        began = time.time()
        schedule = build_schedule(self.seed, self.scale.plan)
        with JobWatch(self.surroundings.cluster, self.surroundings.namespace) as watch:
            injections, sent, outcomes = self._perform(schedule)
            watch.note(list_objects(self.surroundings, "jobs"))
            save_objects(self.surroundings, directory)
        return Evidence(
            seed=self.seed,
            scheduled=len(schedule),
            began=began,
            injections=injections,
            sent=sent,
            work=read_ledger(self.ledger),
            waves=watch.seen,
            outcomes=outcomes,
        )

    def _perform(
        self, schedule: tuple[Fault, ...]
    ) -> tuple[tuple[Injection, ...], dict[str, Sent], dict[str, Outcome]]:
        say = partial(_say, time.monotonic())
        layout = build_layout()
        processes = ProcessTable(layout.pids, layout.logs)
        finder = Finder(self.identity, processes, self.surroundings.broker_uids)
        with Supervisor(layout, processes) as supervisor:
            self._apply_work()
            producers = self._start_producers()
            breaker = Breaker(self.surroundings.cluster, finder, supervisor, _QUEUES, say)
            breaker.run(schedule)
            sent = {queue: producer.wait() for queue, producer in producers.items()}
            say("all faults are over, and all items are sent")
            outcomes = wait_for_outcomes(self.surroundings, seconds=self.scale.end_seconds, say=say)
        return tuple(breaker.injections), sent, outcomes

    def _apply_work(self) -> None:
        self.surroundings.apply(
            *(
                build_work_queue_job(
                    load,
                    run=self.identity,
                    ledger=self.ledger,
                    item_seconds=self.scale.item_seconds,
                    drained_after_seconds=self.scale.drained_after_seconds,
                )
                for load in LOADS
            )
        )

    def _start_producers(self) -> dict[str, Producer]:
        pace = (self.scale.items, self.scale.plan.seconds)
        producers = {
            load.name: Producer(
                load.name,
                partial(self.surroundings.open_line, load),
                seed=self.seed,
                pace=pace,
                poison_every=load.poison_every,
            )
            for load in LOADS
        }
        for producer in producers.values():
            producer.start()
        return producers


def perform(cluster: Cluster, scale: Scale, *, seed: int, directory: Path) -> Evidence:
    """Run once on the local cluster, which has to have the images and the operator.

    Raises EnvironmentProblem on any other cluster.
    """
    if not cluster.is_local:
        raise EnvironmentProblem(
            "processes are killed and frozen on the local cluster only; unset KUBE_CONTEXT"
        )
    identity = secrets.token_hex(3)
    with (
        open_surroundings(cluster, f"wqj-chaos-{identity}") as surroundings,
        _open_ledger() as ledger,
    ):
        return Run(surroundings, scale, seed, identity, ledger).collect(directory)


@contextmanager
def _open_ledger() -> Iterator[Path]:
    """Yield a directory of this machine that any user of a pod may write into."""
    directory = Path(tempfile.mkdtemp(prefix="workqueuejob-chaos-"))
    try:
        for name in ("", *(load.name for load in LOADS)):
            (directory / name).mkdir(exist_ok=True)
            (directory / name).chmod(0o777)
        yield directory
    finally:
        shutil.rmtree(directory)


def _say(began: float, what: str) -> None:
    sys.stderr.write(f"{time.monotonic() - began:7.1f}s  {what}\n")
