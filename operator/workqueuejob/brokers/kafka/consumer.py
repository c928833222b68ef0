"""librdkafka's consumer, with its errors translated; knows nothing of the items in partitions.

After BrokerUnavailable a call may be tried again. The consumer is opened when the member joins the
group, and closed or dropped when it leaves; between them there is none.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from workqueuejob.brokers.immortality import keep_for_ever
from workqueuejob.brokers.kafka import codes
from workqueuejob.brokers.kafka.client import ReportedErrors, build_client_settings
from workqueuejob.brokers.kafka.errors import read_error, translate
from workqueuejob.brokers.kafka.settings import KafkaConnection, KafkaSource
from workqueuejob.brokers.kafka.subject import Subject
from workqueuejob.errors import (
    BrokerUnavailable,
    ConnectionFailed,
    MeasurementUnreliable,
    WorkQueueJobError,
)

REQUEST_TIMEOUT_SECONDS = 5.0
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
"""The codes by which a group refuses a commit of an older generation."""

Listener = Callable[[Consumer, list[TopicPartition]], None]


class Fenced(Exception):
    """The group refused a commit, because the member's generation is over or ending.

    Kafka calls such a member fenced.
    """


class GroupConsumer:
    """The consumer of one topic and group; its methods raise the translated errors.

    reported: the errors that librdkafka reported since the last answer.
    """

    def __init__(self, connection: KafkaConnection, source: KafkaSource, client_id: str) -> None:
        self.subject = Subject(connection, topic=source.topic, group=source.consumer_group)
        self.reported = ReportedErrors()
        self._settings = _build_settings(connection, source, self.reported, client_id)
        self._consumer: Consumer | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a consumer."""
        return self._consumer is not None

    def open(self, *, on_assign: Listener, on_revoke: Listener, on_lost: Listener) -> None:
        """Begin to join the group; the listeners are called while it is polled."""
        self.reported.forget()
        try:
            consumer = Consumer(self._settings)
            consumer.subscribe(
                [self.subject.topic], on_assign=on_assign, on_revoke=on_revoke, on_lost=on_lost
            )
        except KafkaException as error:
            raise self.explain(read_error(error)) from error
        self._consumer = consumer

    def poll(self, timeout_seconds: float) -> Message | None:
        """Return the next record or event, or None; call the listeners meanwhile."""
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
        for partition in done:
            if partition.error is not None:
                raise self._refusal(partition.error)

    def pause(self, numbers: Sequence[int]) -> None:
        """Stop fetching from these partitions."""
        self._switch(numbers, paused=True)

    def resume(self, numbers: Sequence[int]) -> None:
        """Go on fetching from these partitions."""
        self._switch(numbers, paused=False)

    def unassign(self, given: list[TopicPartition]) -> None:
        """Give partitions up; never raises."""
        if self._consumer is not None:
            with suppress(KafkaException):
                self._consumer.incremental_unassign(given)

    def is_topic(self, name: str) -> bool:
        """Return whether a topic exists; asking does not create it."""
        if self._consumer is None:
            raise BrokerUnavailable(f"{self.subject.address}: not connected; try again")
        try:
            metadata = self._consumer.list_topics(name, timeout=REQUEST_TIMEOUT_SECONDS)
        except KafkaException as error:
            raise self.explain(read_error(error)) from error
        refusal = metadata.topics[name].error
        if refusal is None:
            return True
        if refusal.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return False
        raise self.explain(refusal, topic=name)

    def silence(self) -> WorkQueueJobError:
        """Return the error for a missing answer, with the cause that librdkafka reported."""
        return self.explain(KafkaError(codes.TIMED_OUT))

    def explain(self, error: KafkaError, *, topic: str = "") -> WorkQueueJobError:
        """Return the translated error; BrokerUnavailable where a later try may work."""
        subject = Subject(
            self.subject.connection, topic=topic or self.subject.topic, group=self.subject.group
        )
        failure = translate(error, subject, self.reported)
        self.reported.forget()
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
        """Drop the consumer without leaving the group."""
        self._consumer = None

    def abandon(self) -> None:
        """In a forked child: keep the consumer from being freed."""
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
    connection: KafkaConnection, source: KafkaSource, reported: ReportedErrors, client_id: str
) -> dict[str, Any]:
    session_ms = int(source.session_timeout_seconds * 1000)
    return {
        **build_client_settings(connection, reported, client_id=client_id),
        "group.id": source.consumer_group,
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": session_ms,
        "heartbeat.interval.ms": min(HEARTBEAT_MS, session_ms // 3),
        "max.poll.interval.ms": int(source.max_poll_interval_seconds * 1000),
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
        # Used only after retention removed records: the session sets a new group's offsets.
        "auto.offset.reset": "earliest",
        "allow.auto.create.topics": False,
        "queued.min.messages": FETCHED_MESSAGES,
        "queued.max.messages.kbytes": FETCHED_KIBIBYTES,
    }
