"""The processes that may be broken: found as the local cluster's own, and nobody else's.

A component is known by its pid file, which names its boot and start time. A pod's process is known
by the control group that every pod of the local cluster is in. A signal goes through a descriptor
of the process, opened before its start time is compared, so that a pid used again is never hit.
"""

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dev.local.layout import API_PORT, CLUSTER_NAME, NODE_ADDRESS
from dev.local.processes import ProcessTable, parse_stat
from tests.cluster.processes import Process, processes_of
from workqueuejob.contract import settings

from .evidence import Worker
from .schedule import BROKERS, COMPONENTS, Target

RUN_VARIABLE = "CHAOS_RUN"
QUEUE_VARIABLE = "CHAOS_QUEUE"
"""In the environment of each worker, by which it is known as this run's own."""

_OPERATOR_PROGRAM = b"workqueuejob-operator"
_BROKER_PROGRAMS = {Target.RABBITMQ: "beam.smp", Target.REDIS: "redis-server"}
_BROKER_PORTS = {Target.RABBITMQ: (5672, 15672), Target.REDIS: (6379,)}


@dataclass(frozen=True, slots=True)
class Victim:
    """One process. name: its pod, or the component. queue: a worker's."""

    pid: int
    start_ticks: int
    name: str
    queue: str = ""

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal; return False if the process is gone."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            if _read_start_ticks(self.pid) != self.start_ticks:
                return False
            signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(descriptor)
        return True

    def cut(self, connections: str) -> int:
        """Reset TCP connections in the process's network; return how many.

        connections: a filter of ss(8); the kernel tells both ends.
        """
        try:
            network = os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY)
        except OSError:
            return 0
        try:
            if _read_start_ticks(self.pid) != self.start_ticks:
                return 0
            done = subprocess.run(
                ("nsenter", f"--net=/proc/self/fd/{network}", "ss", "-HKtn", connections),
                pass_fds=(network,),
                capture_output=True,
                text=True,
                check=True,
            )
        finally:
            os.close(network)
        return len(done.stdout.splitlines())


def describe_connections(target: Target) -> str:
    """Return the filter of the connections that a cut of a target resets."""
    match target:
        case Target.RABBITMQ | Target.REDIS:
            ports = " or ".join(f"sport = :{port}" for port in _BROKER_PORTS[target])
            return f"( {ports} )"
        case Target.API_SERVER:
            # The process shares the machine's network, where others have connections, too.
            return f"( src {NODE_ADDRESS} and sport = :{API_PORT} )"
        case _:
            return "( not dst 127.0.0.0/8 )"


@dataclass(frozen=True, slots=True)
class Finder:
    """Finds processes of one run.

    run: the value of its workers' RUN_VARIABLE.
    components: the local cluster's.
    brokers: the UIDs of the brokers' pods.
    """

    run: str
    components: ProcessTable
    brokers: Mapping[Target, str]

    def find(self, target: Target) -> list[Victim]:
        """Return the target's processes that run now, by name."""
        if target in COMPONENTS:
            record = self.components.find(target)
            return [Victim(record.pid, record.start_ticks, target)] if record else []
        if target in BROKERS:
            return self._find_broker(target)
        found = self.find_workers() if target is Target.WORKER else self._find_operators()
        return sorted(found, key=lambda victim: (victim.name, victim.pid))

    def find_workers(self) -> list[Victim]:
        """Return the first process of each of the run's workers."""
        found = []
        for process in processes_of(CLUSTER_NAME):
            environment = _read_environment(process.pid) if process.is_first else {}
            if environment.get(RUN_VARIABLE) == self.run and settings.SETTINGS in environment:
                pod, queue = environment[settings.POD_NAME], environment[QUEUE_VARIABLE]
                found += _as_victim(process, pod, queue)
        return found

    def find_workers_of(self, queues: frozenset[str]) -> tuple[Worker, ...]:
        """Return the workers of some queues that are alive now."""
        alive = (victim for victim in self.find_workers() if victim.queue in queues)
        return tuple(sorted({Worker(one.queue, one.name) for one in alive}, key=str))

    def _find_operators(self) -> list[Victim]:
        found = []
        for process in processes_of(CLUSTER_NAME):
            if process.is_first and _OPERATOR_PROGRAM in process.command:
                pod = _read_environment(process.pid).get("HOSTNAME", "")
                found += _as_victim(process, pod)
        return found

    def _find_broker(self, target: Target) -> list[Victim]:
        program = _BROKER_PROGRAMS[target]
        return [
            victim
            for process in processes_of(self.brokers[target])
            if program in Path(os.fsdecode(process.command.split(b"\0")[0]).split(" ")[0]).name
            for victim in _as_victim(process, target)
        ]


def _as_victim(process: Process, name: str, queue: str = "") -> list[Victim]:
    with suppress(OSError, ValueError):
        return [Victim(process.pid, _read_start_ticks(process.pid), name, queue)]
    return []


def _read_start_ticks(pid: int) -> int:
    """Raise ProcessLookupError if there is no such process."""
    try:
        return parse_stat(Path(f"/proc/{pid}/stat").read_text())[1]
    except FileNotFoundError as error:
        raise ProcessLookupError(pid) from error


def _read_environment(pid: int) -> dict[str, str]:
    try:
        words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return {}
    pairs = (os.fsdecode(word).partition("=") for word in words if b"=" in word)
    return {name: value for name, _, value in pairs}
