"""A worker's connection to a Kafka topic; the Broker of `workqueuejob.brokers.broker`.

    taken          the offset is committed again, with a note beside it that the item is begun
    succeeded      the offset behind it is committed, and the next item begun with it
    failed         its partition rests until it is tried again; those behind it wait
    dead-lettered  sent to the dead-letter topic, then committed
    given back     the note is taken back

The note counts the attempts over the deaths of workers, for Kafka has no such count. Only who has
the partition can commit: anybody else is told that the lease is lost. Where offsets are behind the
last item, as those of transaction markers and of what compaction removed, they are committed when
nothing is left to take, so that the group's lag ends at 0.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass

from confluent_kafka import Message, TopicPartition

from workqueuejob.brokers.broker import Delivery
from workqueuejob.brokers.connection import KafkaConnection
from workqueuejob.brokers.kafka.committer import OffsetCommitter
from workqueuejob.brokers.kafka.dead_letters import DeadLetterSender
from workqueuejob.brokers.kafka.partitions import Partition
from workqueuejob.brokers.kafka.session import GroupRebalancing, KafkaSession
from workqueuejob.brokers.kafka.subject import Subject
from workqueuejob.contract.offsets import FRESH, NextItem, build_client_id, write_metadata
from workqueuejob.contract.retry import RetrySettings
from workqueuejob.contract.settings import KafkaSource
from workqueuejob.errors import (
    BrokerUnavailable,
    DeadLetterTargetMissing,
    LeaseLost,
    WorkQueueJobError,
)

POLL_SECONDS = 0.25
LONGEST_RENEW_SECONDS = 3.0
SILENCE_SECONDS = 10.0
"""How long a partition's leader may say nothing of what comes next."""

SEVERAL = 16


@dataclass(frozen=True, slots=True)
class HeldMessage:
    """What settles a delivery."""

    partition: Partition
    message: Message


