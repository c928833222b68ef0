"""The names and arguments of the queues and headers that a worker adds at RabbitMQ. Pure."""

import hashlib
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

from workqueuejob.brokers.rabbitmq.settings import NAME_MAX_BYTES

ATTEMPTS_HEADER = "x-wqj-attempts"
"""How many attempts have failed or were lost, as far as workers wrote them down."""

LOST_HEADER = "x-wqj-lost"
"""Marks an item whose last attempt was lost; the worker that takes it next counts that."""

LOST_ATTEMPTS_HEADER = "x-wqj-lost-attempts"
"""How many of the attempts were lost."""

RETURNED_HEADER = "x-wqj-returned"
"""How often an item came back unsettled while it was unknown whether its worker or the broker had
died; at least 1."""

BOOT_ID_HEADER = "x-wqj-life"
"""The broker's boot id when a worker replaced an item that had come back."""

HELD_HEADER = "x-wqj-held"
"""On a copy in a holding queue: the number by which its worker recognizes it."""

ID_HEADER = "x-wqj-id"
"""The id of an item without a message_id, from its first copy on."""

FAILURE_HEADER = "x-wqj-last-failure"
"""Why the last failed attempt failed."""

DEAD_LETTER_PREFIX = "x-wqj-dead-letter-"
"""The prefix of the headers of a dead letter: reason, attempts, time, pod and queue."""

_MINUTE, _HOUR = 60, 3600
CHOSEN_DELAYS_SECONDS = (
    *(1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50),
    *(_MINUTE * n // 4 for n in (4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 60, 80, 100)),
    *(_MINUTE * n for n in (30, 40, 50)),
    *(_HOUR * n // 4 for n in (4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96)),
)
"""The delays that the work may choose, by which a chosen one is rounded up. Only added to, because
an operator looks for items that rest in the queues of those that it knows."""

_DIGEST_LENGTH = 16


def delay_queue(queue: str, delay_seconds: int) -> str:
    """Return the name of the queue for a delay, such as `work.wqj-retry-8s`."""
    return _derive(queue, f".wqj-retry-{delay_seconds}s")


def chosen_delays_queue(queue: str) -> str:
    """Return the name of the queue whose existence says that items may rest for chosen delays."""
    return _derive(queue, ".wqj-retry-chosen")


def list_chosen_delay_queues(queue: str) -> Iterator[str]:
    """Return the names of the queues for chosen delays, of which few exist."""
    return (delay_queue(queue, delay_seconds) for delay_seconds in CHOSEN_DELAYS_SECONDS)


def round_up_delay(delay_seconds: int) -> int:
    """Return the next chosen delay: 60 for 60, and 75 for 61 seconds."""
    return CHOSEN_DELAYS_SECONDS[bisect_left(CHOSEN_DELAYS_SECONDS, delay_seconds)]


def boot_id_queue(queue: str) -> str:
    """Return the name of the queue that holds the broker's boot id, such as `work.wqj-life`."""
    return _derive(queue, ".wqj-life")


def holding_queue(queue: str, worker: str) -> str:
    """Return the name of a worker's holding queue, such as `work.wqj-held-POD-1a2b3c`."""
    return _derive(queue, f".wqj-held-{worker}")


def returning_arguments(queue: str, *, ttl_ms: int, expires_ms: int) -> dict[str, Any]:
    """Return the arguments of a quorum queue whose items move to `queue` after the time to live.

    With the strategy `at-least-once` it drops an item only after `queue` has confirmed it. RabbitMQ
    deletes the queue, with its items, after `expires_ms` without a consumer or a declare. See
    https://www.rabbitmq.com/docs/quorum-queues and https://www.rabbitmq.com/docs/ttl.
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
    """Return the arguments as a classic queue, for a broker that refuses such a quorum queue."""
    quorum_only = {"x-dead-letter-strategy", "x-overflow"}
    kept = {name: value for name, value in arguments.items() if name not in quorum_only}
    return kept | {"x-queue-type": "classic"}


def _derive(queue: str, suffix: str) -> str:
    """Return queue and suffix; shortened by a digest where AMQP's short string is too short."""
    name = queue + suffix
    if len(name.encode()) <= NAME_MAX_BYTES:
        return name
    digest = hashlib.sha256(queue.encode()).hexdigest()[:_DIGEST_LENGTH]
    room = NAME_MAX_BYTES - len(suffix.encode()) - _DIGEST_LENGTH
    return queue.encode()[:room].decode(errors="ignore") + digest + suffix
