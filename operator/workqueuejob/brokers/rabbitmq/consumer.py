"""Deliveries, and what they are worth: one is ours as long as the channel that brought it lives.

A delivery tag means nothing on another channel, so a handle holds on to its own. A consumer that
the broker cancels ends its channel: whatever the broker did with what was held, it is lost.
"""

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from pika import spec

from workqueuejob.brokers.rabbitmq.properties import Properties
from workqueuejob.brokers.rabbitmq.worker_connection import WorkerChannel, WorkerConnection

QUIET_SECONDS = 0.05
"""So long after room was made, what is to fill it has arrived."""

ANSWERS_FOR_SECONDS = 1.0
"""How long an idle queue is taken to be alive since it last answered."""


@dataclass(eq=False, slots=True)
class Handle:
    """A message that was delivered and not yet settled.

    tag: on the channel; 0 once it is settled.
    since: on the monotonic clock, when the broker's consumer timeout began at the latest.
    is_moved: whether it is held in a queue of the worker's own.
    """

    channel: WorkerChannel
    tag: int
    properties: Properties
    body: bytes
    redelivered: bool
    since: float = field(default_factory=time.monotonic)
    is_moved: bool = False

    @property
    def is_ours(self) -> bool:
        """Whether it may be settled."""
        return self.tag != 0 and self.channel.is_open

    def ack(self, now: float) -> None:
        """Tell the broker that the message is done with. now: on the monotonic clock."""
        tag, self.tag = self.tag, 0
        self.channel.room_since = now
        self.channel.raw.basic_ack(tag)

    def nack(self) -> None:
        """Give the message back to the broker, which marks it as redelivered."""
        tag, self.tag = self.tag, 0
        self.channel.raw.basic_nack(tag, requeue=True)


class Consumer:
    """A subscription to one queue on a channel of its own.

    arrived: what was delivered and not yet taken, oldest first.
    """

    def __init__(self, connection: WorkerConnection, queue: str, *, prefetch: int) -> None:
        """Subscribe; raise a QueueError when the queue is not there or can't be read."""
        self.arrived: deque[Handle] = deque()
        self._queue = queue
        self._prefetch = prefetch
        self._cancelled = False
        self._answered_at = time.monotonic()
        self.channel = connection.open_channel()
        self.channel.declare_passively(queue)
        self.channel.synchronize(queue=queue, prefetch=prefetch)
        self.channel.raw.add_on_cancel_callback(self._on_cancelled)
        self._tag = ""
        self.start()

    @property
    def is_alive(self) -> bool:
        """Whether deliveries come; what has arrived at a dead consumer is lost."""
        return not self._cancelled and self.channel.is_open

    def start(self) -> None:
        """Have items delivered, if they are not."""
        if self._tag:
            return
        where = self.channel.connection.where
        self._tag = self.channel.call(
            "basic_consume",
            self._queue,
            self._on_message,
            queue=self._queue,
            may=f"consume from queue {self._queue!r} {where}; grant it 'read' on the queue "
            "(rabbitmqctl set_permissions)",
        ).consumer_tag

    def stop(self, *, held: int) -> None:
        """Have no more delivered; return once all that was on its way has arrived.

        held: of the deliveries, how many were taken and not settled yet.
        """
        tag, self._tag = self._tag, ""
        if tag and self.is_alive:
            self._await_quiet(self._prefetch - held)
            # pika's own basic_cancel rejects what arrives meanwhile, and the broker would count
            # that as an attempt of an item that nobody has seen.
            self.channel.raw._send_method(spec.Basic.Cancel(tag, nowait=True))  # noqa: SLF001
            self.channel.synchronize(queue=self._queue, prefetch=self._prefetch)

    def is_known_idle(self) -> bool:
        """Whether nothing has arrived although the queue answers; it is asked now and then.

        Raises BrokerUnavailable when it does not: silence does not mean that it is empty.
        """
        if time.monotonic() - self._answered_at > ANSWERS_FOR_SECONDS:
            self.channel.declare_passively(self._queue)
            self._answered_at = time.monotonic()
        return not self.arrived

    def close_if_cancelled(self) -> None:
        """End the channel of a consumer that the broker has cancelled."""
        if self._cancelled:
            self.channel.close()

    def _await_quiet(self, room: int) -> None:
        # Of what it sends while the consumer is cancelled, a quorum queue counts an attempt.
        while len(self.arrived) < room:
            before = len(self.arrived)
            quiet_at = self.channel.room_since + QUIET_SECONDS
            try:
                self.channel.connection.driven.run_until(
                    lambda: len(self.arrived) > before,  # noqa: B023 - run within the round
                    quiet_at - time.monotonic(),
                )
            except TimeoutError:
                return

    def _on_message(self, _channel: Any, method: Any, properties: Properties, body: bytes) -> None:
        self.arrived.append(
            Handle(self.channel, method.delivery_tag, properties, body, method.redelivered)
        )

    def _on_cancelled(self, _frame: Any) -> None:
        self._cancelled = True
