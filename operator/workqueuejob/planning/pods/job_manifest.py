"""Builds the Job of a wave. Pure: nothing is created here.

Indexed with a back-off limit per index, so that one completion's failures neither delay nor end
its healthy peers; pods that were evicted or preempted count as nobody's failure.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workqueuejob.api import WorkQueueJob, WorkQueueJobSpec
from workqueuejob.api.template_text import MOST_BYTES
from workqueuejob.contract.exit_codes import KILLED, STOPPED_EARLY
from workqueuejob.errors import TemplateInvalid
from workqueuejob.names import (
    API_VERSION,
    KIND,
    KUEUE_LABEL,
    NAME_LABEL,
    TEMPLATE_HASH_ANNOTATION,
    UID_LABEL,
    WARM_LABEL,
    WAVE_LABEL,
    WORKER_LABEL,
    job_name,
)
from workqueuejob.planning.actions import CreateWave
from workqueuejob.planning.ledger.spans import find_span, write_span
from workqueuejob.planning.pods.environment import Variable, build_environment
from workqueuejob.planning.pods.injection import inject_worker
from workqueuejob.planning.pods.template_shape import check_shape, read_variable_names
from workqueuejob.planning.pods.worker_environment import build_worker_environment

Manifest = dict[str, Any]

_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


@dataclass(frozen=True, slots=True)
class WorkerImage:
    """The image that an injected worker is copied from; pull_policy None is Kubernetes' default."""

    name: str
    pull_policy: str | None = None


def build_job(resource: WorkQueueJob, wave: CreateWave, worker_image: WorkerImage) -> Manifest:
    """Return the manifest of a wave's Job, owned by the WorkQueueJob.

    Rules: Job API (batch/v1), KEP-3850 (back-off limit per index), KEP-3329 (pod failure policy),
    KEP-3939 (pod replacement policy). Raises TemplateInvalid for what can't be built upon.
    """
    metadata, spec = resource.metadata, resource.spec
    template = _parse_template(spec)
    check_shape(template)
    labels = {
        NAME_LABEL: metadata.name,
        UID_LABEL: metadata.uid,
        WAVE_LABEL: str(wave.wave),
        **({WARM_LABEL: "true"} if wave.is_warm else {}),
    }
    failure_policy = _build_failure_policy(spec, template["spec"])
    _complete_template(resource, template, labels, worker_image)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name(metadata.name, metadata.uid, wave.wave),
            "namespace": metadata.namespace,
            "labels": {**spec.job_metadata.labels, **labels},
            "annotations": {
                **spec.job_metadata.annotations,
                TEMPLATE_HASH_ANNOTATION: hash_template(resource),
            },
            "ownerReferences": [_build_owner(resource)],
        },
        "spec": {
            "completions": wave.completions,
            "parallelism": wave.parallelism,
            "completionMode": "Indexed",
            **({"suspend": True} if KUEUE_LABEL in spec.job_metadata.labels else {}),
            **failure_policy,
            "template": template,
        },
    }


def hash_template(resource: WorkQueueJob) -> str:
    """Return what tells one kind of pod from another; the same for the same, for ever."""
    spec = resource.spec
    parts = {
        "queue": _describe_queue(resource),
        "worker": spec.worker.to_manifest() if spec.worker else None,
        "retry": spec.retry.to_manifest() if spec.retry else None,
    }
    if spec.pod_failure_policy is not None:
        # Left out otherwise, so that Jobs that run keep the hash which they were made with.
        parts["podFailurePolicy"] = spec.pod_failure_policy.to_manifest()
    texts = {
        name: json.dumps(part, sort_keys=True, separators=(",", ":"))
        for name, part in parts.items()
    }
    texts["template"] = str(spec.template.write())
    canonical = ",".join(f'"{name}":{text}' for name, text in sorted(texts.items()))
    return hashlib.sha256(f"{{{canonical}}}".encode()).hexdigest()[:16]


