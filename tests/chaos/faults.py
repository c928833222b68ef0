"""Breaks what a schedule says when it says so, and mends it again; writes down what it did."""

import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from dev.environment import NAMESPACE, Cluster

from .evidence import Injection, Worker
from .schedule import BROKERS, COMPONENTS, Fault, Kind, Target
from .supervision import Supervisor
from .victims import Finder, Victim, describe_connections

_TICK_SECONDS = 0.05
_PATIENCE_SECONDS = 10.0
"""How long a fault waits for a process of its target, such as a worker between two waves."""

_FORGET_BACKOFF_SECONDS = 20.0


@dataclass
class Breaker:
    """Breaks one run.

    queues: of each broker, those whose deliveries it holds.
    say: is told of each fault.
    """

    cluster: Cluster
    finder: Finder
    supervisor: Supervisor
    queues: Mapping[Target, frozenset[str]]
    say: Callable[[str], None]
    injections: list[Injection] = field(default_factory=list)
    _frozen: list[tuple[float, Victim]] = field(default_factory=list)
    _deleting: list[threading.Thread] = field(default_factory=list)

    def run(self, schedule: Sequence[Fault]) -> None:
        """Inject every fault at its time from now on; nothing stays broken, whatever happens."""
        began = time.monotonic()
        waiting = list(schedule)
        try:
            while waiting or self._frozen:
                now = time.monotonic() - began
                self._thaw(until=time.monotonic())
                due = [fault for fault in waiting if fault.at_seconds <= now]
                for fault in due:
                    if self._inject(fault) or now > fault.at_seconds + _PATIENCE_SECONDS:
                        waiting.remove(fault)
                time.sleep(_TICK_SECONDS)
        finally:
            self._thaw(until=float("inf"))
            for thread in self._deleting:
                thread.join()

    def _inject(self, fault: Fault) -> bool:
        """Return False if there is nothing to break."""
        found = self.finder.find(fault.target)
        if not found:
            return False
        victim = found[int(fault.choice * len(found))]
        reached = self._find_reached(fault.target, victim)
        began = time.time()
        if not self._break(fault, victim):
            return False
        ended = max(time.time(), began + fault.duration_seconds)
        injection = Injection(fault.kind, fault.target, victim.name, began, ended, reached)
        self.injections.append(injection)
        self.say(f"{fault.kind} {fault.target} {victim.name} for {fault.duration_seconds:.1f} s")
        return True

    def _break(self, fault: Fault, victim: Victim) -> bool:
        match fault.kind:
            case Kind.FREEZE:
                frozen = victim.signal(signal.SIGSTOP)
                self._frozen.append((time.monotonic() + fault.duration_seconds, victim))
                return frozen
            case Kind.CUT:
                return victim.cut(describe_connections(fault.target)) > 0
            case Kind.KILL:
                return self._kill(fault, victim)

    def _kill(self, fault: Fault, victim: Victim) -> bool:
        if fault.target in COMPONENTS:
            self.supervisor.hold_down(fault.target, fault.duration_seconds)
        killed = victim.signal(signal.SIGKILL)
        if killed and fault.target is Target.OPERATOR:
            thread = threading.Thread(target=self._delete_operator, args=(victim.name,))
            self._deleting.append(thread)
            thread.start()
        return killed

    def _delete_operator(self, pod: str) -> None:
        """Let another pod follow at once: a second crash would wait for its back-off."""
        deadline = time.monotonic() + _FORGET_BACKOFF_SECONDS
        while time.monotonic() < deadline:
            done = self.cluster.kubectl(
                "delete", "pod", "-n", NAMESPACE, pod, "--grace-period=0", "--force",
                "--wait=false", "--ignore-not-found", "--request-timeout=3s", check=False,
            )  # fmt: skip
            if done.returncode == 0:
                return
            time.sleep(0.5)

    def _find_reached(self, target: Target, victim: Victim) -> tuple[Worker, ...]:
        if target is Target.WORKER:
            return (Worker(victim.queue, victim.name),)
        if target in BROKERS:
            return self.finder.find_workers_of(self.queues[target])
        return ()

    def _thaw(self, *, until: float) -> None:
        for frozen in [entry for entry in self._frozen if entry[0] <= until]:
            self._frozen.remove(frozen)
            frozen[1].signal(signal.SIGCONT)
