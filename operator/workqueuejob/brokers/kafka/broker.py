"""The worker's side of a Kafka topic: takes and settles items, and decides nothing.

    take         commits the offset again; its metadata says that the item is begun
    ack          commits the offset behind the item; the same commit may begin the next item
    retry        commits metadata with the time until which the item, and so its partition, rests
    dead_letter  sends the item to the dead-letter topic, then commits the offset behind it
    release      commits metadata without this attempt
    renew        polls, which keeps the membership in the group

The metadata counts attempts even when workers die, because Kafka keeps no such count. Only the
member that has the partition can commit; for any other member the lease is lost. Some offsets
behind the last item are no items: transaction markers, and records that compaction removed. They
are committed when nothing is left to take, so that the group's lag ends at 0.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass

from confluent_kafka import Message

from workqueuejob.brokers.broker import Delivery
from workqueuejob.brokers.envelope import Envelope
from workqueuejob.brokers.kafka.committer import OffsetCommitter
from workqueuejob.brokers.kafka.dead_letters import DeadLetterSender
from workqueuejob.brokers.kafka.envelope import read_envelope
from workqueuejob.brokers.kafka.partitions import Partition
from workqueuejob.brokers.kafka.session import GroupRebalancing, KafkaSession
from workqueuejob.brokers.kafka.settings import KafkaConnection, KafkaSource
from workqueuejob.brokers.kafka.subject import Subject
from workqueuejob.contract.offsets import NextItem, build_client_id
from workqueuejob.contract.retry import RetrySettings
from workqueuejob.errors import (
    DeadLetterTargetMissing,
    LeaseLost,
    WorkQueueJobError,
)

POLL_SECONDS = 0.25
RENEW_MAX_SECONDS = 3.0
SILENCE_SECONDS = 10.0
"""How long a partition's leader may leave open whether another record comes."""

POLLS_PER_RENEWAL = 16
"""How many events a renewal handles while an item is in hand for long."""


@dataclass(frozen=True, slots=True)
class HeldMessage:
    """The record of an item in hand, and its partition; the `handle` of a Delivery."""

    partition: Partition
    message: Message

    def read_envelope(self) -> Envelope:
        """Return the record's key, headers and timestamp."""
        return read_envelope(self.message)


