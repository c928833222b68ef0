"""A worker's membership in a consumer group: it joins, gets and gives up partitions, and leaves.

The group assigns partitions cooperatively (KIP-429): a rebalance takes away only partitions that
another member gets. A partition whose item is worked on is given up after the item is settled, as
long as the group waits. After BrokerUnavailable a call may be tried again; the session joins again.
Settles no items.
"""

import time
from collections.abc import Iterable
from contextlib import suppress

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from workqueuejob.brokers.kafka import codes
from workqueuejob.brokers.kafka.consumer import (
    REQUEST_TIMEOUT_SECONDS,
    Fenced,
    GroupConsumer,
)
from workqueuejob.brokers.kafka.errors import read_error
from workqueuejob.brokers.kafka.partitions import Partition, Partitions
from workqueuejob.brokers.kafka.settings import KafkaConnection, KafkaSource
from workqueuejob.contract.offsets import (
    NextItem,
    read_metadata,
    read_offsets,
    write_metadata,
)
from workqueuejob.errors import BrokerUnavailable, WorkQueueJobError

JOIN_TIMEOUT_SECONDS = 5.0
"""How long one call of `join` waits for the group; the next call goes on waiting."""

NO_PARTITION = 2**30
"""A number that no topic's partition has."""

HARMLESS = (
    codes.MAX_POLL_EXCEEDED,  # the partitions are lost, which `on_lost` reports
    codes.AUTO_OFFSET_RESET,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.ILLEGAL_GENERATION,
)


class GroupRebalancing(BrokerUnavailable):
    """The brokers answer, but the group has not assigned its partitions yet."""


