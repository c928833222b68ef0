"""The worker's side of a RabbitMQ queue, classic or quorum: moves items, and decides nothing.

    ack          basic.ack; for an item that was held for a while, waits until the broker has it
    retry        a confirmed copy with one attempt more, to a delay queue or the queue itself
    release      a confirmed copy with the same attempts, to the end of the queue
    dead_letter  a confirmed copy to the dead-letter queue, with the reason, the time and the pod
    renew        heartbeats; after two thirds of the consumer timeout the item moves

The original is acknowledged after its copy is confirmed, so a crash in between leaves two items,
and not none. Items of a lost connection or closed channel are refused without asking the broker.
The user's queue is declared passively, and not purged or deleted.
"""

import time
import uuid
from collections.abc import Collection

from workqueuejob.brokers.broker import Broker, Delivery
from workqueuejob.brokers.rabbitmq.dead_letters import build_dead_letter, move_to_dead
from workqueuejob.brokers.rabbitmq.items import build_copy, build_failed
from workqueuejob.brokers.rabbitmq.session import Assignment, Session
from workqueuejob.brokers.rabbitmq.settings import RabbitMQConnection, RabbitMQSource
from workqueuejob.contract.retry import RetrySettings
from workqueuejob.errors import (
    BrokerUnavailable,
    HeadersTooLarge,
    LeaseLost,
    PublishingUnavailable,
)

RENEW_MAX_SECONDS = 5.0
_RENEWALS_PER_HEARTBEAT = 4
_RENEWALS_PER_CONSUMER_TIMEOUT = 12


