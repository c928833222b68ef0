"""Builds the manifests of Events about a WorkQueueJob. Pure."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from workqueuejob.api import WorkQueueJob
from workqueuejob.cluster.requests import write_micro_time
from workqueuejob.names import (
    API_VERSION,
    GROUP,
    INSTALLATION_LABEL,
    KIND,
    OPERATOR,
    label_installation,
)
from workqueuejob.planning.status.events import Event

_NOTE_MAX_BYTES = 1024
"""The limit of events.k8s.io/v1."""
_INSTANCE_MAX_LENGTH = 128
"""The limit of events.k8s.io/v1."""


@dataclass(frozen=True, slots=True)
class Reporter:
    """The process that writes Events."""

    installation: str
    """The operator's installation, as `namespace/name`."""

    instance: str
    """The name of the operator's pod or host."""


def build_event(
    resource: WorkQueueJob, event: Event, *, reporter: Reporter, now: datetime
) -> dict[str, Any]:
    """Return the manifest of an events.k8s.io/v1 Event, its texts cut to the API's limits."""
    metadata = resource.metadata
    instance = f"{reporter.installation}/{reporter.instance}"
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            **_name(resource, event),
            "namespace": metadata.namespace,
            "labels": {INSTALLATION_LABEL: label_installation(reporter.installation)},
        },
        "regarding": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": metadata.name,
            "namespace": metadata.namespace,
            "uid": metadata.uid,
            "resourceVersion": metadata.resource_version,
        },
        "reportingController": f"{GROUP}/{OPERATOR}",
        "reportingInstance": instance[:_INSTANCE_MAX_LENGTH],
        "eventTime": write_micro_time(now),
        "type": event.type.value,
        "reason": event.reason,
        "action": event.action,
        "note": _shorten(event.message),
    }


def _name(resource: WorkQueueJob, event: Event) -> dict[str, str]:
    """Return the Event's name, or what the API server completes to one."""
    metadata = resource.metadata
    if not event.is_once:
        return {"generateName": f"{metadata.name}-"}
    text = "/".join((metadata.uid, event.reason, event.message))
    return {"name": f"{metadata.name}.{hashlib.sha256(text.encode()).hexdigest()[:16]}"}


def _shorten(note: str) -> str:
    encoded = note.encode()
    if len(encoded) <= _NOTE_MAX_BYTES:
        return note
    ellipsis = "…"
    kept_bytes = _NOTE_MAX_BYTES - len(ellipsis.encode())
    return encoded[:kept_bytes].decode(errors="ignore") + ellipsis
