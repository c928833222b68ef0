"""Builds the manifests of Events about a WorkQueueJob. Pure."""

from datetime import datetime
from typing import Any

from workqueuejob.api import WorkQueueJob
from workqueuejob.cluster.requests import write_micro_time
from workqueuejob.names import API_VERSION, GROUP, KIND, OPERATOR
from workqueuejob.planning.status.events import Event

_NOTE_MAX_BYTES = 1024
"""The limit of events.k8s.io/v1."""
_INSTANCE_MAX_LENGTH = 128
"""The limit of events.k8s.io/v1."""


def build_event(
    resource: WorkQueueJob, event: Event, *, instance: str, now: datetime
) -> dict[str, Any]:
    """Return the manifest of an events.k8s.io/v1 Event, its texts cut to the API's limits.

    instance: the name of the operator's pod or host.
    """
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
        "reportingInstance": instance[:_INSTANCE_MAX_LENGTH],
        "eventTime": write_micro_time(now),
        "type": event.type.value,
        "reason": event.reason,
        "action": event.action,
        "note": _shorten(event.message),
    }


def _shorten(note: str) -> str:
    encoded = note.encode()
    if len(encoded) <= _NOTE_MAX_BYTES:
        return note
    ellipsis = "…"
    kept_bytes = _NOTE_MAX_BYTES - len(ellipsis.encode())
    return encoded[:kept_bytes].decode(errors="ignore") + ellipsis
