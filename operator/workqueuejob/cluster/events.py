"""Writes Events onto a WorkQueueJob."""

from datetime import datetime
from typing import Any

from workqueuejob.api import WorkQueueJob
from workqueuejob.cluster.requests import write_micro_time
from workqueuejob.names import API_VERSION, GROUP, KIND, OPERATOR
from workqueuejob.planning.status.events import Event

_NOTE_BYTES = 1024


def build_event(
    resource: WorkQueueJob, event: Event, *, instance: str, now: datetime
) -> dict[str, Any]:
    """Return the manifest of an events.k8s.io/v1 Event."""
    metadata = resource.metadata
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"generateName": f"{metadata.name}-", "namespace": metadata.namespace},
        "regarding": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": metadata.name,
            "namespace": metadata.namespace,
            "uid": metadata.uid,
            "resourceVersion": metadata.resource_version,
        },
        "reportingController": f"{GROUP}/{OPERATOR}",
        "reportingInstance": instance[:128],
        "eventTime": write_micro_time(now),
        "type": event.type.value,
        "reason": event.reason,
        "action": event.action,
        "note": _shorten(event.message),
    }


def _shorten(note: str) -> str:
    encoded = note.encode()
    if len(encoded) <= _NOTE_BYTES:
        return note
    return encoded[: _NOTE_BYTES - 3].decode(errors="ignore") + "…"