class RabbitMQBroker:
    """One worker's session with one queue; opened again after it broke.

    It is a `Broker`, a `FetchesAhead`, a `Delivering` and a `Doubting`.

    fetch_ahead: whether settling an item may let the broker deliver the next one.
    most_held: how many items may be held at once, at most; None: as many as are prefetched.
    """

    def __init__(self, assignment: Assignment) -> None:
        """Connect; raise BrokerUnavailable, or a QueueError when a person must change something."""
        self.fetch_ahead = True
        self.most_held: int | None = None
        self._assignment = assignment
        self._queue = assignment.source.queue
        self._session: Session | None = Session(assignment)
        self._dropping = _Dropping(self)

    def take(self, *, timeout_seconds: float) -> Delivery | None:
        """Return an item, or None when no item was ready within the timeout.

        Connects again after a lost connection.
        """
        if self._session is None:
            self._session = Session(self._assignment)
        with self._dropping:
            return self._session.take(timeout_seconds=timeout_seconds, most_held=self.most_held)

    def ack(self, delivery: Delivery) -> None:
        """Settle an item that succeeded."""
        session = self._session_of(delivery)
        with self._dropping:
            session.ack(delivery.handle)

    def retry(self, delivery: Delivery, *, reason: str, delay_seconds: int) -> None:
        """Count a failed attempt; the item becomes ready again after the delay.

        Raises HeadersTooLarge if the count does not fit; then the item is still held.
        """
        session = self._session_of(delivery)
        with self._dropping:
            try:
                self._retry(session, delivery, reason, delay_seconds)
            except HeadersTooLarge:
                # The count of attempts may still fit.
                self._retry(session, delivery, "", delay_seconds)

    def dead_letter(self, delivery: Delivery, *, reason: str) -> None:
        """Move an item to the dead-letter queue, or discard it where none is named.

        Raises DeadLetterTargetMissing when the queue does not take it; then the item is still held.
        """
        handle = delivery.handle
        target = self._assignment.retry.dead_letter
        session = self._session_of(delivery)
        with self._dropping:
            if target is None:
                session.ack(handle)
                return
            dead = build_dead_letter(
                handle.properties,
                delivery,
                reason=reason,
                attempts=delivery.attempt,
                origin=(self._queue, self._assignment.pod),
            )
            move_to_dead(session, handle, dead, target=target)

    def release(self, delivery: Delivery) -> None:
        """Give an item back to the end of its queue; this attempt does not count."""
        handle = delivery.handle
        session = self._session_of(delivery)
        with self._dropping:
            same = build_copy(handle.properties, delivery, attempts=delivery.attempt - 1)
            session.release(handle, same)

    def renew(self, held: Collection[Delivery]) -> Collection[Delivery]:
        """Handle heartbeats, and move items that are held for long; return those that are lost."""
        try:
            if self._session is not None:
                with self._dropping:
                    self._session.renew(held)
        except BrokerUnavailable:
            # The return value says it; the next `take` connects again.
            return list(held)
        return [delivery for delivery in held if not self._owns(delivery)]

    def extend(self, delivery: Delivery) -> None:
        """Ask the broker whether the item is still held; raise LeaseLost if it is not.

        Nothing is to be renewed, because an open channel holds its items.
        """
        session = self._session_of(delivery)
        with self._dropping:
            session.make_certain(delivery.handle)

    @property
    def renew_seconds(self) -> float:
        """A quarter of the heartbeat or a twelfth of the consumer timeout; at most 5 s."""
        return min(
            self._assignment.heartbeat_seconds / _RENEWALS_PER_HEARTBEAT,
            self._assignment.source.consumer_timeout_seconds / _RENEWALS_PER_CONSUMER_TIMEOUT,
            RENEW_MAX_SECONDS,
        )

    def is_uncertain(self, delivery: Delivery) -> bool:
        """Return whether the item was acknowledged without a confirm, or was in a holding queue."""
        return bool(delivery.handle.tag == 0 or delivery.handle.is_moved)

    def return_untaken(self) -> None:
        """Give back what was delivered and not taken; the next `take` has more delivered."""
        if self._session is not None:
            with self._dropping:
                self._session.return_untaken()

    def close(self) -> None:
        """Give back items that were fetched and not taken, and disconnect; never raises."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def drop(self) -> None:
        """Close a connection that can't be used any more; its items are lost."""
        session, self._session = self._session, None
        if session is not None:
            session.drop()

    def _retry(self, session: Session, delivery: Delivery, reason: str, delay_seconds: int) -> None:
        failed = build_failed(delivery.handle.properties, delivery, reason=reason)
        if delay_seconds == 0:
            session.give_back(delivery.handle, failed)
        else:
            session.move_to_rest(delivery.handle, delay_seconds, failed)

    def _session_of(self, delivery: Delivery) -> Session:
        """Return the session that the item was delivered on, or raise LeaseLost."""
        session = self._session
        try:
            with self._dropping:
                if session is not None:
                    session.catch_up(time.monotonic())
                    if not self._may_fetch and session.owns(delivery.handle):
                        session.stop_fetching()
        except BrokerUnavailable as error:
            raise LeaseLost(str(error)) from error
        if session is None or not session.owns(delivery.handle):
            raise LeaseLost(
                f"item {delivery.id} of queue {self._queue!r} was delivered on a connection or "
                "channel that is gone; the broker has given it to another worker, or will"
            )
        return session

    @property
    def _may_fetch(self) -> bool:
        """Whether the broker may fill the prefetch again once an item is settled."""
        is_within = self.most_held is None or self.most_held >= self._assignment.prefetch
        return self.fetch_ahead and is_within

    def _owns(self, delivery: Delivery) -> bool:
        return self._session is not None and self._session.owns(delivery.handle)


class _Dropping:
    """Drops the broker's connection when a block raises BrokerUnavailable.

    PublishingUnavailable keeps it, because only the publisher's own connection is in doubt then.
    """

    __slots__ = ("_broker",)

    def __init__(self, broker: RabbitMQBroker) -> None:
        self._broker = broker

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None or issubclass(kind, PublishingUnavailable):
            return
        if issubclass(kind, BrokerUnavailable):
            self._broker.drop()


def open_broker(  # noqa: PLR0913 - the same parameters as in every room
    connection: RabbitMQConnection,
    source: RabbitMQSource,
    *,
    retry: RetrySettings,
    run: str,
    pod: str,
    prefetch: int = 1,
    concurrency: int = 1,
    heartbeat_seconds: int = 60,
) -> Broker:
    """Connect to the queue, and return the broker.

    run: not used, because RabbitMQ counts no items.
    pod: stands in dead letters, and in the name of the holding queue.
    prefetch: how many items the broker delivers at once, the one that is taken next included.
    concurrency: how many items are in hand at once; all but one come on top.
    Raises BrokerUnavailable when a later try may work, and a QueueError when a person must
    change something.
    """
    del run
    return RabbitMQBroker(
        Assignment(
            connection,
            source,
            retry,
            # Two workers of one pod must not share a holding queue.
            name=f"{pod}-{uuid.uuid4().hex[:6]}".lstrip("-"),
            pod=pod,
            prefetch=prefetch + concurrency - 1,
            heartbeat_seconds=heartbeat_seconds,
        )
    )
