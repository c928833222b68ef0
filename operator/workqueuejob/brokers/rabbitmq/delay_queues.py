"""The queues in which items rest before their next attempt; a time to live brings them back.

A worker declares them beside the user's queue: quorum queues, which pass an item on with a confirm,
or classic queues where the broker refuses such quorum queues. Publishes and consumes nothing.

The operator knows the delays of the settings. Other delays are those that the work chooses for an
item. They are rounded up, so that there are few such queues. One more queue, which stays empty,
says that there may be any, so that the operator needn't look for them in vain.
"""

import time
from collections.abc import Collection
from typing import Any

from workqueuejob.brokers.rabbitmq.names import (
    CHOSEN_DELAYS_SECONDS,
    chosen_delays_queue,
    classic_arguments,
    delay_queue,
    returning_arguments,
    round_up_delay,
)
from workqueuejob.brokers.rabbitmq.worker_connection import WorkerConnection
from workqueuejob.contract.notices import say
from workqueuejob.errors import BrokerUnavailable, WorkQueueJobError

DAY_MS = 24 * 3600 * 1000
REDECLARE_SECONDS = 3600.0
"""RabbitMQ deletes a queue, with its items, that was not used or declared for its expiry."""

SILENT_SECONDS = 300.0
"""For so long a queue that has not answered is left alone, because each try takes long."""

_PRECONDITION_FAILED = 406


class DelayQueues:
    """The delay queues of one queue, by delay."""

    def __init__(
        self, connection: WorkerConnection, queue: str, *, delays_seconds: Collection[int]
    ) -> None:
        """Declare nothing yet. delays_seconds: those of the settings."""
        self._connection = connection
        self._queue = queue
        self._delays_seconds = frozenset(delays_seconds)
        self._declared_at: dict[str, float] = {}
        self._silent_at: dict[int, float] = {}

    def declare(self) -> None:
        """Declare the queues for the settings' delays.

        Raises AuthorizationFailed if the user may not.
        """
        for delay_seconds in sorted(self._delays_seconds):
            self._declare(delay_queue(self._queue, delay_seconds), delay_seconds)

    def round_up(self, delay_seconds: int) -> int:
        """Return the delay itself if the settings have it, or the next one that may be chosen."""
        known = delay_seconds in self._delays_seconds
        return delay_seconds if known else round_up_delay(delay_seconds)

    def find(self, delay_seconds: int) -> str:
        """Return the name of a delay's queue, which exists for at least a day from now."""
        if delay_seconds not in self._delays_seconds:
            # First, because an item may rest only where the operator looks for it.
            longest_seconds = CHOSEN_DELAYS_SECONDS[-1]
            self._find(chosen_delays_queue(self._queue), longest_seconds)
        return self._find(delay_queue(self._queue, delay_seconds), delay_seconds)

    def forget(self, delay_seconds: int) -> None:
        """Note that a delay's queue was deleted, so that `find` declares it again."""
        self._declared_at.pop(delay_queue(self._queue, delay_seconds), None)

    def note_silent(self, delay_seconds: int) -> None:
        """Note that a delay's queue has not answered, and say how to mend it."""
        name = delay_queue(self._queue, delay_seconds)
        say(
            "delay queue does not answer, items come back without their delay",
            queue=name,
            remedy=f"if it stays so, delete queue {name!r}; the worker declares it again",
        )
        self._silent_at[delay_seconds] = time.monotonic()

    def is_silent(self, delay_seconds: int) -> bool:
        """Return whether a delay's queue has not answered a moment ago, and is not to be asked."""
        silent_at = self._silent_at.get(delay_seconds, float("-inf"))
        return time.monotonic() - silent_at < SILENT_SECONDS

    def _find(self, name: str, delay_seconds: int) -> str:
        declared_at = self._declared_at.get(name)
        if declared_at is None or time.monotonic() - declared_at > REDECLARE_SECONDS:
            self._declare(name, delay_seconds)
        return name

    def _declare(self, name: str, delay_seconds: int) -> None:
        arguments = returning_arguments(
            self._queue, ttl_ms=delay_seconds * 1000, expires_ms=DAY_MS + delay_seconds * 1000
        )
        declare_returning(self._connection, name, self._queue, arguments)
        self._declared_at[name] = time.monotonic()


def declare_returning(
    connection: WorkerConnection, name: str, queue: str, arguments: dict[str, Any]
) -> None:
    """Declare a queue whose items come back to `queue`: quorum, or else classic."""
    may = (
        f"declare queue {name!r} {connection.where}, where items rest before they come back to "
        f"{queue!r}; grant it 'configure', 'read' and 'write' on queues that begin with "
        f"'{queue}.wqj-', and 'write' on 'amq.default' (rabbitmqctl set_permissions)"
    )
    try:
        _declare(connection, name, arguments, may)
        return
    except _WithOtherArguments:
        pass
    try:
        _declare(connection, name, classic_arguments(arguments), may)
    except _WithOtherArguments:
        # A user or another version of the worker has made it. It is used as it is.
        connection.control.declare_passively(name)


class _WithOtherArguments(Exception):
    """The broker does not know these arguments, or has the queue with others."""


def _declare(connection: WorkerConnection, name: str, arguments: dict[str, Any], may: str) -> None:
    channel = connection.control
    try:
        channel.call("queue_declare", name, queue=name, may=may, durable=True, arguments=arguments)
    except WorkQueueJobError:
        if getattr(channel.closed, "reply_code", None) != _PRECONDITION_FAILED:
            raise
        text = str(getattr(channel.closed, "reply_text", ""))
        if "limit" in text and "reached" in text:
            raise BrokerUnavailable(
                f"queue {name!r}, where items rest, can't be declared {connection.where}: {text};"
                " raise the limit (rabbitmqctl set_vhost_limits), or delete queues"
            ) from None
        raise _WithOtherArguments from None
