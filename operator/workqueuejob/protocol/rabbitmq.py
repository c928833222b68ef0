"""The queues and headers that a worker adds at RabbitMQ; the user's own queue is never declared."""

import hashlib

ATTEMPTS_HEADER = "x-wqj-attempts"
"""Attempts that have failed or were lost, as far as they were written down."""

DEAD_LETTER_PREFIX = "x-wqj-dead-letter-"
"""Of the headers of a dead-lettered item: reason, attempts, time, pod, queue."""

_NAME_MAX_BYTES = 255
_DIGEST_LENGTH = 16


def delay_queue(queue: str, delay_seconds: int) -> str:
    """Return the queue in which items rest before they come back to theirs."""
    return _derive(queue, f".wqj-retry-{delay_seconds}s")


def holding_queue(queue: str, worker: str) -> str:
    """Return the queue by which one worker renews an item past the broker's consumer timeout."""
    return _derive(queue, f".wqj-held-{worker}")


def _derive(queue: str, suffix: str) -> str:
    """Return queue and suffix, shortened in the middle to what AMQP's short string holds."""
    name = queue + suffix
    if len(name.encode()) <= _NAME_MAX_BYTES:
        return name
    digest = hashlib.sha256(queue.encode()).hexdigest()[:_DIGEST_LENGTH]
    room = _NAME_MAX_BYTES - len(suffix.encode()) - _DIGEST_LENGTH
    return queue.encode()[:room].decode(errors="ignore") + digest + suffix
