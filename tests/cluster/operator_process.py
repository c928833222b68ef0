"""The operator's pods: which of them leads, and their death."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from dev.environment import NAMESPACE, RELEASE, Cluster
from dev.workspaces.workspace import Manifest, poll

from .processes import processes_of

OPERATOR_LABEL = f"app.kubernetes.io/instance={RELEASE}"
"""The selector of the operator's pods."""

_PROGRAM = b"workqueuejob-operator"
_DEPLOYMENT = f"deployment/{RELEASE}"


def read_lease(cluster: Cluster) -> Manifest:
    """Return the spec of the Lease by which the replicas agree."""
    spec: Manifest = cluster.get("lease", "-n", NAMESPACE, RELEASE)["spec"]
    return spec


def await_leader(cluster: Cluster, *, other_than: str = "", seconds: float = 60) -> Manifest:
    """Return the pod that leads, once it runs and is not the one of that name."""
    pod = poll(
        lambda: _find_leader(cluster),
        lambda found: found is not None and found["metadata"]["name"] != other_than,
        seconds=seconds,
    )
    assert pod is not None
    return pod


def signal_operator(cluster: Cluster, pod: Manifest, number: signal.Signals) -> None:
    """Send a signal to the operator's process in a pod, which is one of this machine."""
    assert cluster.is_local, "processes can be reached on the local cluster only"
    pids = poll(lambda: _find_processes(pod["metadata"]["uid"]), bool, seconds=10)
    assert len(pids) == 1, f"which of {pids} is the operator?"
    os.kill(pids[0], number)


def kill_leader(cluster: Cluster) -> str:
    """Kill the operator's process that leads with SIGKILL, and its pod, so that another follows.

    On the local cluster the process is one of this machine. It is killed there, and its pod is
    deleted so that no crash-loop back-off delays its successor. Elsewhere it is the kubelet that
    kills, told to give no grace. Returns the pod's name.
    """
    pod = await_leader(cluster)
    name: str = pod["metadata"]["name"]
    if cluster.is_local:
        signal_operator(cluster, pod, signal.SIGKILL)
    cluster.kubectl(
        "delete", "pod", "-n", NAMESPACE, name, "--grace-period=0", "--force", "--wait=false"
    )
    return name


def kill_operator(cluster: Cluster) -> str:
    """Kill the leader as `kill_leader` does; its successor need not wait for the Lease to expire.

    Only on the local cluster: elsewhere nobody knows when the process has really ended.
    """
    name = kill_leader(cluster)
    if cluster.is_local:
        freed = json.dumps({"spec": {"holderIdentity": ""}})
        cluster.kubectl("patch", "lease", "-n", NAMESPACE, RELEASE, "--type=merge", "-p", freed)
    return name


@contextmanager
def running_replicas(cluster: Cluster, count: int) -> Iterator[None]:
    """Scale the operator until the context ends; all replicas are ready when it begins."""
    before = cluster.get(_DEPLOYMENT, "-n", NAMESPACE)["spec"]["replicas"]
    _scale(cluster, count)
    try:
        yield
    finally:
        _scale(cluster, before)
        await_leader(cluster)


def restart_operator(cluster: Cluster) -> None:
    """Replace all pods of the operator by a rolling update, and wait for its end."""
    cluster.kubectl("rollout", "restart", _DEPLOYMENT, "-n", NAMESPACE)
    _await_rollout(cluster)


def list_operator_pods(cluster: Cluster) -> list[Manifest]:
    """Return the operator's pods that are not being deleted."""
    pods: list[Manifest] = cluster.get("pods", "-n", NAMESPACE, "-l", OPERATOR_LABEL)["items"]
    return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]


def _scale(cluster: Cluster, count: int) -> None:
    cluster.kubectl("scale", _DEPLOYMENT, "-n", NAMESPACE, f"--replicas={count}")
    _await_rollout(cluster)


def _await_rollout(cluster: Cluster) -> None:
    cluster.kubectl("rollout", "status", _DEPLOYMENT, "-n", NAMESPACE, "--timeout=120s")


def _find_leader(cluster: Cluster) -> Manifest | None:
    holder = read_lease(cluster)["holderIdentity"]
    for pod in list_operator_pods(cluster):
        metadata = pod["metadata"]
        if holder == f"{metadata['name']}_{metadata['uid']}":
            return pod if pod["status"]["phase"] == "Running" else None
    return None


def _find_processes(pod_uid: str) -> list[int]:
    return [process.pid for process in processes_of(pod_uid) if _PROGRAM in process.command]
