"""The CustomResourceDefinition of WorkQueueJob: its names, columns and subresources.

The schema comes from the models; `crds/generate.py` writes the manifest to where users find it.
"""

from typing import Any

from workqueuejob.api.base import Model, Rule
from workqueuejob.api.schema import Schema, build_schema
from workqueuejob.api.spec import WorkQueueJobSpec
from workqueuejob.api.status import WorkQueueJobStatus
from workqueuejob.names import (
    GROUP,
    KIND,
    NAME_MAX_LENGTH,
    PLURAL,
    SHORT_NAME,
    SINGULAR,
    VERSION,
)

DESCRIPTION = (
    "WorkQueueJob drains a work queue with Jobs of the right size: a Job whose completions come"
    " from a queue. Take a Job, change its kind, delete completions, and name the queue."
)
_PROGRESSING = '.status.conditions[?(@.type=="Progressing")]'


class WorkQueueJobSchema(Model):
    """The root of the schema; metadata is the API server's own, except for the name."""

    rules = (
        Rule(
            rule=(
                f"self.metadata.name.size() <= {NAME_MAX_LENGTH}"
                " && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')"
            ),
            message=(
                f"metadata.name must be a DNS label of at most {NAME_MAX_LENGTH} characters"
                " (a-z, 0-9 and -), as Jobs and pods are named after it; choose such a name"
            ),
            field_path=".metadata.name",
        ),
    )

    spec: WorkQueueJobSpec
    """What to do: which queue to drain, with which pods, and when to stop."""

    status: WorkQueueJobStatus | None = None
    """What the run has done so far, as the operator last saw it. A number that is absent is
    unknown, not zero."""


def build_crd() -> dict[str, Any]:
    """Return the manifest of the CustomResourceDefinition."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": SINGULAR,
                "shortNames": [SHORT_NAME],
                "categories": ["all"],
            },
            "scope": "Namespaced",
            "versions": [_version()],
        },
    }


def _version() -> dict[str, Any]:
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.parallelism",
                "statusReplicasPath": ".status.pods.active",
                "labelSelectorPath": ".status.selector",
            },
        },
        "additionalPrinterColumns": _columns(),
        "schema": {"openAPIV3Schema": _root_schema()},
    }


def _columns() -> list[dict[str, Any]]:
    """Return what `kubectl get` shows; priority 1 only with `-o wide`.

    ETA is a string because kubectl shows a date in the future as <invalid>.
    """
    return [
        _column("Status", f"{_PROGRESSING}.reason", "What the run does or waits for"),
        _column("Progress", ".status.progress", "Items done of items seen"),
        _column("Queued", ".status.queue.ready", "Items ready in the queue", kind="integer"),
        _column("In-Flight", ".status.queue.inFlight", "Items being worked on", kind="integer"),
        _column("Dead", ".status.items.deadLettered", "Items dead-lettered", kind="integer"),
        _column("Active", ".status.pods.active", "Pods pending or running", kind="integer"),
        _column("Age", ".metadata.creationTimestamp", "Time since creation", kind="date"),
        _column("Queue", ".status.queue.address", "Where the items come from", wide=True),
        _column("Rate", ".status.itemsPerMinute", "Items done per minute", wide=True),
        _column("ETA", ".status.estimatedCompletionTime", "When it will be complete", wide=True),
        _column("Message", f"{_PROGRESSING}.message", "Why, in words", wide=True),
    ]


def _column(
    name: str, json_path: str, description: str, *, kind: str = "string", wide: bool = False
) -> dict[str, Any]:
    column: dict[str, Any] = {
        "name": name,
        "type": kind,
        "jsonPath": json_path,
        "description": description,
    }
    return column | {"priority": 1} if wide else column


def _root_schema() -> Schema:
    schema = build_schema(WorkQueueJobSchema)
    properties = {
        "apiVersion": {
            "type": "string",
            "maxLength": 64,
            "description": f"Version of the resource: {GROUP}/{VERSION}.",
        },
        "kind": {"type": "string", "maxLength": 64, "description": f"Kind: {KIND}."},
        # The API server documents metadata itself. The name is here for the rule to point at.
        "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
    }
    return schema | {"description": DESCRIPTION, "properties": properties | schema["properties"]}
