"""What is dropped from objects is read by nobody."""

from typing import Any

import pytest

from tests.builders import (
    NAME,
    NAMESPACE,
    UID,
    a_job_manifest,
    a_rabbitmq_queue,
    a_template,
    a_work_queue_job,
    after,
)
from workqueuejob.api import WorkQueueJob
from workqueuejob.cluster.trimming import trim_job, trim_pod, trim_work_queue_job
from workqueuejob.contract.report import ItemCounts, write_report
from workqueuejob.contract.settings import SETTINGS
from workqueuejob.names import (
    JOB_LABEL,
    KUEUE_LABEL,
    TEMPLATE_HASH_ANNOTATION,
    UID_LABEL,
    WORKER_LABEL,
)
from workqueuejob.planning.observing.jobs import read_job
from workqueuejob.planning.observing.ownership import is_own_job, read_job_uid
from workqueuejob.planning.observing.pod_reports import read_pod_report
from workqueuejob.planning.observing.waiting_pods import (
    find_back_off,
    find_pod_problem,
    find_unclaimed_pods,
    is_any_pod_deleted,
)

Manifest = dict[str, Any]

LARGE = "x" * 100_000


def a_work_queue_job_manifest() -> Manifest:
    return {
        "metadata": {
            "name": NAME,
            "namespace": NAMESPACE,
            "uid": UID,
            "generation": 3,
            "resourceVersion": "7",
            "annotations": {"large": LARGE},
            "managedFields": [{"large": LARGE}],
            "deletionTimestamp": "2026-01-01T12:00:00Z",
        },
        "spec": {"queue": {"rabbitmq": a_rabbitmq_queue()}, "template": a_template()},
        "status": {"waves": 2},
    }


def a_job() -> Manifest:
    job = a_job_manifest(2)
    job["metadata"]["labels"] |= {KUEUE_LABEL: "q", "users": "own", UID_LABEL: UID}
    job["metadata"] |= {
        "uid": "u",
        "resourceVersion": "8",
        "generation": 1,
        "annotations": {TEMPLATE_HASH_ANNOTATION: "h", "large": LARGE},
    }
    job["spec"] |= {"suspend": True, "template": {"large": LARGE}}
    job["status"] = {
        "active": 1,
        "ready": 1,
        "terminating": 1,
        "succeeded": 2,
        "failed": 1,
        "failedIndexes": "1,3-4",
        "completedIndexes": LARGE,
        "uncountedTerminatedPods": {"succeeded": ["a"], "failed": ["b", "c"]},
        "conditions": [
            {
                "type": "FailureTarget",
                "status": "True",
                "reason": "RunDeadlineExceeded",
                "lastTransitionTime": "2026-01-01T12:00:00Z",
            }
        ],
    }
    return job


def a_pod(**status: Any) -> Manifest:
    return {
        "metadata": {
            "name": "fruits-1-0-abc",
            "namespace": NAMESPACE,
            "uid": "p",
            "creationTimestamp": "2026-01-01T12:00:00Z",
            "deletionTimestamp": "2026-01-01T12:01:00Z",
            "labels": {JOB_LABEL: "fruits-1", UID_LABEL: UID, WORKER_LABEL: "true", "own": "l"},
            "annotations": {"large": LARGE},
            "ownerReferences": [
                {"apiVersion": "batch/v1", "kind": "Job", "uid": "j", "controller": True}
            ],
        },
        "spec": {
            "schedulerName": "nobody",
            "containers": [
                {"name": "sidecar", "image": "s", "env": [{"name": "A", "value": LARGE}]},
                {"name": "worker", "env": [{"name": SETTINGS, "value": LARGE}]},
            ],
        },
        "status": status,
    }


def a_probed_pod() -> Manifest:
    state = {"terminated": {"exitCode": 143, "message": ""}}
    pod = a_pod(phase="Failed", containerStatuses=[{"name": "worker", "state": state}])
    del pod["metadata"]["deletionTimestamp"]
    probe = {"exec": {"command": [LARGE]}, "periodSeconds": 10}
    pod["spec"]["containers"][1]["livenessProbe"] = probe
    return pod


REPORT = write_report(ItemCounts(succeeded=2), held=1, note="because")
PODS = [
    a_pod(
        phase="Failed",
        conditions=[{"type": "DisruptionTarget", "status": "True"}],
        containerStatuses=[
            {"name": "sidecar", "state": {"running": {}}},
            {"name": "worker", "state": {"terminated": {"exitCode": 1, "message": REPORT}}},
        ],
    ),
    a_pod(
        phase="Pending",
        conditions=[
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "m"}
        ],
    ),
    a_pod(
        phase="Pending",
        initContainerStatuses=[
            {"name": "i", "state": {"waiting": {"reason": "ErrImagePull", "message": "m"}}}
        ],
    ),
    a_pod(phase="Pending"),
    a_pod(phase="Failed", reason="DeadlineExceeded"),
    a_probed_pod(),
]


def test_work_queue_job_is_read_as_the_whole_one_is() -> None:
    manifest = a_work_queue_job_manifest()

    trimmed = trim_work_queue_job(manifest)

    assert WorkQueueJob.from_manifest(trimmed) == WorkQueueJob.from_manifest(manifest)
    assert LARGE not in str(trimmed)


def test_job_is_read_as_the_whole_one_is() -> None:
    assert read_job(trim_job(a_job())) == read_job(a_job())
    assert is_own_job(trim_job(a_job()), a_work_queue_job())
    assert LARGE not in str(trim_job(a_job()))


@pytest.mark.parametrize("pod", PODS)
def test_pod_is_read_as_the_whole_one_is(pod: Manifest) -> None:
    trimmed = trim_pod(pod)
    for is_gone in (False, True):
        assert read_pod_report(trimmed, is_gone=is_gone) == read_pod_report(pod, is_gone=is_gone)
    assert find_pod_problem([trimmed]) == find_pod_problem([pod])
    assert find_back_off([trimmed]) == find_back_off([pod])
    later = after(60)
    assert find_unclaimed_pods([trimmed], now=later) == find_unclaimed_pods([pod], now=later)
    assert is_any_pod_deleted([trimmed]) is is_any_pod_deleted([pod])
    assert read_job_uid(trimmed) == read_job_uid(pod) == "j"
    assert LARGE not in str(trimmed)
