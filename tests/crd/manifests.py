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


SENTINEL: Manifest = {"masterName": "mymaster", "addresses": ["sentinel:26379"]}


def redis(source: Manifest | None = None, **changes: Any) -> Manifest:
    """Return a patch that makes the queue a Redis list, unless `source` says otherwise."""
    source = {"list": {"key": "job2"}} if source is None else source
    return {"spec": {"queue": {"rabbitmq": None, "redis": {"host": "redis"} | source | changes}}}


def kafka(*, sasl: Manifest | None = None, **changes: Any) -> Manifest:
    """Return a patch that makes the queue a Kafka topic; a login is by PLAIN unless it says so."""
    topic: Manifest = {
        "bootstrapServers": ["kafka:9092"],
        "topic": "orders",
        "consumerGroup": "billing",
    }
    if sasl is not None:
        topic["sasl"] = {"mechanism": "PLAIN"} | sasl
    return {"spec": {"mode": "Fine", "queue": {"rabbitmq": None, "kafka": topic | changes}}}


def worked(queue: Manifest | None = None, **changes: Any) -> Manifest:
    """Return a patch that lets our worker run the container's command, with a change of spec."""
    container = {"name": "worker", "image": "busybox", "command": ["wc", "-c"]}
    worker: Manifest = {
        "worker": {"source": "Injected"},
        "template": {"spec": {"containers": [container]}},
    }
    if queue is None:
        worker["retry"] = {"deadLetter": {"name": "job1.dead"}}
    return merged(queue or {}, {"spec": merged(worker, changes)})


def warm(queue: Manifest | None = None, pods: int = 2, **changes: Any) -> Manifest:
    """Return a patch that lets our worker's pods wait for items, up to four of them at work."""
    kept = {"mode": "Fine", "parallelism": 4, "autoscale": {"minParallelism": pods}}
    return worked(queue, **kept | {"runPolicy": "Continuous"} | changes)


def spec(**changes: Any) -> Manifest:
    """Return a patch of spec."""
    return {"spec": changes}