class KafkaBroker:
    """One topic by its consumer group.

    It is a `Broker`, a `FetchesAhead`, an `Apportioned`, a `Doubting` and an `Inherited`.

    fetch_ahead: whether `ack` begins the next item in the same commit; then take it at once.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        source: KafkaSource,
        *,
        retry: RetrySettings,
        run: str = "",
        pod: str = "",
    ) -> None:
        self.fetch_ahead = True
        self._source = source
        self._retry = retry
        client_id = build_client_id(run=run, pod=pod or "worker")
        self._session = KafkaSession(connection, source, client_id)
        self._partitions, self._consumer = self._session.partitions, self._session.consumer
        self._committer = OffsetCommitter(self._session, source)
        target = Subject(connection, topic=retry.dead_letter or "", group=source.consumer_group)
        self._letters = DeadLetterSender(target, client_id=client_id, pod=pod)
        self._has_target = False
        self._was_silent = False
        self._renewed_ids: set[str] = set()
        self._has_taken = False

    def connect(self) -> None:
        """Join the group; raise as `open_broker` does."""
        self._session.join()

    def take(self, *, timeout_seconds: float) -> Delivery | None:
        """Return an item, or None when no item was ready within the timeout."""
        ends_at = time.monotonic() + timeout_seconds
        self._has_taken = True
        while True:
            self._session.join()
            if self._session.has_new_ends:
                self._committer.commit_ends()
            self._regulate(holding=False)
            partition = self._partitions.choose()
            if partition is not None:
                delivery = self._begin(partition)
                if delivery is not None:
                    return delivery
                continue
            rest = ends_at - time.monotonic()
            if rest <= 0 and self._partitions.is_holding:
                # Whether nothing is left is asked for once nothing is in hand.
                if self._handle_events(POLLS_PER_RENEWAL) and self._partitions.choose():
                    continue
                return None
            if rest <= 0 and self._is_at_rest(-rest):
                self._committer.commit_ends()
                return None
            due = self._partitions.next_due_seconds()
            self._session.poll(max(min(rest, due, POLL_SECONDS), 0.01))

    def ack(self, delivery: Delivery) -> None:
        """Settle an item that succeeded; the same commit may begin the next one."""
        held = self._check(delivery)
        self._settle(held.partition, held.message)

    def retry(self, delivery: Delivery, *, reason: str, delay_seconds: int) -> None:  # noqa: ARG002 - metadata has no reason
        """Count a failed attempt; its partition rests for the delay."""
        due_at = time.time() + delay_seconds if delay_seconds else 0.0
        lost = delivery.lost_attempts
        self._put_back(delivery, NextItem(delivery.attempt, due_at=due_at, lost=lost))

    def dead_letter(self, delivery: Delivery, *, reason: str) -> None:
        """Send an item to the dead-letter topic, or discard it where there is none."""
        held = self._check(delivery)
        partition, message = held.partition, held.message
        if self._retry.dead_letter is not None:
            self._find_target(self._retry.dead_letter)
            # This commit fails if the partition is lost; then no dead letter may be written.
            self._committer.note(partition, message, partition.next)
            self._letters.send(delivery, message, reason=reason)
        self._settle(partition, message)

    def release(self, delivery: Delivery) -> None:
        """Give an item back at once; this attempt does not count."""
        self._put_back(delivery, NextItem(delivery.attempt - 1, lost=delivery.lost_attempts))

    def renew(self, held: Collection[Delivery]) -> Collection[Delivery]:
        """Keep the membership while an item is worked on; return those items that are lost."""
        renewed_before, self._renewed_ids = self._renewed_ids, {delivery.id for delivery in held}
        # Fetching starts half a second late after a pause, so only a long item is worth one.
        is_long = not (self._has_taken or renewed_before.isdisjoint(self._renewed_ids))
        self._has_taken = False
        if is_long:
            self._regulate(holding=True)
        self._handle_events(POLLS_PER_RENEWAL if is_long else 1)
        return [delivery for delivery in held if delivery.handle.partition.is_lost]

    def extend(self, delivery: Delivery) -> None:
        """Commit the item's history again; raise LeaseLost if another member has the partition."""
        held = self._check(delivery)
        self._committer.note(held.partition, held.message, held.partition.next)

    def is_uncertain(self, delivery: Delivery) -> bool:
        """Return whether the commit that settles the item was sent, and no answer came."""
        held: HeldMessage = delivery.handle
        return held.partition.unanswered is held.message

    @property
    def has_share(self) -> bool:
        """Whether this member has partitions, or has waited long enough to have none for good."""
        return self._session.has_share

    @property
    def renew_seconds(self) -> float:
        """A third of the shorter one of max.poll.interval and session.timeout; at most 3 s."""
        intervals = (self._source.max_poll_interval_seconds, self._source.session_timeout_seconds)
        return min(*intervals, RENEW_MAX_SECONDS * 3) / 3

    def close(self) -> None:
        """Take back attempts at items that were not taken, and leave the group; never raises."""
        self._session.close()
        self._letters.close()

    def disconnect(self) -> None:
        """Drop the membership without leaving the group; the next call joins again."""
        self._session.disconnect()

    def abandon(self) -> None:
        """In a forked child: keep the clients from being freed, because their threads are gone."""
        self._session.consumer.abandon()
        self._letters.abandon()

    def _begin(self, partition: Partition) -> Delivery | None:
        """Commit that the next item is begun, and return it; None if its partition is lost."""
        message, lost = partition.waiting[0], partition.next.is_held and not partition.is_begun
        try:
            self._committer.begin(partition)
        except LeaseLost:
            return None
        partition.waiting.popleft()
        partition.in_hand = message
        return Delivery(
            id=f"{self._source.topic}/{partition.number}/{message.offset()}",
            body=message.value() or b"",
            attempt=partition.next.attempts,
            redelivered=partition.was_seen,
            lost=lost,
            lost_attempts=partition.next.lost,
            handle=HeldMessage(partition, message),
        )

    def _settle(self, partition: Partition, message: Message) -> None:
        """Commit the offset behind an item; begin a fetched item if that is wanted."""
        self._session.poll(0)
        following = self._partitions.choose_following(partition) if self.fetch_ahead else None
        self._committer.settle(partition, message, following=following)
        self._session.hand_over()

    def _put_back(self, delivery: Delivery, item: NextItem) -> None:
        held = self._check(delivery)
        self._committer.note(held.partition, held.message, item)
        held.partition.put_back(item)
        self._session.hand_over()

    def _check(self, delivery: Delivery) -> HeldMessage:
        held: HeldMessage = delivery.handle
        if held.partition.is_lost:
            raise self._committer.build_loss(held.partition)
        return held

    def _handle_events(self, most: int) -> bool:
        """Handle what has come already; return whether anything had."""
        for number in range(most):
            if not self._session.poll(0):
                return number > 0
        return True

    def _is_at_rest(self, overdue_seconds: float) -> bool:
        """Return whether no record is to come; raise BrokerUnavailable while no broker answers.

        overdue_seconds: for how long the caller has waited beyond its timeout.
        """
        if self._consumer.reported.is_hopeless:
            self._was_silent = True
            raise self._consumer.silence()
        if self._partitions.is_resolved:
            if self._was_silent:
                # What was known before the silence does not show that a broker answers now.
                self._consumer.is_topic(self._source.topic)
                self._was_silent = False
            return True
        if overdue_seconds > SILENCE_SECONDS:
            failure = self._consumer.silence()
            # A new member asks the leader again, whatever keeps it silent.
            self._session.close()
            raise failure
        return False

    def _find_target(self, topic: str) -> None:
        if not self._has_target and not self._consumer.is_topic(topic):
            raise DeadLetterTargetMissing(
                f"topic {topic!r} not found on {self._consumer.subject.address}; create it, or"
                " correct spec.retry.deadLetter.name"
            )
        self._has_target = True

    def _regulate(self, *, holding: bool) -> None:
        """Pause the partitions from which no item can be taken now, and resume the others.

        holding: whether an item is in hand for long; then all are paused. Polling goes on.
        """
        changed: dict[bool, list[Partition]] = {True: [], False: []}
        for partition in self._partitions:
            is_paused = holding or not self._partitions.wants(partition)
            if is_paused != partition.is_paused:
                changed[is_paused].append(partition)
        self._consumer.pause([partition.number for partition in changed[True]])
        self._consumer.resume([partition.number for partition in changed[False]])
        for is_paused, partitions in changed.items():
            for partition in partitions:
                partition.is_paused = is_paused


def open_broker(  # noqa: PLR0913 - the same parameters as in every room
    connection: KafkaConnection,
    source: KafkaSource,
    *,
    retry: RetrySettings,
    run: str = "",
    pod: str = "",
    prefetch: int = 1,  # noqa: ARG001 - librdkafka fetches ahead, and holds nothing by that
    concurrency: int = 1,  # noqa: ARG001 - each partition has one item in hand
) -> KafkaBroker:
    """Join the consumer group of a topic, and return the broker.

    run, pod: parts of the client id by which the operator knows the group's member.
    Raises BrokerUnavailable when a later try may work, and a QueueError when a person must
    change something: AuthenticationFailed, AuthorizationFailed, TLSFailed, QueueNotFound,
    ConsumerGroupInUse.
    """
    broker = KafkaBroker(connection, source, retry=retry, run=run, pod=pod)
    try:
        broker.connect()
    except GroupRebalancing:
        # Leaving and joining again would begin another rebalance.
        return broker
    except WorkQueueJobError:
        broker.close()
        raise
    return broker
