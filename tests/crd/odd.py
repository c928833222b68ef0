"""Manifests that nobody should write, and how they are told: a path, and what stands there."""

import copy
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .manifests import Manifest

_NESTED = re.compile(r'"\{nested (\d+)\}"')

REDIS_HOST, BROKER_HOST = "{redis}", "{rabbitmq}"
"""What stands for the brokers' hosts until they are known."""

REMOVED = object()
"""In the place of a value: the field is not there."""

Change = tuple[str, Any]
Secret = Mapping[str, bytes]

RABBITMQ = "spec.queue.rabbitmq"
REDIS = "spec.queue.redis"
POD = "spec.template.spec"
CONTAINER = f"{POD}.containers.0"


@dataclass(frozen=True, slots=True)
class Refused:
    """What the API server does not take; words: in the message about the field."""

    name: str
    changes: tuple[Change, ...]
    field: str
    words: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """What is taken, and the condition that it ends in, where the queue is there and empty.

    words: what the condition's message must contain.
    secret: the data of a Secret of the name `odd`, made before.
    has_item: whether there is one item in the queue, so that a pod is wanted.
    """

    name: str
    changes: tuple[Change, ...]
    condition: str = "Complete"
    reason: str = "QueueEmpty"
    words: tuple[str, ...] = ()
    secret: Secret = field(default_factory=dict)
    has_item: bool = False

    def __str__(self) -> str:
        return self.name

    def changed_at(self, hosts: Mapping[str, str]) -> tuple[Change, ...]:
        """Return the changes where brokers have these hosts."""
        return tuple(
            (path, value if path.startswith(POD) else _fill_in(value, hosts))
            for path, value in self.changes
        )

    def secret_at(self, hosts: Mapping[str, str]) -> dict[str, bytes]:
        """Return the Secret's data where brokers have these hosts."""
        return {key: _fill_in(value, hosts) for key, value in self.secret.items()}


def changed(manifest: Manifest, changes: tuple[Change, ...]) -> Manifest:
    """Return the manifest with values put at paths; a number in a path is a list's index."""
    result = copy.deepcopy(manifest)
    for path, value in changes:
        *way, last = path.split(".")
        node: Any = result
        for step in way:
            node = node[int(step)] if step.isdigit() else node.setdefault(step, {})
        if value is REMOVED:
            del node[last]
        else:
            node[int(last) if last.isdigit() else last] = value
    return result


def refused(name: str, path: str, value: object, words: str, *, where: str = "") -> Refused:
    """Return what is refused for one value; where: the field that is blamed, if it is another."""
    return Refused(name, ((path, value),), where or path, words)


def template_invalid(name: str, words: str, *changes: Change) -> Accepted:
    """Return what the schema takes and no Job can be made of."""
    return Accepted(name, changes, "Progressing", "TemplateInvalid", (words,))


def with_item(name: str, condition: str, reason: str, words: str, *changes: Change) -> Accepted:
    """Return what is taken, and what becomes of the pod that it makes for an item."""
    return Accepted(name, changes, condition, reason, (words,), has_item=True)


def unreachable(name: str, reason: str, words: str, *changes: Change, **secret: bytes) -> Accepted:
    """Return what is taken and leads to no queue; secret: keys with _ for their dots."""
    data = {key.replace("_", "."): value for key, value in secret.items()}
    return Accepted(name, changes, "QueueReachable", reason, (words,), data)


def nested(levels: int) -> str:
    """Return what stands for an object in an object in an object, until the manifest is text.

    Python's encoder does not go as deep as the API server.
    """
    return f"{{nested {levels}}}"


def write(manifest: Manifest) -> str:
    """Return the manifest as JSON."""
    return _NESTED.sub(_write_nested, json.dumps(manifest))


def _write_nested(found: re.Match[str]) -> str:
    levels = int(found.group(1))
    return '{"a":' * levels + "1" + "}" * levels


def with_worker(*changes: Change) -> tuple[Change, ...]:
    """Return changes after which an injected worker runs the container's command."""
    return (
        ("spec.worker", {"source": "Injected"}),
        ("spec.retry", {"onExhausted": "Discard"}),
        (f"{CONTAINER}.command", ["true"]),
        *changes,
    )


def by_uri(*changes: Change) -> tuple[Change, ...]:
    """Return changes after which the whole URI comes from the Secret."""
    return (
        (f"{RABBITMQ}.host", REMOVED),
        (f"{RABBITMQ}.uriSecretRef", {"name": "odd"}),
        *changes,
    )


def _fill_in(odd: Any, hosts: Mapping[str, str]) -> Any:
    if isinstance(odd, dict):
        return {key: _fill_in(value, hosts) for key, value in odd.items()}
    if isinstance(odd, list):
        return [_fill_in(value, hosts) for value in odd]
    for name, host in hosts.items():
        if isinstance(odd, str):
            odd = odd.replace("{" + name + "}", host)
        elif isinstance(odd, bytes):
            odd = odd.replace(b"{%s}" % name.encode(), host.encode())
    return odd
