"""WorkQueueJobs as a user writes them: a valid one, and changes to it."""

from typing import Any

Manifest = dict[str, Any]


def build_manifest(changes: Manifest | None = None) -> Manifest:
    """Return the smallest valid WorkQueueJob, with a JSON merge patch applied."""
    manifest: Manifest = {
        "apiVersion": "wqj.dev/v1alpha1",
        "kind": "WorkQueueJob",
        "metadata": {"name": "fruits", "namespace": "default"},
        "spec": {
            "queue": {"rabbitmq": {"host": "mq", "queue": "job1"}},
            "template": {"spec": {"containers": [{"name": "worker", "image": "job-wq-1"}]}},
        },
    }
    return merged(manifest, changes or {})


def merged(target: Manifest, patch: Manifest) -> Manifest:
    """Return the target with a JSON merge patch (RFC 7396) applied: None removes."""
    result = dict(target)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            below = result.get(key)
            result[key] = merged(below if isinstance(below, dict) else {}, value)
        else:
            result[key] = value
    return result


def rabbitmq(**changes: Any) -> Manifest:
    """Return a patch of spec.queue.rabbitmq."""
    return {"spec": {"queue": {"rabbitmq": changes}}}


def spec(**changes: Any) -> Manifest:
    """Return a patch of spec."""
    return {"spec": changes}
