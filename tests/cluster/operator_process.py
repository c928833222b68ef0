"""The operator's pod, and its death."""

import os
import signal

from deploy.environment import NAMESPACE, RELEASE, Cluster

from .processes import processes_of
from .workspace import Manifest, poll

_PROGRAM = b"workqueuejob-operator"


def kill_operator(cluster: Cluster) -> str:
    """Kill the operator's process with SIGKILL, and let another pod follow at once.

    On the local cluster the process is one of this machine. It is killed there, and its pod is
    deleted so that no crash-loop back-off delays its successor. Elsewhere it is the kubelet that
    kills, told to give no grace. Returns the pod's name.
    """
    pod = poll(
        lambda: _find_pod(cluster),
        lambda found: found is not None and found["status"]["phase"] == "Running",
        seconds=30,
    )
    assert pod is not None
    name: str = pod["metadata"]["name"]
    if cluster.is_local:
        pids = poll(lambda: _find_processes(pod["metadata"]["uid"]), bool, seconds=10)
        assert len(pids) == 1, f"which of {pids} is the operator?"
        os.kill(pids[0], signal.SIGKILL)
    cluster.kubectl(
        "delete", "pod", "-n", NAMESPACE, name, "--grace-period=0", "--force", "--wait=false"
    )
    return name


def _find_pod(cluster: Cluster) -> Manifest | None:
    selector = f"app.kubernetes.io/instance={RELEASE}"
    pods: list[Manifest] = cluster.get("pods", "-n", NAMESPACE, "-l", selector)["items"]
    return next((pod for pod in pods if "deletionTimestamp" not in pod["metadata"]), None)


def _find_processes(pod_uid: str) -> list[int]:
    return [process.pid for process in processes_of(pod_uid) if _PROGRAM in process.command]
