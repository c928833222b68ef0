"""A consumer of one queue, and the handles of its messages; decides nothing about items.

A message can be settled as long as the channel that delivered it is open. A delivery tag means
nothing on another channel, so a handle keeps its channel. When the broker cancels a consumer, its
channel is closed, and its messages are lost, whatever the broker did with them.
"""

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from pika import spec

from workqueuejob.brokers.envelope import Envelope
from workqueuejob.brokers.rabbitmq.envelope import read_envelope
from workqueuejob.brokers.rabbitmq.properties import Properties
from workqueuejob.brokers.rabbitmq.worker_connection import WorkerChannel, WorkerConnection

QUIET_SECONDS = 0.05
"""How long after an acknowledgement the message that takes its place has arrived."""

ANSWERS_FOR_SECONDS = 1.0
"""How long after its last answer an idle queue is believed to be alive."""


@dataclass(eq=False, slots=True)
class Handle:
    """A message that was delivered and not yet settled; the `handle` of a Delivery.

    tag: the delivery tag on the channel; 0 once the message is settled.
    since: when the message arrived, on the monotonic clock. The broker's consumer timeout began
        then or before.
    is_moved: whether the message is in the worker's holding queue.
    """

    channel: WorkerChannel
    tag: int
    properties: Properties
    body: bytes
    redelivered: bool
    since: float = field(default_factory=time.monotonic)
    is_moved: bool = False

    @property
    def is_open(self) -> bool:
        """Whether the message may still be settled."""
        return self.tag != 0 and self.channel.is_open

    def read_envelope(self) -> Envelope:
        """Return the message's headers and properties."""
        return read_envelope(self.properties)

    def ack(self, now: float) -> None:
        """Acknowledge the message. now: on the monotonic clock."""
        tag, self.tag = self.tag, 0
        self.channel.settled_at = now
        self.channel.unsettled -= 1
        self.channel.raw.basic_ack(tag)

    def nack(self) -> None:
        """Give the message back to the broker, which marks it as redelivered."""
        tag, self.tag = self.tag, 0
        self.channel.unsettled -= 1
        self.channel.raw.basic_nack(tag, requeue=True)


class Consumer:
    """A subscription to one queue on a channel of its own.

    arrived: what was delivered and not yet taken, oldest first.
    """

    def __init__(self, connection: WorkerConnection, queue: str, *, prefetch: int) -> None:
        """Subscribe; raise a QueueError when the queue does not exist or can't be read."""
        self.arrived: deque[Handle] = deque()
        self._queue = queue
        self._prefetch = self._limit = prefetch
        self._is_narrow = False
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
        """Whether messages are delivered; those that have arrived at a dead consumer are lost."""
        return not self._cancelled and self.channel.is_open

    def start(self, *, most: int | None = None) -> None:
        """Subscribe, unless this is subscribed.

        most: how many messages may be delivered and not settled at once; None: the prefetch.
        """
        if self._tag:
            return
        if self._prefetch:
            self._limit = self._prefetch if most is None else min(most, self._prefetch)
            # The broker does not count what an earlier subscription has delivered.
            window = self._limit - self.channel.unsettled
            if window <= 0:
                return
            is_narrow = window < self._prefetch
            if is_narrow or self._is_narrow:
                self.channel.synchronize(queue=self._queue, prefetch=window)
            self._is_narrow = is_narrow
        where = self.channel.connection.where
        self._tag = self.channel.call(
            "basic_consume",
            self._queue,
            self._on_message,
            queue=self._queue,
            may=f"consume from queue {self._queue!r} {where}; grant it 'read' on the queue "
            "(rabbitmqctl set_permissions)",
        ).consumer_tag

    def stop(self) -> None:
        """Unsubscribe; return once all messages that were on their way have arrived."""
        tag, self._tag = self._tag, ""
        if tag and self.is_alive:
            self._await_quiet()
            # pika's basic_cancel rejects messages that arrive meanwhile. The broker would count an
            # attempt for each, although no worker has seen it.
            self.channel.raw._send_method(spec.Basic.Cancel(tag, nowait=True))  # noqa: SLF001 - see above
            self.channel.synchronize(queue=self._queue, prefetch=self._prefetch)

    def is_known_idle(self) -> bool:
        """Return whether no message has arrived although the queue answers.

        The queue is asked once a second. Raises BrokerUnavailable when it does not answer, because
        a silent queue need not be empty.
        """
        if time.monotonic() - self._answered_at > ANSWERS_FOR_SECONDS:
            self.channel.declare_passively(self._queue)
            self._answered_at = time.monotonic()
        return not self.arrived

    def close_if_cancelled(self) -> None:
        """Close the channel if the broker has cancelled the consumer."""
        if self._cancelled:
            self.channel.close()

    def _await_quiet(self) -> None:
        # A quorum queue counts an attempt for a message that it sends during the cancellation.
        while self.channel.unsettled < self._limit:
            before = len(self.arrived)
            quiet_at = self.channel.settled_at + QUIET_SECONDS
            try:
                self.channel.connection.driven.run_until(
                    lambda: len(self.arrived) > before,  # noqa: B023 - run within the round
                    quiet_at - time.monotonic(),
                )
            except TimeoutError:
                return

    def _on_message(self, _channel: Any, method: Any, properties: Properties, body: bytes) -> None:
        self.channel.unsettled += 1
        self.arrived.append(
            Handle(self.channel, method.delivery_tag, properties, body, method.redelivered)
        )

    def _on_cancelled(self, _frame: Any) -> None:
        self._cancelled = True