class KafkaSession:
    """One member of a group, and its partitions.

    partitions: those that are assigned to this member.
    has_new_ends: whether a partition began at its end, which is to be committed.
    """

    def __init__(self, connection: KafkaConnection, source: KafkaSource, client_id: str) -> None:
        self.partitions = Partitions()
        self.consumer = GroupConsumer(connection, source, client_id)
        self.has_new_ends = False
        self._source = source
        self._starts = None if source.starts is None else read_offsets(source.starts)
        self._ends = None if source.targets is None else read_offsets(source.targets)
        self._is_member = False
        self._is_closing = False
        self._empty_since = time.monotonic()
        self._leaving: list[TopicPartition] = []
        self._failure: KafkaError | None = None

    def join(self) -> None:
        """Join the group unless this is a member; raise GroupRebalancing where that takes long."""
        if self._is_member:
            return
        consumer = self.consumer
        if not consumer.is_open:
            consumer.open(
                on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
            )
        deadline = time.monotonic() + JOIN_TIMEOUT_SECONDS
        while not self._is_member:
            self.poll(0.1)
            if consumer.reported.is_hopeless:
                raise consumer.silence()
            if time.monotonic() > deadline:
                raise GroupRebalancing(
                    f"group {consumer.subject.group!r} on {consumer.subject.address} is still"
                    " sharing its partitions out; try again"
                )

    def poll(self, timeout_seconds: float) -> bool:
        """Handle the next record or event of the group; return whether there was one."""
        message = self.consumer.poll(timeout_seconds)
        failure, self._failure = self._failure, None
        if failure is not None:
            self.disconnect()
            raise self.consumer.explain(failure)
        if message is None:
            return False
        self._receive(message)
        return True

    def build_offset(self, partition: Partition, offset: int, metadata: str) -> TopicPartition:
        """Return a partition's offset and metadata in the form in which they are committed."""
        return TopicPartition(self._source.topic, partition.number, offset, metadata)

    def hand_over(self) -> None:
        """Give up the partitions that the group asks for, once no item of them is in hand."""
        if self._leaving and not any(
            self.partitions.is_held(leaving.partition) for leaving in self._leaving
        ):
            revoked, self._leaving = self._leaving, []
            self._give_up(revoked)

    def take_back(self, partitions: Iterable[Partition]) -> None:
        """Commit that attempts do not count which were begun here and will not be made."""
        offsets = []
        for partition in partitions:
            if partition.is_begun and partition.in_hand is None:
                begun = partition.next
                partition.next = NextItem(begun.attempts - 1, lost=begun.lost)
                partition.is_begun = False
                offset = partition.waiting[0].offset() or 0
                metadata = write_metadata(partition.next)
                offsets.append(self.build_offset(partition, offset, metadata))
        # Where the commit fails, they count as lost attempts.
        with suppress(WorkQueueJobError, Fenced):
            if offsets:
                self.consumer.commit(offsets)

    @property
    def has_share(self) -> bool:
        """Whether this member has partitions, or has waited longer than a rebalance may take."""
        patience_seconds = self._source.max_poll_interval_seconds
        return bool(self.partitions) or time.monotonic() - self._empty_since > patience_seconds

    def close(self) -> None:
        """Leave the group, so that others get the partitions at once; never raises."""
        self._is_closing = True
        if self.consumer.is_open:
            self.take_back(self.partitions)
            if self._leaving:
                self.consumer.unassign(self._leaving)
            self.consumer.close()
        self.disconnect()
        self._is_closing = False

    def disconnect(self) -> None:
        """Drop the membership without leaving; the group notices when the session times out."""
        self.partitions.clear()
        self._empty_since = time.monotonic()
        self.consumer.drop()
        self._is_member, self._leaving = False, []

    def _receive(self, message: Message) -> None:
        error = message.error()
        partition = self.partitions.find(message.partition())
        if error is None:
            if partition is not None:
                partition.receive(message)
        elif error.code() == codes.PARTITION_EOF:
            if partition is not None:
                partition.reach(message.offset() or 0)
        elif error.code() not in HARMLESS:
            raise self.consumer.explain(error)

    def _on_assign(self, consumer: Consumer, assigned: list[TopicPartition]) -> None:
        try:
            starts = self._find_starts(consumer, assigned)
            consumer.incremental_assign(starts)
            # librdkafka keeps a partition paused that was paused when it was given up.
            consumer.resume(starts)
        except KafkaException as error:
            # `poll` raises it, because librdkafka drops an exception of its listeners.
            self._failure = read_error(error)
            return
        self._is_member = True

    def _find_starts(
        self, consumer: Consumer, assigned: list[TopicPartition]
    ) -> list[TopicPartition]:
        """Add the assigned partitions, and return the offset from which to fetch each."""
        if not assigned:
            return []
        starts = []
        for committed in consumer.committed(assigned, timeout=REQUEST_TIMEOUT_SECONDS):
            if committed.error is not None:
                raise KafkaException(committed.error)
            number, offset = committed.partition, committed.offset
            partition = Partition(number)
            if self._ends is not None:
                partition.end = self._ends.at(number)
            if offset >= 0:
                partition.committed = offset
                partition.next = read_metadata(committed.metadata)
                partition.was_seen = partition.next.attempts > 0
            start = TopicPartition(committed.topic, number, offset)
            if offset < 0 and self._starts is not None:
                start.offset = self._starts.at(number)
            elif offset < 0 and self._source.start_from == "Latest":
                _, start.offset = consumer.get_watermark_offsets(
                    start, timeout=REQUEST_TIMEOUT_SECONDS
                )
                # It is committed, so that later members begin at the same offset.
                partition.reached = start.offset
                self.has_new_ends = True
            starts.append(start)
            self.partitions.add(partition)
        return starts

    def _on_revoke(self, _consumer: Consumer, revoked: list[TopicPartition]) -> None:
        numbers = [each.partition for each in revoked]
        if self._is_closing or not any(map(self.partitions.is_held, numbers)):
            self._give_up(revoked)
            return
        self._leaving = revoked
        for partition in map(self.partitions.find, numbers):
            if partition is not None:
                partition.is_leaving = True
        # librdkafka gives the partitions up by itself unless this listener unassigns some. It can't
        # unassign this one, so the group waits until `hand_over`. All go together: giving up only
        # some would join again without any, and another member would get the item in hand.
        self.consumer.unassign([TopicPartition(self._source.topic, NO_PARTITION)])

    def _give_up(self, revoked: list[TopicPartition]) -> None:
        numbers = [each.partition for each in revoked]
        partitions = map(self.partitions.find, numbers)
        self.take_back([partition for partition in partitions if partition is not None])
        self._forget(numbers)
        self.consumer.unassign(revoked)

    def _on_lost(self, _consumer: Consumer, lost: list[TopicPartition]) -> None:
        self._forget([each.partition for each in lost])
        self._leaving, self._is_member = [], False

    def _forget(self, numbers: Iterable[int]) -> None:
        self.partitions.remove(numbers)
        self._empty_since = time.monotonic()