def _parse_template(spec: WorkQueueJobSpec) -> Manifest:
    template = spec.template
    if template.is_too_large:
        raise TemplateInvalid(
            f"spec.template is {template.size:,} bytes long as JSON, and at most"
            f" {MOST_BYTES:,} are allowed; move what is large, such as scripts and files, into a"
            " ConfigMap that the pods mount, or into the image"
        )
    return template.parse()


def _describe_queue(resource: WorkQueueJob) -> Manifest:
    """Return the queue as pods are told of it, without what only the operator reads."""
    queue, span = resource.spec.queue.to_manifest(), find_span(resource)
    for name in ("management", "surplusPodTimeoutSeconds"):
        queue.get("rabbitmq", {}).pop(name, None)
    queue.get("redis", {}).get("list", {}).pop("processingKey", None)
    if span is not None:
        queue["offsets"] = write_span(span).to_manifest()
    return queue


def _build_owner(resource: WorkQueueJob) -> Manifest:
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": resource.metadata.name,
        "uid": resource.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _build_failure_policy(spec: WorkQueueJobSpec, pod: Manifest) -> Manifest:
    if pod.get("restartPolicy", "Never") != "Never":
        # Kubernetes documents the finer policies for restartPolicy Never only.
        return {"backoffLimit": spec.backoff_limit}
    disrupted = {
        "action": "Ignore",
        "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
    }
    return {
        "backoffLimitPerIndex": spec.backoff_limit,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {
            "rules": [disrupted, *_build_worker_rules(spec, pod), *_own_rules(spec)]
        },
    }


def _own_rules(spec: WorkQueueJobSpec) -> list[Manifest]:
    """Return the user's rules, which are asked after ours."""
    policy = spec.pod_failure_policy
    return [rule.to_manifest() for rule in policy.failure_rules] if policy else []


def _build_worker_rules(spec: WorkQueueJobSpec, pod: Manifest) -> list[Manifest]:
    """Return what a worker's pod may do without having failed.

    One that was killed is an attempt of the item that it held, which is tried so often and then
    put aside; pods that were killed without an item are counted by the operator.
    """
    if spec.worker is None:
        return []
    codes = {
        "containerName": _find_worked(spec, pod)["name"],
        "operator": "In",
        "values": [STOPPED_EARLY, KILLED],
    }
    return [{"action": "Ignore", "onExitCodes": codes}]


def _complete_template(
    resource: WorkQueueJob,
    template: Manifest,
    labels: Mapping[str, str],
    worker_image: WorkerImage,
) -> None:
    """Add what pods of ours have to a template that was parsed for this Job."""
    spec = resource.spec
    metadata, pod = template.setdefault("metadata", {}), template["spec"]
    pod.setdefault("restartPolicy", "Never")
    if spec.worker is None:
        environment = build_environment(spec.queue)
        for kind in ("initContainers", "containers"):
            for container in pod.get(kind) or ():
                _add_environment(container, environment)
    else:
        labels = {**labels, WORKER_LABEL: "true"}
        worked = _find_worked(spec, pod)
        is_warm = WARM_LABEL in labels
        _add_environment(worked, build_worker_environment(resource, worked, is_warm=is_warm))
        if spec.is_worker_injected:
            # So that kubectl logs does not ask which container: ours is done by then.
            annotations = metadata.setdefault("annotations", {})
            annotations.setdefault(_DEFAULT_CONTAINER, worked["name"])
            template["spec"] = inject_worker(
                pod,
                image=worker_image.name,
                pull_policy=worker_image.pull_policy,
                container=worked["name"],
            )
    metadata["labels"] = {**(metadata.get("labels") or {}), **labels}


def _find_worked(spec: WorkQueueJobSpec, pod: Mapping[str, Any]) -> Manifest:
    """Return the container that works on the items; the API server has checked that it is there."""
    containers: list[Manifest] = pod["containers"]
    named = spec.worker.container_name if spec.worker else None
    return next((c for c in containers if c["name"] == named), containers[0])


def _add_environment(container: Manifest, environment: list[Variable]) -> None:
    """Put our variables first, so that the user's own may refer to them, and may win."""
    own, taken = container.get("env") or [], read_variable_names(container)
    container["env"] = [v for v in environment if v["name"] not in taken] + own
