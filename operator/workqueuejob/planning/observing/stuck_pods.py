"""Finds pods that should have ended long ago, as on a node that is lost. Asks no cluster.

A pod's `deletionTimestamp` is the end of its grace period. A kubelet that works has ended the pod
by then, and reports it soon after. The pod of a lost node stays, and nothing shows whether it still
runs. Its Job waits for it without an end, so the run has to go on without it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from workqueuejob.planning.observing.containers import has_ended
from workqueuejob.planning.observing.observed import ObservedJob, StuckPod
from workqueuejob.planning.observing.ownership import read_job_uid
from workqueuejob.planning.wording import count

MARGIN = timedelta(seconds=30)
"""The time after its grace period in which a pod is not stuck yet.

Clocks differ, and a kubelet may be late.
"""

_MOST_NODES = 3


def find_stuck_pods(pods: Iterable[Mapping[str, Any]], *, now: datetime) -> tuple[StuckPod, ...]:
    """Return those of the pods, as the API server shows them, that should have ended by now."""
    return tuple(_read_pod(pod) for pod in pods if _is_stuck(pod, now))


def mark_stuck(
    jobs: tuple[ObservedJob, ...], pods: tuple[StuckPod, ...]
) -> tuple[ObservedJob, ...]:
    """Return the Jobs, each with the number of its terminating pods that are stuck."""
    numbers = Counter(pod.job for pod in pods)
    return tuple(
        replace(job, stuck=min(job.terminating, numbers[job.uid])) if numbers[job.uid] else job
        for job in jobs
    )


def describe_stuck(pods: tuple[StuckPod, ...]) -> str:
    """Say which nodes keep pods from ending, and what to do about it."""
    nodes = sorted({pod.node for pod in pods if pod.node})
    named = ", ".join(nodes[:_MOST_NODES]) + (" and others" if len(nodes) > _MOST_NODES else "")
    where = f" on node {named}" if nodes else ""
    remedy = f"delete node {nodes[0]}" if nodes else f"delete pod {pods[0].name}"
    is_one = len(pods) == 1
    return (
        f"{count(len(pods), 'pod')}{where} {'has' if is_one else 'have'} not ended although"
        f" {'its grace period is' if is_one else 'their grace periods are'} over, and the run goes"
        f" on without {'it' if is_one else 'them'}: bring the node back or, if it is gone, kubectl"
        f" {remedy}"
    )


def _read_pod(pod: Mapping[str, Any]) -> StuckPod:
    metadata = pod["metadata"]
    return StuckPod(
        name=metadata["name"],
        job=read_job_uid(pod),
        node=(pod.get("spec") or {}).get("nodeName", ""),
    )


def _is_stuck(pod: Mapping[str, Any], now: datetime) -> bool:
    deleted = pod["metadata"].get("deletionTimestamp")
    if not deleted or has_ended(pod):
        return False
    return now - datetime.fromisoformat(deleted) > MARGIN
