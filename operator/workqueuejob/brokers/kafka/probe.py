"""Measures the lag of a consumer group on a Kafka topic; asks as an admin client, joins no group.

    ready          offsets from the group's to the last stable one, without in_flight and delayed
    in_flight      partitions of which a worker has an item in hand, as the offset's metadata says;
                   None with a foreign program
    delayed        offsets of partitions whose next item rests until its next attempt
    consumers      members of the group that have partitions; None with `wqj-worker`, because the
                   item of a dead worker is free only after the group has noticed the death
    dead_lettered  records in the dead-letter topic; None where there is no such topic
    log            each partition's position, from which a run's span is made
    precision      Estimated, because an offset may be a transaction marker or a compacted record

A group that has committed nothing begins where the spec says, and not before the first record.
"""

import time
from collections.abc import Iterable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from workqueuejob.api.status import Precision
from workqueuejob.brokers.bounded_socket import MIB
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.brokers.kafka import codes
from workqueuejob.brokers.kafka.client import ReportedErrors, build_client_settings
from workqueuejob.brokers.kafka.errors import build_group_in_use, read_error, translate
from workqueuejob.brokers.kafka.host_guard import HostGuard
from workqueuejob.brokers.kafka.reference import KafkaReference
from workqueuejob.brokers.kafka.settings import KafkaConnection
from workqueuejob.brokers.kafka.subject import Subject
from workqueuejob.brokers.positions import PartitionPosition, TopicPositions, measure_lag
from workqueuejob.contract.offsets import (
    FRESH,
    is_own_client,
    is_worker_client,
    read_metadata,
)
from workqueuejob.errors import QueueNotFound, QueueTypeUnsupported
from workqueuejob.names import OPERATOR

