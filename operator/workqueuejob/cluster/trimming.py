"""Keeps of objects only the fields that `planning` reads, which are listed here. Pure.

Users who may create Jobs or pods may make them large: with annotations, variables and fields that
no schema knows. Add a field here when planning is to read it.
"""

from collections.abc import Collection, Mapping
from typing import Any

from workqueuejob.api.template_text import TemplateText
from workqueuejob.contract.features import PREFIX
from workqueuejob.contract.settings import SETTINGS
from workqueuejob.names import GROUP, JOB_LABEL, KUEUE_LABEL, TEMPLATE_HASH_ANNOTATION
from workqueuejob.planning.observing.endings import PROBES

Manifest = dict[str, Any]

_METADATA = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)
_JOB_SPEC = ("completions", "parallelism", "suspend")
_JOB_STATUS = (
    "active",
    "ready",
    "terminating",
    "succeeded",
    "failed",
    "failedIndexes",
    "uncountedTerminatedPods",
    "conditions",
    "startTime",
    "completionTime",
)
_POD_SPEC = (
    "nodeName",
    "schedulerName",
    "schedulingGates",
    "restartPolicy",
    "terminationGracePeriodSeconds",
    "activeDeadlineSeconds",
)
_POD_STATUS = (
    "phase",
    "reason",
    "message",
    "conditions",
    "initContainerStatuses",
    "containerStatuses",
    "startTime",
)
_CONTAINER = ("name", "restartPolicy")
_CONTAINER_STATUS = ("name", "state", "lastState", "restartCount", "containerID")
_CONDITION = ("type", "status", "reason", "message", "lastTransitionTime")

_STATUS_LISTS: Mapping[str, Collection[str]] = {
    "conditions": _CONDITION,
    "initContainerStatuses": _CONTAINER_STATUS,
    "containerStatuses": _CONTAINER_STATUS,
}

VARIABLES_MAX = 50
"""The most names of variables that are kept of a container; the operator writes fewer."""


def trim_work_queue_job(manifest: Manifest) -> Manifest:
    """Return a WorkQueueJob with little metadata, and with its template as text."""
    trimmed = {**manifest, "metadata": _pick(manifest["metadata"], _METADATA)}
    spec = manifest.get("spec")
    if isinstance(spec, dict) and isinstance(spec.get("template"), dict):
        trimmed["spec"] = {**spec, "template": TemplateText.read(spec["template"]).write()}
    return trimmed


def trim_job(manifest: Manifest) -> Manifest:
    """Return what planning reads of a Job: not its template, nor which indexes succeeded."""
    return {
        "metadata": _trim_metadata(manifest["metadata"]),
        "spec": _pick(manifest.get("spec") or {}, _JOB_SPEC),
        "status": _trim_status(manifest.get("status") or {}, _JOB_STATUS),
    }


def trim_pod(manifest: Manifest) -> Manifest:
    """Return what planning reads of a pod: its state, and which container runs the worker."""
    spec: Mapping[str, Any] = manifest.get("spec") or {}
    containers = {
        kind: [_trim_container(container) for container in spec[kind]]
        for kind in ("initContainers", "containers")
        if spec.get(kind)
    }
    return {
        "metadata": _trim_metadata(manifest["metadata"]),
        "spec": {**_pick(spec, _POD_SPEC), **containers},
        "status": _trim_status(manifest.get("status") or {}, _POD_STATUS),
    }


def trim_to_identity(manifest: Manifest) -> Manifest:
    """Return an object's metadata: its name, UID, labels and owners."""
    metadata = dict(manifest["metadata"])
    # Without the version, which is of the past: a watch would go on from there.
    metadata.pop("resourceVersion", None)
    return {"metadata": metadata}


def _trim_metadata(metadata: Mapping[str, Any]) -> Manifest:
    labels: Mapping[str, str] = metadata.get("labels") or {}
    annotations: Mapping[str, str] = metadata.get("annotations") or {}
    return {
        **_pick(metadata, (*_METADATA, "ownerReferences", "finalizers")),
        "labels": {key: value for key, value in labels.items() if _is_read(key)},
        "annotations": _pick(annotations, (TEMPLATE_HASH_ANNOTATION,)),
    }


def _is_read(label: str) -> bool:
    return label.startswith((f"{GROUP}/", "batch.kubernetes.io/")) or label in {
        JOB_LABEL,
        KUEUE_LABEL,
    }


def _trim_status(status: Mapping[str, Any], names: Collection[str]) -> Manifest:
    trimmed = _pick(status, names)
    for name, kept in _STATUS_LISTS.items():
        if trimmed.get(name):
            trimmed[name] = [_pick(entry, kept) for entry in trimmed[name]]
    return trimmed


def _trim_container(container: Mapping[str, Any]) -> Manifest:
    named = {variable.get("name") or "" for variable in container.get("env") or ()}
    read = sorted(name for name in named if name == SETTINGS or name.startswith(PREFIX))
    variables = [{"name": name} for name in read[:VARIABLES_MAX]]
    return {
        **_pick(container, _CONTAINER),
        **({"env": variables} if variables else {}),
        **{kind: _trim_probe(container[kind]) for kind in PROBES if container.get(kind)},
    }


def _trim_probe(probe: Mapping[str, Any]) -> Manifest:
    """Return a probe's numbers, without its command or request."""
    return {name: value for name, value in probe.items() if isinstance(value, int)}


def _pick(fields: Mapping[str, Any], names: Collection[str]) -> Manifest:
    return {name: fields[name] for name in names if name in fields}
