"""The workers in pods as processes, and what may happen to them.

On the local cluster they are processes of this machine.
"""

import os
import random
import signal
import time

from dev.environment import Cluster
from dev.workspaces.workspace import Manifest, Workspace, poll

from .processes import processes_of

_PAUSE = (b"pause", b"catatonit")


def running_pods(workspace: Workspace, name: str) -> list[Manifest]:
    """Return the pods of a WorkQueueJob that run and are not on their way out."""
    return [
        pod
        for pod in workspace.pods(name)
        if pod["status"]["phase"] == "Running" and "deletionTimestamp" not in pod["metadata"]
    ]


def signal_worker(cluster: Cluster, pod: Manifest, number: signal.Signals) -> None:
    """Send a signal to the first process of a pod's container, and to nobody else."""
    assert _try_to_signal(cluster, pod, number), f"{pod['metadata']['name']} has no process"


def _try_to_signal(cluster: Cluster, pod: Manifest, number: signal.Signals) -> bool:
    """Send a signal to a pod's first process; return False if it has ended."""
    assert cluster.is_local, "processes can be reached on the local cluster only"
    pids = _first_processes(pod["metadata"]["uid"])
    assert len(pids) <= 1, f"which of {pids} is the worker?"
    try:
        for pid in pids:
            os.kill(pid, number)
    except ProcessLookupError:
        return False
    return bool(pids)


def kill_at_random(
    cluster: Cluster, workspace: Workspace, name: str, *, kills: int, seed: int, pause: float
) -> list[str]:
    """Kill workers by SIGKILL, one after the other at random moments; return their pods."""
    chance = random.Random(seed)  # noqa: S311 - a schedule that can be had again
    killed: list[str] = []
    while len(killed) < kills:
        time.sleep(chance.uniform(0, 2 * pause))
        found = poll(lambda: _not_killed(workspace, name, killed), bool, seconds=60)
        pod = chance.choice(found)
        if _try_to_signal(cluster, pod, signal.SIGKILL):
            killed.append(pod["metadata"]["name"])
    return killed


def _not_killed(workspace: Workspace, name: str, killed: list[str]) -> list[Manifest]:
    pods = running_pods(workspace, name)
    return [pod for pod in pods if pod["metadata"]["name"] not in killed]


def _first_processes(pod_uid: str) -> list[int]:
    """Return the first process of each of a pod's containers; the pause is none of them."""
    return [
        process.pid
        for process in processes_of(pod_uid)
        if process.is_first and not any(word in process.command for word in _PAUSE)
    ]
