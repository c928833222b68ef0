"""The fields of the definition that name a Secret, found in it, and WorkQueueJobs that use one."""

from collections.abc import Callable, Iterator, Mapping

from workqueuejob.api.crd import build_crd

from .manifests import SENTINEL, Manifest, kafka, rabbitmq, redis

SOURCES: Mapping[str, Callable[..., Manifest]] = {
    "rabbitmq": rabbitmq,
    "redis": redis,
    "kafka": kafka,
}


def find_secret_references(schema: Manifest, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the paths of all fields below `spec.queue` that name a Secret."""
    for name, field in schema.get("properties", {}).items():
        if name.endswith("SecretRef"):
            yield ".".join((*path, name))
        else:
            yield from find_secret_references(field, (*path, name))


def _queue_schema() -> Manifest:
    schema = build_crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    queue: Manifest = schema["properties"]["spec"]["properties"]["queue"]
    return queue


SECRET_REFERENCES = sorted(find_secret_references(_queue_schema()))


def naming_secret(reference: str, name: str, **fields: str) -> Manifest:
    """Return a patch by which the field `<broker>.<path>` names a Secret."""
    broker, *path = reference.split(".")
    named: Manifest = {"name": name, **fields}
    for part in reversed(path):
        named = {part: named}
    if path[0] == "sentinel":
        named = {"sentinel": SENTINEL | named["sentinel"]}
    without_host = {"host": None} if path[0] in ("uriSecretRef", "sentinel") else {}
    return SOURCES[broker](**without_host, **named)
