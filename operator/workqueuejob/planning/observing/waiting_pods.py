"""Finds out why pods don't start, in the words of the scheduler and the kubelet."""

import signal
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from workqueuejob.contract.report import read_report
from workqueuejob.planning.observing.containers import (
    has_ended,
    is_deleted,
    list_containers,
    read_state,
)
from workqueuejob.planning.observing.endings import find_ender
from workqueuejob.planning.observing.failed_pods import (
    count_alike,
    describe_failure,
    describe_termination,
)
from workqueuejob.planning.observing.observed import ObservedJob, PodProblem

BACK_OFF = "BackOff"
"""The reason of a problem that the Job's controller deals with by itself."""

_CLAIMED_WITHIN = timedelta(seconds=20)
"""The age at which a pod should have a condition: schedulers and kubelets take about a second."""

_STOPPED = frozenset({128 + signal.SIGTERM, 128 + signal.SIGKILL})
"""The exit codes of a program that handles no SIGTERM, or that outlasts its grace."""

_STARTING = frozenset({"ContainerCreating", "PodInitializing"})
"""Waiting reasons that every healthy pod passes through."""


def find_pod_problem(pods: Iterable[Mapping[str, Any]]) -> PodProblem | None:
    """Return the most frequent reason for which pods are not running, or None.

    pods: manifests as the API server shows them. Pods that run, have ended or are being deleted
        don't count. A pod on a lost node is being deleted until its node comes back.
    """
    problems = [problem for pod in pods if (problem := _problem_of(pod)) is not None]
    if not problems:
        return None
    reason, count = Counter(reason for reason, _ in problems).most_common(1)[0]
    message = next(message for known_reason, message in problems if known_reason == reason)
    return PodProblem(reason=reason, message=message, pods=count)


def _problem_of(pod: Mapping[str, Any]) -> tuple[str, str] | None:
    status: Mapping[str, Any] = pod.get("status") or {}
    if is_deleted(pod) or has_ended(pod):
        return None
    return next(_unscheduled(status), None) or next(_waiting(status), None)


def _unscheduled(status: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            yield condition.get("reason", "Unschedulable"), condition.get("message", "")


def _waiting(status: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for kind, container in list_containers(status):
        waiting = read_state(container).get("waiting")
        if waiting and waiting.get("reason", "PodInitializing") not in _STARTING:
            message = waiting.get("message") or f"container {container['name']} is waiting"
            yield waiting["reason"], f"{message}{_tell_last_end(kind, container)}"


def _tell_last_end(kind: str, container: Mapping[str, Any]) -> str:
    """Return how a container ended that is to run again, as the end of a sentence."""
    terminated = (container.get("lastState") or {}).get("terminated")
    if not terminated:
        return ""
    return f" ({describe_termination(container['name'], terminated, kind=kind).words})"


def find_unclaimed_pods(pods: Iterable[Mapping[str, Any]], *, now: datetime) -> PodProblem | None:
    """Return the problem that no scheduler or kubelet has looked at some pods, or None.

    Those that are being deleted don't count, as in `find_pod_problem`.
    """
    unclaimed = [pod for pod in pods if _is_unclaimed(pod, now)]
    if not unclaimed:
        return None
    spec: Mapping[str, Any] = unclaimed[0].get("spec") or {}
    if spec.get("nodeName"):
        who = f"the kubelet of node {spec['nodeName']!r} has not looked at them"
        remedy = "correct spec.template.spec.nodeName, or bring the node back"
    else:
        who = f"the scheduler {spec.get('schedulerName')!r} has not looked at them"
        remedy = "correct spec.template.spec.schedulerName, or start that scheduler"
    return PodProblem(reason="Unclaimed", message=f"{who}; {remedy}", pods=len(unclaimed))


def _is_unclaimed(pod: Mapping[str, Any], now: datetime) -> bool:
    status: Mapping[str, Any] = pod.get("status") or {}
    if is_deleted(pod) or status.get("phase") != "Pending" or status.get("containerStatuses"):
        return False
    known = {condition["type"] for condition in status.get("conditions") or ()}
    created = datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
    return known <= {"PodScheduled"} and now - created > _CLAIMED_WITHIN


def is_pod_missing(job: ObservedJob) -> bool:
    """Return whether a Job that wants a pod has none."""
    return (
        job.open > 0
        and job.parallelism > 0
        and not job.suspended
        and job.active == 0
        and job.terminating == 0
    )


def find_back_off(pods: Iterable[Mapping[str, Any]]) -> PodProblem | None:
    """Return the problem that pods failed, which their Job doesn't show while it waits, or None."""
    failed = [pod for pod in pods if (pod.get("status") or {}).get("phase") == "Failed"]
    if not failed:
        return None
    enders = Counter(ender for pod in failed if (ender := _find_ender(pod)) is not None)
    if enders:
        ender, count = enders.most_common(1)[0]
        return PodProblem(
            reason=BACK_OFF,
            message=(
                f"ended by {ender}; their Job tries again after a back-off. Give an item more time,"
                " or mend what hangs"
            ),
            pods=count,
        )
    name = failed[0]["metadata"]["name"]
    alike = count_alike(failure for pod in failed if (failure := describe_failure(pod)) is not None)
    words = f" ({alike[0].words})" if alike else ""
    verb = "logs" if alike is None or alike[0].has_log else "describe pod"
    return PodProblem(
        reason=BACK_OFF,
        message=(
            f"failed{words}; their Job tries again after a back-off. kubectl {verb} {name} tells"
            " more"
        ),
        pods=alike[1] if alike else len(failed),
    )


def _find_ender(pod: Mapping[str, Any]) -> str | None:
    """Return what of its own spec ended a failed pod, in a person's words; None if nothing did."""
    for container in (pod.get("status") or {}).get("containerStatuses") or ():
        ended = (container.get("state") or {}).get("terminated") or {}
        report = read_report(ended.get("message") or "")
        is_killed = ended.get("exitCode") in _STOPPED and ended.get("reason") != "OOMKilled"
        stopped = report.stopping if report else is_killed
        ender = find_ender(pod, {container["name"]}, stopped=stopped)
        if ender is not None:
            return ender
    return find_ender(pod, (), stopped=False)


def is_any_pod_deleted(pods: Iterable[Mapping[str, Any]]) -> bool:
    """Return whether one of the pods is being deleted."""
    return any(is_deleted(pod) for pod in pods)


def missing_pods(jobs: Sequence[ObservedJob]) -> PodProblem | None:
    """Return the problem that a Job's controller can't create pods, or None."""
    if not jobs:
        return None
    name = jobs[0].name
    return PodProblem(
        reason="PodsNotCreated",
        message=(
            f"Job {name} has no pod although it wants one, which a quota, a Pod Security level or"
            f" a webhook may cause; kubectl describe job {name} tells which"
        ),
        pods=sum(job.share for job in jobs),
    )
