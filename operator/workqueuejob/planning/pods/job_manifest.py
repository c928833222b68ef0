"""Builds the manifest of a wave's Job. Pure: nothing is created here."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workqueuejob.api import WorkQueueJob, WorkQueueJobSpec
from workqueuejob.api.template_text import MOST_BYTES
from workqueuejob.brokers.sides import Variable
from workqueuejob.brokers.traits import read_traits
from workqueuejob.errors import TemplateInvalid
from workqueuejob.names import (
    API_VERSION,
    CONCURRENCY_LABEL,
    DEFAULT_INSTALLATION,
    INSTALLATION_LABEL,
    KIND,
    KUEUE_LABEL,
    NAME_LABEL,
    TEMPLATE_HASH_ANNOTATION,
    UID_LABEL,
    WARM_LABEL,
    WAVE_LABEL,
    WORKER_LABEL,
    job_name,
    label_installation,
)
from workqueuejob.planning.actions import CreateWave
from workqueuejob.planning.ledger.spans import find_span, write_span
from workqueuejob.planning.pods.environment import build_environment, choose_containers
from workqueuejob.planning.pods.failure_policy import build_failure_policy
from workqueuejob.planning.pods.injection import inject_worker
from workqueuejob.planning.pods.pod_annotations import build_annotations
from workqueuejob.planning.pods.template_shape import (
    check_shape,
    find_worked,
    read_variable_names,
)
from workqueuejob.planning.pods.worker_environment import build_worker_environment

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class WorkerImage:
    """The image that an injected worker is copied from."""

    name: str

    pull_policy: str | None = None
    """None: the default of Kubernetes."""


def build_job(
    resource: WorkQueueJob,
    wave: CreateWave,
    worker_image: WorkerImage,
    *,
    installation: str = DEFAULT_INSTALLATION,
) -> Manifest:
    """Return the manifest of a wave's Job, owned by the WorkQueueJob.

    installation: the one that makes it, whose name its labels and those of its pods have.
    Rules: Job API (batch/v1), KEP-3850 (back-off limit per index), KEP-3329 (pod failure policy),
    KEP-3939 (pod replacement policy). Raises TemplateInvalid for a template of the wrong shape.
    """
    metadata, spec = resource.metadata, resource.spec
    template = _parse_template(spec)
    check_shape(template)
    labels = {
        NAME_LABEL: metadata.name,
        UID_LABEL: metadata.uid,
        WAVE_LABEL: str(wave.wave),
        INSTALLATION_LABEL: label_installation(installation),
        **({WARM_LABEL: "true"} if wave.is_warm else {}),
        **({CONCURRENCY_LABEL: str(spec.concurrency)} if spec.concurrency > 1 else {}),
    }
    failure_policy = build_failure_policy(spec, template["spec"])
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
    """Return a hash of all that a wave's pods are made from; pods with another one are outdated."""
    # It must stay the same over versions of the operator.
    spec = resource.spec
    parts: dict[str, Any] = {
        "queue": _describe_queue(resource),
        "worker": spec.worker.to_manifest() if spec.worker else None,
        "retry": spec.retry.to_manifest() if spec.retry else None,
    }
    if spec.pod_failure_policy is not None:
        # Left out otherwise, so that a spec without it has the hash of operators before it.
        parts["podFailurePolicy"] = spec.pod_failure_policy.to_manifest()
    if spec.container_name is not None:
        parts["containerName"] = spec.container_name
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
    """Return the fields of the queue that pods get, without those that only the operator reads."""
    queue, span = resource.spec.queue.to_manifest(), find_span(resource)
    for path in read_traits(resource.spec.queue).operator_only:
        _remove(queue, (str(resource.spec.queue.broker), *path))
    if span is not None:
        queue["offsets"] = write_span(span).to_manifest()
    return queue


def _remove(manifest: Manifest, path: tuple[str, ...]) -> None:
    *parents, name = path
    for parent in parents:
        manifest = manifest.get(parent, {})
    manifest.pop(name, None)


def _build_owner(resource: WorkQueueJob) -> Manifest:
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": resource.metadata.name,
        "uid": resource.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _complete_template(
    resource: WorkQueueJob,
    template: Manifest,
    labels: Mapping[str, str],
    worker_image: WorkerImage,
) -> None:
    """Add to a template, which was parsed for this Job alone, what all pods of the run have."""
    spec = resource.spec
    metadata, pod = template.setdefault("metadata", {}), template["spec"]
    is_warm, injected = WARM_LABEL in labels, None
    pod.setdefault("restartPolicy", "Never")
    if spec.worker is None:
        for container in choose_containers(spec, pod):
            _add_environment(container, build_environment(spec.queue))
    else:
        labels = {**labels, WORKER_LABEL: "true"}
        worked = find_worked(spec.worker, pod)
        _add_environment(worked, build_worker_environment(resource, worked, is_warm=is_warm))
        if spec.is_worker_injected:
            injected = worked["name"]
            template["spec"] = inject_worker(
                pod,
                image=worker_image.name,
                pull_policy=worker_image.pull_policy,
                container=injected,
            )
    metadata["labels"] = {**(metadata.get("labels") or {}), **labels}
    metadata["annotations"] = build_annotations(
        metadata.get("annotations"), is_warm=is_warm, injected=injected
    )


def _add_environment(container: Manifest, environment: list[Variable]) -> None:
    """Put the operator's variables first, so that the user's may refer to them and replace them."""
    own, taken = container.get("env") or [], read_variable_names(container)
    container["env"] = [v for v in environment if v["name"] not in taken] + own
