"""A worker's membership in a consumer group: joins, takes partitions over, hands over, and leaves.

Partitions are assigned cooperatively: a rebalance takes away only what somebody else gets, and
what is worked on is handed over after it was settled, for as long as the group waits. Who is told
BrokerUnavailable may ask again, and the session mends itself.
"""

import time
from collections.abc import Iterable
from contextlib import suppress

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from workqueuejob.brokers.connection import KafkaConnection
from workqueuejob.brokers.kafka import codes
from workqueuejob.brokers.kafka.consumer import (
    QUESTION_TIMEOUT_SECONDS,
    Fenced,
    GroupConsumer,
)
from workqueuejob.brokers.kafka.errors import read_error
from workqueuejob.brokers.kafka.partitions import Partition, Partitions
from workqueuejob.contract.offsets import (
    NextItem,
    read_metadata,
    read_offsets,
    write_metadata,
)
from workqueuejob.contract.settings import KafkaSource
from workqueuejob.errors import BrokerUnavailable, WorkQueueJobError

JOIN_TIMEOUT_SECONDS = 5.0
"""How long one call waits for the group; the next one waits on."""

NO_PARTITION = 2**30
"""The number of a partition that no topic has."""

HARMLESS = (
    codes.MAX_POLL_EXCEEDED,  # the partitions are lost, which is told apart
    codes.AUTO_OFFSET_RESET,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.ILLEGAL_GENERATION,
)


class GroupRebalancing(BrokerUnavailable):
    """The brokers answer, but the group has not shared its partitions out yet."""


class KafkaSession:
    """One member of a group, and the partitions that it has."""

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
        """Become a member, unless we are; raise GroupRebalancing while the group is not ready."""
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
            if consumer.heard.is_hopeless:
                raise consumer.silence()
            if time.monotonic() > deadline:
                raise GroupRebalancing(
                    f"group {consumer.subject.group!r} on {consumer.subject.address} is still"
                    " sharing its partitions out; try again"
                )

    def poll(self, timeout_seconds: float) -> bool:
        """Keep the group going; return whether something was fetched or said."""
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
        """Return what is to be committed of a partition."""
        return TopicPartition(self._source.topic, partition.number, offset, metadata)

    def hand_over(self) -> None:
        """Give up what the group has asked for, if nothing of it is in hand any more."""
        if self._leaving and not any(
            self.partitions.is_held(one.partition) for one in self._leaving
        ):
            leaving, self._leaving = self._leaving, []
            self._give_up(leaving)

    def take_back(self, chosen: Iterable[Partition]) -> None:
        """Have nobody count the attempts that were begun here, and will not be made."""
        offsets = []
        for one in chosen:
            if one.is_begun and one.in_hand is None:
                one.next = NextItem(one.next.attempts - 1)
                one.is_begun = False
                offset = one.waiting[0].offset() or 0
                offsets.append(self.build_offset(one, offset, write_metadata(one.next)))
        # Where that fails they count, as attempts of which nothing was heard again.
        with suppress(WorkQueueJobError, Fenced):
            if offsets:
                self.consumer.commit(offsets)

    @property
    def has_share(self) -> bool:
        """Whether we have partitions, or have waited for some as long as the group may take."""
        patience = self._source.max_poll_interval_seconds
        return bool(self.partitions) or time.monotonic() - self._empty_since > patience

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
        """Drop the membership without a word; the group finds out when the session ends."""
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
            found = self._find_starts(consumer, assigned)
            consumer.incremental_assign(found)
            # The client remembers what was paused when it was given away.
            consumer.resume(found)
        except KafkaException as error:
            # Whoever polls is told; an exception in here would end in nobody's hands.
            self._failure = read_error(error)
            return
        self._is_member = True

    def _find_starts(
        self, consumer: Consumer, assigned: list[TopicPartition]
    ) -> list[TopicPartition]:
        """Return where to begin in each partition, and take it over."""
        if not assigned:
            return []
        starts = []
        for one in consumer.committed(assigned, timeout=QUESTION_TIMEOUT_SECONDS):
            if one.error is not None:
                raise KafkaException(one.error)
            partition = Partition(one.partition)
            if self._ends is not None:
                partition.end = self._ends.at(one.partition)
            if one.offset >= 0:
                partition.committed = one.offset
                partition.next = read_metadata(one.metadata)
                partition.was_seen = partition.next.attempts > 0
            start = TopicPartition(one.topic, one.partition, one.offset)
            if one.offset < 0 and self._starts is not None:
                start.offset = self._starts.at(one.partition)
            elif one.offset < 0 and self._source.start_from == "Latest":
                _, start.offset = consumer.get_watermark_offsets(
                    start, timeout=QUESTION_TIMEOUT_SECONDS
                )
                # To be committed, so that who comes later begins here, too.
                partition.reached = start.offset
                self.has_new_ends = True
            starts.append(start)
            self.partitions.add(partition)
        return starts

    def _on_revoke(self, _consumer: Consumer, revoked: list[TopicPartition]) -> None:
        held = any(self.partitions.is_held(one.partition) for one in revoked)
        if self._is_closing or not held:
            self._give_up(revoked)
            return
        self._leaving = revoked
        for one in revoked:
            partition = self.partitions.find(one.partition)
            if partition is not None:
                partition.is_leaving = True
        # The client gives them up by itself unless it is asked for something here. What it can't
        # do leaves the group waiting until `hand_over`. They go all together: by giving up some we
        # would join anew as who has none of them, and another would get what is worked on.
        self.consumer.unassign([TopicPartition(self._source.topic, NO_PARTITION)])

    def _give_up(self, given: list[TopicPartition]) -> None:
        numbers = [one.partition for one in given]
        found = (self.partitions.find(number) for number in numbers)
        self.take_back([one for one in found if one is not None])
        self._forget(numbers)
        self.consumer.unassign(given)

    def _on_lost(self, _consumer: Consumer, lost: list[TopicPartition]) -> None:
        self._forget([one.partition for one in lost])
        self._leaving, self._is_member = [], False

    def _forget(self, numbers: Iterable[int]) -> None:
        self.partitions.remove(numbers)
        self._empty_since = time.monotonic()
