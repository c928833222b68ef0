"""Commits offsets as the owner of their partitions, for as long as it is one.

While the group shares its partitions out a commit is refused; it is tried again until the group has
done so, or has given the partition to somebody else.
"""

import time

from confluent_kafka import Message, TopicPartition

from workqueuejob.brokers.kafka.consumer import Fenced
from workqueuejob.brokers.kafka.partitions import Partition
from workqueuejob.brokers.kafka.session import KafkaSession
from workqueuejob.contract.offsets import NextItem, write_metadata
from workqueuejob.contract.settings import KafkaSource
from workqueuejob.errors import BrokerUnavailable, LeaseLost

REBALANCE_SECONDS = 15.0
"""How long a commit is tried while the group shares its partitions out."""


class OffsetCommitter:
    """The commits of one member of the group."""

    def __init__(self, session: KafkaSession, source: KafkaSource) -> None:
        self._session = session
        self._source = source

    def build_loss(self, partition: Partition) -> LeaseLost:
        """Return what is told who is not the owner any more."""
        return LeaseLost(
            f"partition {partition.number} of topic {self._source.topic!r} was given to another"
            f" member of group {self._source.consumer_group!r} before the item was settled"
        )

    def build_note(self, partition: Partition, message: Message, item: NextItem) -> TopicPartition:
        """Return the offset of an item that comes next, with what is known of it beside."""
        return self._session.build_offset(partition, message.offset() or 0, write_metadata(item))

    def note(self, partition: Partition, message: Message, item: NextItem) -> None:
        """Commit what is known of an item that comes next; raise as `commit` does."""
        self.commit(partition, self.build_note(partition, message, item))

    def commit(self, partition: Partition, *offsets: TopicPartition) -> None:
        """Commit as the partition's owner; raise LeaseLost or BrokerUnavailable."""
        deadline = time.monotonic() + REBALANCE_SECONDS
        while not partition.is_lost:
            try:
                self._session.consumer.commit(offsets)
            except Fenced:
                if partition.is_leaving:
                    # The group has not waited.
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
        """Commit where nothing is left, so that what is no item does not look like one."""
        self._session.has_new_ends = False
        behind = [
            one
            for one in self._session.partitions
            if one.is_idle and one.reached > one.committed and not one.is_leaving
        ]
        if not behind:
            return
        offsets = [self._session.build_offset(one, one.reached, "") for one in behind]
        try:
            self.commit(behind[0], *offsets)
        except LeaseLost:
            return
        for one in behind:
            one.settle(one.reached)
