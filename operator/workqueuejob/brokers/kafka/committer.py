"""Commits offsets for a member of the group, while the member has their partitions.

The group refuses commits during a rebalance. A commit is then tried again, until the rebalance is
over or the partition belongs to another member.
"""

import time

from confluent_kafka import Message, TopicPartition

from workqueuejob.brokers.kafka.consumer import Fenced
from workqueuejob.brokers.kafka.partitions import Partition
from workqueuejob.brokers.kafka.session import KafkaSession
from workqueuejob.brokers.kafka.settings import KafkaSource
from workqueuejob.contract.offsets import FRESH, NextItem, write_metadata
from workqueuejob.errors import BrokerUnavailable, LeaseLost

REBALANCE_SECONDS = 15.0
"""How long a commit is tried again during a rebalance."""


class OffsetCommitter:
    """The commits of one member of the group."""

    def __init__(self, session: KafkaSession, source: KafkaSource) -> None:
        self._session = session
        self._source = source

    def build_loss(self, partition: Partition) -> LeaseLost:
        """Return the error for an item whose partition another member has now."""
        return LeaseLost(
            f"partition {partition.number} of topic {self._source.topic!r} was given to another"
            f" member of group {self._source.consumer_group!r} before the item was settled"
        )

    def build_note(self, partition: Partition, message: Message, item: NextItem) -> TopicPartition:
        """Return the offset of the item that comes next, with the item's history as metadata."""
        return self._session.build_offset(partition, message.offset() or 0, write_metadata(item))

    def note(self, partition: Partition, message: Message, item: NextItem) -> None:
        """Commit the history of the item that comes next; raise as `commit` does."""
        self.commit(partition, self.build_note(partition, message, item))

    def begin(self, partition: Partition) -> None:
        """Commit that the next item is begun, unless that was committed; raise as `commit` does."""
        if not partition.is_begun:
            begun = partition.next.begin()
            self.note(partition, partition.waiting[0], begun)
            partition.next, partition.is_begun = begun, True

    def settle(
        self, partition: Partition, message: Message, *, following: Partition | None
    ) -> None:
        """Commit the offset behind an item; raise as `commit` does.

        following: the partition whose next item is begun by the same commit; None begins none.
        """
        offset, next_item = (message.offset() or 0) + 1, FRESH
        offsets: list[TopicPartition] = []
        if following is not None:
            begun = following.next.begin()
            if following is partition:
                begun = FRESH.begin()
                offset, next_item = following.waiting[0].offset() or 0, begun
            else:
                offsets.append(self.build_note(following, following.waiting[0], begun))
        settled = self._session.build_offset(partition, offset, write_metadata(next_item))
        try:
            self.commit(partition, settled, *offsets)
        except BrokerUnavailable:
            partition.unanswered = message
            raise
        partition.unanswered = None
        partition.settle(offset)
        if following is not None:
            following.next, following.is_begun = begun, True

    def commit(self, partition: Partition, *offsets: TopicPartition) -> None:
        """Commit offsets while this member has the partition.

        Raises LeaseLost when another member has it, and BrokerUnavailable when the rebalance does
        not end in time.
        """
        deadline = time.monotonic() + REBALANCE_SECONDS
        while not partition.is_lost:
            try:
                self._session.consumer.commit(offsets)
            except Fenced:
                if partition.is_leaving:
                    # The group went on without waiting for this member.
                    partition.in_hand = None
                    partition.is_lost = True
                    self._session.hand_over()
                elif time.monotonic() > deadline:
                    raise BrokerUnavailable(
                        f"group {self._source.consumer_group!r} is still sharing its partitions"
                        " out; try again"
                    ) from None
                else:
                    self._session.poll(0.1)
            else:
                return
        raise self.build_loss(partition)

    def commit_ends(self) -> None:
        """Commit the ends of partitions without items, so that other offsets do not count as lag.

        Offsets of transaction markers and of compacted records are no items.
        """
        self._session.has_new_ends = False
        behind = [
            partition
            for partition in self._session.partitions
            if partition.is_idle
            and partition.reached > partition.committed
            and not partition.is_leaving
        ]
        if not behind:
            return
        offsets = [
            self._session.build_offset(partition, partition.reached, "") for partition in behind
        ]
        try:
            self.commit(behind[0], *offsets)
        except LeaseLost:
            return
        for partition in behind:
            partition.settle(partition.reached)
