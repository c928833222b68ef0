"""librdkafka's consumer with its errors in our words; knows nothing of what partitions hold.

Who is told BrokerUnavailable may ask again. There may be no consumer: it is opened and dropped as
its member joins and leaves the group.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from workqueuejob.brokers.connection import KafkaConnection
from workqueuejob.brokers.immortality import keep_for_ever
from workqueuejob.brokers.kafka import codes
from workqueuejob.brokers.kafka.client import Heard, build_client_settings
from workqueuejob.brokers.kafka.errors import read_error, translate
from workqueuejob.brokers.kafka.subject import Subject
from workqueuejob.contract.settings import KafkaSource
from workqueuejob.errors import (
    BrokerUnavailable,
    ConnectionFailed,
    MeasurementUnreliable,
    WorkQueueJobError,
)

QUESTION_TIMEOUT_SECONDS = 5.0
HEARTBEAT_MS = 3000
FETCHED_MESSAGES = 1000
FETCHED_KIBIBYTES = 16 << 10

FENCING = (
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.FENCED_INSTANCE_ID,
    codes.ASSIGNMENT_LOST,
)
"""How a commit is refused by a group that has gone on."""

Listener = Callable[[Consumer, list[TopicPartition]], None]


class Fenced(Exception):
    """A commit came from a generation of the group that is over, or just ending."""


class GroupConsumer:
    """One topic and group; every method may raise what is wrong with the cluster."""

    def __init__(self, connection: KafkaConnection, source: KafkaSource, client_id: str) -> None:
        self.subject = Subject(connection, topic=source.topic, group=source.consumer_group)
        self.heard = Heard()
        self._settings = _build_settings(connection, source, self.heard, client_id)
        self._consumer: Consumer | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a consumer."""
        return self._consumer is not None

    def open(self, *, on_assign: Listener, on_revoke: Listener, on_lost: Listener) -> None:
        """Begin to join the group; the listeners are called while it is polled."""
        self.heard.forget()
        try:
            consumer = Consumer(self._settings)
            consumer.subscribe(
                [self.subject.topic], on_assign=on_assign, on_revoke=on_revoke, on_lost=on_lost
            )
        except KafkaException as error:
            raise self.explain(read_error(error)) from error
        self._consumer = consumer

    def poll(self, timeout_seconds: float) -> Message | None:
        """Return what was fetched or said."""
        if self._consumer is None:
            return None
        try:
            return self._consumer.poll(timeout_seconds)
        except KafkaException as error:
            raise self.explain(read_error(error)) from error

    def commit(self, offsets: Sequence[TopicPartition]) -> None:
        """Commit, and wait for the answer; raise Fenced when the group has gone on."""
        if self._consumer is None:
            raise Fenced
        try:
            done: Any = self._consumer.commit(offsets=list(offsets), asynchronous=False)
        except KafkaException as error:
            raise self._refusal(read_error(error)) from error
        for one in done:
            if one.error is not None:
                raise self._refusal(one.error)

    def pause(self, numbers: Sequence[int]) -> None:
        """Fetch nothing of these partitions."""
        self._switch(numbers, paused=True)

    def resume(self, numbers: Sequence[int]) -> None:
        """Go on fetching."""
        self._switch(numbers, paused=False)

    def unassign(self, given: list[TopicPartition]) -> None:
        """Give partitions up; never raises."""
        if self._consumer is not None:
            with suppress(KafkaException):
                self._consumer.incremental_unassign(given)

    def is_topic(self, name: str) -> bool:
        """Whether there is such a topic, which is not created by asking."""
        if self._consumer is None:
            raise BrokerUnavailable(f"{self.subject.address}: not connected; try again")
        try:
            found = self._consumer.list_topics(name, timeout=QUESTION_TIMEOUT_SECONDS)
        except KafkaException as error:
            raise self.explain(read_error(error)) from error
        refusal = found.topics[name].error
        if refusal is None:
            return True
        if refusal.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return False
        raise self.explain(refusal, topic=name)

    def silence(self) -> WorkQueueJobError:
        """Return why nobody answers, as far as it was heard of."""
        return self.explain(KafkaError(codes.TIMED_OUT))

    def explain(self, error: KafkaError, *, topic: str = "") -> WorkQueueJobError:
        """Return an error in our words; one that may pass is BrokerUnavailable."""
        subject = Subject(
            self.subject.connection, topic=topic or self.subject.topic, group=self.subject.group
        )
        failure = translate(error, subject, self.heard)
        self.heard.forget()
        if isinstance(failure, ConnectionFailed | MeasurementUnreliable):
            return BrokerUnavailable(str(failure))
        return failure

    def close(self) -> None:
        """Leave the group, so that others get the partitions at once; never raises."""
        if self._consumer is not None:
            # The listeners are called once more, and may commit.
            with suppress(KafkaException, RuntimeError):
                self._consumer.close()
        self._consumer = None

    def drop(self) -> None:
        """Have no consumer, without a word."""
        self._consumer = None

    def abandon(self) -> None:
        """In a forked child: never free the consumer."""
        if self._consumer is not None:
            keep_for_ever(self._consumer)

    def _switch(self, numbers: Sequence[int], *, paused: bool) -> None:
        if not numbers or self._consumer is None:
            return
        names = [TopicPartition(self.subject.topic, number) for number in numbers]
        try:
            (self._consumer.pause if paused else self._consumer.resume)(names)
        except KafkaException as error:
            raise self.explain(read_error(error)) from error

    def _refusal(self, error: KafkaError) -> Exception:
        return Fenced() if error.code() in FENCING else self.explain(error)


def _build_settings(
    connection: KafkaConnection, source: KafkaSource, heard: Heard, client_id: str
) -> dict[str, Any]:
    session_ms = int(source.session_timeout_seconds * 1000)
    return {
        **build_client_settings(connection, heard, client_id=client_id),
        "group.id": source.consumer_group,
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": session_ms,
        "heartbeat.interval.ms": min(HEARTBEAT_MS, session_ms // 3),
        "max.poll.interval.ms": int(source.max_poll_interval_seconds * 1000),
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
        # Only for what retention removed: where a group has committed nothing, we say where.
        "auto.offset.reset": "earliest",
        "allow.auto.create.topics": False,
        "queued.min.messages": FETCHED_MESSAGES,
        "queued.max.messages.kbytes": FETCHED_KIBIBYTES,
    }
