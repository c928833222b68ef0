"""Builds the Job of a wave. Pure: nothing is created here.

Indexed with a back-off limit per index, so that one completion's failures neither delay nor end
its healthy peers; pods that were evicted or preempted count as nobody's failure.
"""

import copy
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from workqueuejob.api import WorkQueueJob, WorkQueueJobSpec
from workqueuejob.names import (
    API_VERSION,
    KIND,
    NAME_LABEL,
    TEMPLATE_HASH_ANNOTATION,
    UID_LABEL,
    WAVE_LABEL,
    job_name,
)
from workqueuejob.planning.actions import CreateWave
from workqueuejob.planning.environment import build_environment

Manifest = dict[str, Any]


def build_job(resource: WorkQueueJob, wave: CreateWave) -> Manifest:
    """Return the manifest of a wave's Job, owned by the WorkQueueJob.

    Rules: Job API (batch/v1), KEP-3850 (back-off limit per index), KEP-3329 (pod failure policy),
    KEP-3939 (pod replacement policy).
    """
    metadata, spec = resource.metadata, resource.spec
    labels = {
        NAME_LABEL: metadata.name,
        UID_LABEL: metadata.uid,
        WAVE_LABEL: str(wave.wave),
    }
    template = _build_template(resource, labels)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name(metadata.name, metadata.uid, wave.wave),
            "namespace": metadata.namespace,
            "labels": {**spec.job_metadata.labels, **labels},
            "annotations": {
                **spec.job_metadata.annotations,
                TEMPLATE_HASH_ANNOTATION: hash_template(spec),
            },
            "ownerReferences": [_build_owner(resource)],
        },
        "spec": {
            "completions": wave.completions,
            "parallelism": wave.parallelism,
            "completionMode": "Indexed",
            **_build_failure_policy(
                template["spec"]["restartPolicy"], backoff_limit=spec.backoff_limit
            ),
            "template": template,
        },
    }


def hash_template(spec: WorkQueueJobSpec) -> str:
    """Return what tells one template from another; the same for the same, for ever."""
    canonical = json.dumps(spec.template, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _build_owner(resource: WorkQueueJob) -> Manifest:
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": resource.metadata.name,
        "uid": resource.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _build_failure_policy(restart_policy: str, *, backoff_limit: int) -> Manifest:
    if restart_policy != "Never":
        # Kubernetes documents the finer policies for restartPolicy Never only.
        return {"backoffLimit": backoff_limit}
    return {
        "backoffLimitPerIndex": backoff_limit,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {
            "rules": [
                {
                    "action": "Ignore",
                    "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
                }
            ]
        },
    }


def _build_template(resource: WorkQueueJob, labels: Mapping[str, str]) -> Manifest:
    template = copy.deepcopy(dict(resource.spec.template))
    metadata = template.setdefault("metadata", {})
    metadata["labels"] = {**(metadata.get("labels") or {}), **labels}
    pod = template["spec"]
    pod.setdefault("restartPolicy", "Never")
    environment = build_environment(resource.spec.queue)
    for kind in ("initContainers", "containers"):
        for container in pod.get(kind) or ():
            _add_environment(container, environment)
    return template


def _add_environment(container: Manifest, environment: list[Manifest]) -> None:
    """Put our variables first, so that the user's own may refer to them, and may win."""
    own = container.get("env") or []
    taken = {variable["name"] for variable in own}
    container["env"] = [v for v in environment if v["name"] not in taken] + own