class KafkaBroker:
    """One topic by its consumer group; a `FetchesAhead` and an `Apportioned`.

    fetch_ahead: lets `ack` begin the next item in the same commit, for who takes it at once.
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
        self._kept: set[str] = set()

    def connect(self) -> None:
        """Join the group."""
        self._session.join()

    def take(self, *, timeout_seconds: float) -> Delivery | None:
        """Return an item, or None when none was ready for so long."""
        ends_at = time.monotonic() + timeout_seconds
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
            if rest <= 0 and self._is_at_rest(-rest):
                self._committer.commit_ends()
                return None
            due = self._partitions.next_due_seconds()
            self._session.poll(max(min(rest, due, POLL_SECONDS), 0.01))

    def ack(self, delivery: Delivery) -> None:
        """Settle an item that succeeded, and begin the next one in the same commit."""
        held = self._check(delivery)
        self._settle(held.partition, held.message)

    def retry(self, delivery: Delivery, *, reason: str, delay_seconds: int) -> None:  # noqa: ARG002 - nobody reads why
        """Count a failed attempt; its partition rests for the delay."""
        due_at = time.time() + delay_seconds if delay_seconds else 0.0
        self._put_back(delivery, NextItem(delivery.attempt, due_at=due_at))

    def dead_letter(self, delivery: Delivery, *, reason: str) -> None:
        """Send an item to the dead-letter topic, or discard it where there is none."""
        held = self._check(delivery)
        partition, message = held.partition, held.message
        if self._retry.dead_letter is not None:
            self._find_target(self._retry.dead_letter)
            # Whoever has lost the partition must not write a letter.
            self._committer.note(partition, message, partition.next)
            self._letters.send(delivery, message, reason=reason)
        self._settle(partition, message)

    def release(self, delivery: Delivery) -> None:
        """Give an item back at once; this attempt does not count."""
        self._put_back(delivery, NextItem(delivery.attempt - 1))

    def renew(self, held: Collection[Delivery]) -> Collection[Delivery]:
        """Keep the membership while an item is worked on; return what is lost."""
        kept, self._kept = self._kept, {one.id for one in held}
        # To pause takes half a second when it ends, so only for what is in hand for long.
        is_long = not kept.isdisjoint(self._kept)
        if is_long:
            self._regulate(holding=True)
        for _ in range(SEVERAL if is_long else 1):
            if not self._session.poll(0):
                break
        return [one for one in held if one.handle.partition.is_lost]

    def is_uncertain(self, delivery: Delivery) -> bool:
        """Whether a commit behind it was sent, and no answer came."""
        held: HeldMessage = delivery.handle
        return held.partition.unanswered is held.message

    @property
    def has_share(self) -> bool:
        """Whether the group has given us partitions to take from, or is not going to."""
        return self._session.has_share

    @property
    def renew_seconds(self) -> float:
        """Often enough for the group's session and its rebalances."""
        intervals = (self._source.max_poll_interval_seconds, self._source.session_timeout_seconds)
        return min(*intervals, LONGEST_RENEW_SECONDS * 3) / 3

    def close(self) -> None:
        """Take back what was begun but not taken, and leave the group; never raises."""
        self._session.close()
        self._letters.close()

    def disconnect(self) -> None:
        """Vanish without a word; the next call joins anew."""
        self._session.disconnect()

    def abandon(self) -> None:
        """In a forked child: never free the clients, whose threads are not there."""
        self._session.consumer.abandon()
        self._letters.abandon()

    def _begin(self, partition: Partition) -> Delivery | None:
        """Note that the next item is begun, and return it; None if it went to somebody else."""
        message, before = partition.waiting[0], partition.next
        attempts = before.attempts if partition.is_begun else before.attempts + 1
        lost = before.is_held and not partition.is_begun
        if not partition.is_begun:
            begun = NextItem(attempts, is_held=True)
            try:
                self._committer.note(partition, message, begun)
            except LeaseLost:
                return None
            partition.next, partition.is_begun = begun, True
        partition.waiting.popleft()
        partition.in_hand = message
        return Delivery(
            id=f"{self._source.topic}/{partition.number}/{message.offset()}",
            body=message.value() or b"",
            attempt=attempts,
            redelivered=partition.was_seen,
            lost=lost,
            handle=HeldMessage(partition, message),
        )

    def _settle(self, partition: Partition, message: Message) -> None:
        """Commit what is behind an item, and begin the next if that is wanted and at hand."""
        self._session.poll(0)
        following = self._choose_following(partition) if self.fetch_ahead else None
        offset, told = (message.offset() or 0) + 1, FRESH
        offsets: list[TopicPartition] = []
        if following is not None:
            begun = NextItem(following.next.attempts + 1, is_held=True)
            if following is partition:
                begun = NextItem(1, is_held=True)
                offset, told = following.waiting[0].offset() or 0, begun
            else:
                offsets.append(self._committer.build_note(following, following.waiting[0], begun))
        settled = self._session.build_offset(partition, offset, write_metadata(told))
        try:
            self._committer.commit(partition, settled, *offsets)
        except BrokerUnavailable:
            partition.unanswered = message
            raise
        partition.unanswered = None
        partition.settle(offset)
        if following is not None:
            following.next, following.is_begun = begun, True
        self._session.hand_over()

    def _choose_following(self, partition: Partition) -> Partition | None:
        """Return the partition of a fresh item that is there already."""
        if partition.waiting and not partition.is_leaving:
            return partition
        other = self._partitions.choose()
        return other if other is not None and other.next == FRESH and not other.is_begun else None

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

    def _is_at_rest(self, overdue_seconds: float) -> bool:
        """Whether nothing is to come; raise BrokerUnavailable when nobody can tell."""
        if self._consumer.heard.is_hopeless:
            raise self._consumer.silence()
        if self._partitions.is_resolved:
            return True
        if overdue_seconds > SILENCE_SECONDS:
            failure = self._consumer.silence()
            # Whatever keeps the leader silent, who comes anew asks anew.
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
        """Fetch only what can be taken: librdkafka is polled all the same."""
        changed: dict[bool, list[Partition]] = {True: [], False: []}
        for one in self._partitions:
            paused = holding or not self._partitions.wants(one)
            if paused != one.is_paused:
                changed[paused].append(one)
        self._consumer.pause([one.number for one in changed[True]])
        self._consumer.resume([one.number for one in changed[False]])
        for paused, partitions in changed.items():
            for one in partitions:
                one.is_paused = paused


def open_broker(
    connection: KafkaConnection,
    source: KafkaSource,
    *,
    retry: RetrySettings,
    run: str = "",
    pod: str = "",
    prefetch: int = 1,  # noqa: ARG001 - librdkafka fetches ahead, and nothing is held by that
) -> KafkaBroker:
    """Connect to a topic, and join the group.

    run, pod: by which the operator knows the group's member.
    Raises BrokerUnavailable when it may work later, and any other QueueError when a person must
    change something: AuthenticationFailed, AuthorizationFailed, TLSFailed, QueueNotFound,
    ConsumerGroupInUse.
    """
    broker = KafkaBroker(connection, source, retry=retry, run=run, pod=pod)
    try:
        broker.connect()
    except GroupRebalancing:
        # To leave and come again would make it share out anew.
        return broker
    except WorkQueueJobError:
        broker.close()
        raise
    return broker