REQUEST_TIMEOUT_SECONDS = 5.0
MEASUREMENT_TIMEOUT_SECONDS = 10.0
LISTEN_SECONDS = 0.05
MAX_PARTITIONS = 4000
LIMITS = {"receive.message.max.bytes": 4 * MIB}
"""Ten times what 4,000 partitions of some hundred bytes need. librdkafka's own limit is 100 MB.
No record is fetched."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Members:
    """The members of a group.

    owned: the topic's partitions that any member has.
    owners: how many members have any.
    """

    owned: frozenset[int]
    owners: int


class KafkaProbe:
    """One Kafka cluster; the Probe of `workqueuejob.brokers.probe`."""

    def __init__(self, settings: KafkaConnection) -> None:
        """Connect; raise a QueueError when that fails, or a broker's host is not allowed."""
        self._settings = settings
        self._guard = HostGuard(settings)
        self._guard.check_bootstrap_servers()
        self._reported = ReportedErrors()
        self._is_connected = False
        self._ends_at = time.monotonic() + MEASUREMENT_TIMEOUT_SECONDS
        try:
            self._client = AdminClient(
                build_client_settings(settings, self._reported, client_id=OPERATOR) | LIMITS
            )
        except KafkaException as error:
            raise translate(read_error(error), Subject(settings)) from error
        self._check_nodes()
        self._is_connected = True

    def begin_round(self) -> None:
        """Raise HostNotAllowed if the cluster by now names a broker that may not be connected to.

        librdkafka looks up the names itself, and connects as soon as a request needs a broker.
        """
        self._ends_at = time.monotonic() + MEASUREMENT_TIMEOUT_SECONDS
        self._check_nodes()

    def measure(self, queue: KafkaReference) -> QueueDepth:
        """Return the topic's depth; raise a QueueError when it can't be known."""
        self._ends_at = time.monotonic() + MEASUREMENT_TIMEOUT_SECONDS
        subject = Subject(self._settings, topic=queue.topic, group=queue.consumer_group)
        log, members = self._find_positions(queue, subject)
        lag = measure_lag(log, now=time.time(), from_latest=queue.start_from == "Latest")
        measured = QueueDepth(
            ready=0,
            in_flight=0 if queue.worker else None,
            consumers=None if queue.worker else members.owners,
            dead_lettered=self._count_dead(queue.dead_letter, subject),
            precision=Precision.ESTIMATED,
            log=log,
        )
        return measured.with_lag(lag)

    def close(self) -> None:
        """Disconnect; never raises."""
        # librdkafka's admin client has no close(); it disconnects with the last reference.
        with suppress(AttributeError):
            del self._client

    def _check_nodes(self) -> None:
        cluster = self._client.describe_cluster(request_timeout=REQUEST_TIMEOUT_SECONDS)
        nodes = self._await(cluster, Subject(self._settings)).nodes
        self._guard.check_nodes([(node.host, node.port) for node in nodes])

    def _find_positions(
        self, queue: KafkaReference, subject: Subject
    ) -> tuple[TopicPositions, _Members]:
        topic_id, numbers = self._describe_topic(queue.topic, subject)
        every = [TopicPartition(queue.topic, number) for number in numbers]
        timeout = REQUEST_TIMEOUT_SECONDS
        group = ConsumerGroupTopicPartitions(queue.consumer_group, every)
        # The members first, then their offsets, then the ends: work that goes on meanwhile makes
        # the lag look larger, and not smaller.
        members = self._read_members(queue, subject)
        answers = self._client.list_consumer_group_offsets([group], request_timeout=timeout)
        committed = self._await(next(iter(answers.values())), subject).topic_partitions
        starts = self._list_offsets(every, OffsetSpec.earliest(), subject)
        ends = self._list_offsets(every, OffsetSpec.latest(), subject)
        positions = []
        for own, start, end in zip(_sorted(committed), starts, ends, strict=True):
            if own.error is not None:
                raise translate(own.error, subject, self._reported)
            position = PartitionPosition(
                start=start,
                end=end,
                committed=own.offset if own.offset >= 0 else None,
                # A foreign program does not know the metadata that an earlier run left.
                next=read_metadata(own.metadata) if queue.worker else FRESH,
                is_owned=own.partition in members.owned,
            )
            positions.append(position)
        return TopicPositions(topic_id, tuple(positions)), members

    def _describe_topic(self, topic: str, subject: Subject) -> tuple[str, list[int]]:
        """Return a topic's id, and the numbers of its partitions in order."""
        answers = self._client.describe_topics(
            TopicCollection([topic]), request_timeout=REQUEST_TIMEOUT_SECONDS
        )
        description = self._await(answers[topic], subject)
        partitions = description.partitions
        if len(partitions) > MAX_PARTITIONS:
            raise QueueTypeUnsupported(
                f"topic {topic!r} on {subject.address} has {len(partitions)} partitions, more"
                f" than the {MAX_PARTITIONS} whose ends a status can hold; use a smaller topic"
            )
        return str(description.topic_id), sorted(partition.id for partition in partitions)

    def _read_members(self, queue: KafkaReference, subject: Subject) -> _Members:
        """Return the group's members; raise ConsumerGroupInUse for others than the run's workers.

        A foreign program may share the group with any other.
        """
        answers = self._client.describe_consumer_groups(
            [queue.consumer_group], request_timeout=REQUEST_TIMEOUT_SECONDS
        )
        try:
            members = self._await(answers[queue.consumer_group], subject).members
        except QueueNotFound:
            members = []
        if queue.worker:
            clients = [member.client_id for member in members]
            strangers = [client for client in clients if not is_own_client(client, run=queue.run)]
            workers = sum(is_worker_client(client) for client in strangers)
            if strangers:
                programs = len(strangers) - workers
                raise build_group_in_use(subject, programs=programs, workers=workers)
        owned = [
            [
                assigned.partition
                for assigned in member.assignment.topic_partitions
                if assigned.topic == queue.topic
            ]
            for member in members
            if member.assignment is not None
        ]
        return _Members(
            frozenset(number for numbers in owned for number in numbers),
            sum(1 for numbers in owned if numbers),
        )

    def _list_offsets(
        self, every: Iterable[TopicPartition], spec: OffsetSpec, subject: Subject
    ) -> list[int]:
        """Return an offset for each partition, in the order of their numbers."""
        answers = self._client.list_offsets(
            dict.fromkeys(every, spec),
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=REQUEST_TIMEOUT_SECONDS,
        )
        by_number = {
            asked.partition: self._await(answer, subject).offset
            for asked, answer in answers.items()
        }
        return [by_number[number] for number in sorted(by_number)]

    def _count_dead(self, topic: str | None, subject: Subject) -> int | None:
        if topic is None:
            return None
        target = Subject(subject.connection, topic=topic, group=subject.group)
        try:
            _, numbers = self._describe_topic(topic, target)
        except QueueNotFound:
            return None
        every = [TopicPartition(topic, number) for number in numbers]
        ends = self._list_offsets(every, OffsetSpec.latest(), target)
        return sum(ends) - sum(self._list_offsets(every, OffsetSpec.earliest(), target))

    def _await(self, answer: "Future[T]", subject: Subject) -> T:
        """Return the answer to a request; raise a QueueError after a few seconds at the latest."""
        deadline = min(time.monotonic() + REQUEST_TIMEOUT_SECONDS, self._ends_at)
        while True:
            try:
                return answer.result(LISTEN_SECONDS)
            except KafkaException as error:
                raise self._explain(read_error(error), subject) from error
            except NotYet:
                self._client.poll(0)
            hopeless = self._reported.is_hopeless and not self._is_connected
            if hopeless or time.monotonic() > deadline:
                raise self._explain(KafkaError(codes.TIMED_OUT), subject)

    def _explain(self, error: KafkaError, subject: Subject) -> Exception:
        # librdkafka reports errors to `error_cb` only while it is polled.
        self._client.poll(0)
        failure = translate(error, subject, self._reported)
        self._reported.forget()
        return failure


def _sorted(partitions: Iterable[Any]) -> list[Any]:
    return sorted(partitions, key=lambda partition: partition.partition)


def connect(settings: KafkaConnection) -> KafkaProbe:
    """Open a probe; raise a QueueError when the cluster can't be reached or refuses."""
    return KafkaProbe(settings)
