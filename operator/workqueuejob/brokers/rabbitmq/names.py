"""The queues and headers that a worker adds at RabbitMQ; the user's own queue is never declared."""

import hashlib
from typing import Any

from workqueuejob.brokers.uri import NAME_MAX_BYTES

ATTEMPTS_HEADER = "x-wqj-attempts"
"""Attempts that have failed or were lost, as far as they were written down."""

LOST_HEADER = "x-wqj-lost"
"""On an item whose last attempt was lost, which whoever takes it next is to count."""

RETURNED_HEADER = "x-wqj-returned"
"""On an item that came back from a consumer that settled nothing: how often, where nobody can tell
whether an attempt or the broker was the cause; at least 1."""

BOOT_ID_HEADER = "x-wqj-life"
"""In which life of the broker an item that came back was noted so."""

HELD_HEADER = "x-wqj-held"
"""On a copy in a worker's holding queue: a number by which the worker knows it."""

ID_HEADER = "x-wqj-id"
"""The id of an item that came without a message_id, from its first republishing on."""

FAILURE_HEADER = "x-wqj-last-failure"
"""Why the attempt before failed."""

DEAD_LETTER_PREFIX = "x-wqj-dead-letter-"
"""Of the headers of a dead-lettered item: reason, attempts, time, pod, queue."""

_DIGEST_LENGTH = 16


def delay_queue(queue: str, delay_seconds: int) -> str:
    """Return the queue in which items rest before they come back to theirs."""
    return _derive(queue, f".wqj-retry-{delay_seconds}s")


def boot_id_queue(queue: str) -> str:
    """Return the queue by which workers know whether the broker was started again."""
    return _derive(queue, ".wqj-life")


def holding_queue(queue: str, worker: str) -> str:
    """Return the queue by which one worker renews an item past the broker's consumer timeout."""
    return _derive(queue, f".wqj-held-{worker}")


def returning_arguments(queue: str, *, ttl_ms: int, expires_ms: int) -> dict[str, Any]:
    """Return the arguments of a queue whose items come back to `queue` after the time to live.

    As a quorum queue it hands an item back with a confirm, before it lets go of it. It vanishes
    after `expires_ms` without a consumer or a declare, whatever is in it.
    """
    return {
        "x-queue-type": "quorum",
        "x-message-ttl": ttl_ms,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": queue,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
        "x-expires": expires_ms,
    }


def classic_arguments(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments for a broker that refuses such a quorum queue."""
    quorum_only = {"x-dead-letter-strategy", "x-overflow"}
    kept = {name: value for name, value in arguments.items() if name not in quorum_only}
    return kept | {"x-queue-type": "classic"}


def _derive(queue: str, suffix: str) -> str:
    """Return queue and suffix, shortened in the middle to what AMQP's short string holds."""
    name = queue + suffix
    if len(name.encode()) <= NAME_MAX_BYTES:
        return name
    digest = hashlib.sha256(queue.encode()).hexdigest()[:_DIGEST_LENGTH]
    room = NAME_MAX_BYTES - len(suffix.encode()) - _DIGEST_LENGTH
    return queue.encode()[:room].decode(errors="ignore") + digest + suffix
