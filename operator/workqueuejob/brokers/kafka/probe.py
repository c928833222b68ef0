"""How far a consumer group is behind on a Kafka topic; never joins the group.

    ready          offsets between the group's and the last stable one, less those below
    in_flight      partitions of which a worker has an item in hand, as it has noted beside the
                   offset; not known of a foreign program
    delayed        offsets of partitions whose next item rests until its next attempt
    consumers      members of the group that have partitions; None with our worker, whose item is
                   free again when the group has noticed its death, and not before
    dead_lettered  records in the dead-letter topic; None where there is no such topic
    log            each partition's position, from which a run's span is made
    precision      Estimated: an offset may be a marker or compacted away

A group that has committed nothing begins where the spec says, and nowhere before the log's start.
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
from workqueuejob.brokers.connection import KafkaConnection
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.brokers.hosts import ALL_HOSTS, AllowedHosts
from workqueuejob.brokers.kafka import codes
from workqueuejob.brokers.kafka.client import Heard, build_client_settings
from workqueuejob.brokers.kafka.errors import build_group_in_use, read_error, translate
from workqueuejob.brokers.kafka.reference import KafkaReference
from workqueuejob.brokers.kafka.subject import Subject
from workqueuejob.brokers.positions import LogPositions, PartitionPosition, measure_lag
from workqueuejob.contract.offsets import (
    FRESH,
    is_own_client,
    is_worker_client,
    read_metadata,
)
from workqueuejob.errors import QueueNotFound, QueueTypeUnsupported
from workqueuejob.names import OPERATOR

QUESTION_TIMEOUT_SECONDS = 5.0
MEASUREMENT_TIMEOUT_SECONDS = 10.0
LISTEN_SECONDS = 0.05
MAX_PARTITIONS = 4000
LIMITS = {"receive.message.max.bytes": 4 * MIB}
"""The largest partition's answer, a description, has some hundred bytes: ten times what is needed.
librdkafka's own limit is 100 MB. No record is ever fetched."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Members:
    """A group's members: the partitions that they have, and how many of them have any."""

    owned: frozenset[int]
    owners: int


class KafkaProbe:
    """One Kafka cluster; the Probe of `workqueuejob.brokers.probe`."""

    def __init__(self, settings: KafkaConnection, allowed_hosts: AllowedHosts) -> None:
        """Connect; raise a QueueError when that fails, or leads to hosts that are not allowed."""
        self._settings = settings
        self._heard = Heard()
        self._is_connected = False
        self._ends_at = time.monotonic() + MEASUREMENT_TIMEOUT_SECONDS
        try:
            self._client = AdminClient(
                build_client_settings(settings, self._heard, client_id=OPERATOR) | LIMITS
            )
        except KafkaException as error:
            raise translate(read_error(error), Subject(settings)) from error
        timeout = QUESTION_TIMEOUT_SECONDS
        found = self._client.describe_cluster(request_timeout=timeout)
        for node in self._answer(found, Subject(settings)).nodes:
            allowed_hosts.check(node.host, node.port, field="advertised.listeners of the brokers")
        self._is_connected = True

    def begin_round(self) -> None:
        """Do nothing: every topic is asked for by itself."""

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
        # librdkafka disconnects with the last reference, and has no other word for it.
        with suppress(AttributeError):
            del self._client

    def _find_positions(
        self, queue: KafkaReference, subject: Subject
    ) -> tuple[LogPositions, _Members]:
        topic_id, numbers = self._describe_topic(queue.topic, subject)
        every = [TopicPartition(queue.topic, number) for number in numbers]
        timeout = QUESTION_TIMEOUT_SECONDS
        group = ConsumerGroupTopicPartitions(queue.consumer_group, every)
        # The members first, then what they have committed, then the ends: who works meanwhile is
        # seen as having more to do, never as having less.
        members = self._read_members(queue, subject)
        found = self._client.list_consumer_group_offsets([group], request_timeout=timeout)
        committed = self._answer(next(iter(found.values())), subject).topic_partitions
        starts = self._list_offsets(every, OffsetSpec.earliest(), subject)
        ends = self._list_offsets(every, OffsetSpec.latest(), subject)
        positions = []
        for one, start, end in zip(_sorted(committed), starts, ends, strict=True):
            if one.error is not None:
                raise translate(one.error, subject, self._heard)
            position = PartitionPosition(
                start=start,
                end=end,
                committed=one.offset if one.offset >= 0 else None,
                # Notes of an earlier run mean nothing to a program that does not know them.
                next=read_metadata(one.metadata) if queue.worker else FRESH,
                is_owned=one.partition in members.owned,
            )
            positions.append(position)
        return LogPositions(topic_id, tuple(positions)), members

    def _describe_topic(self, topic: str, subject: Subject) -> tuple[str, list[int]]:
        found = self._client.describe_topics(
            TopicCollection([topic]), request_timeout=QUESTION_TIMEOUT_SECONDS
        )
        said = self._answer(found[topic], subject)
        if len(said.partitions) > MAX_PARTITIONS:
            raise QueueTypeUnsupported(
                f"topic {topic!r} on {subject.address} has {len(said.partitions)} partitions, more"
                f" than the {MAX_PARTITIONS} whose ends a status can hold; use a smaller topic"
            )
        return str(said.topic_id), sorted(one.id for one in said.partitions)

    def _read_members(self, queue: KafkaReference, subject: Subject) -> _Members:
        found = self._client.describe_consumer_groups(
            [queue.consumer_group], request_timeout=QUESTION_TIMEOUT_SECONDS
        )
        try:
            members = self._answer(found[queue.consumer_group], subject).members
        except QueueNotFound:
            members = []
        if queue.worker:
            strangers = [
                one.client_id for one in members if not is_own_client(one.client_id, run=queue.run)
            ]
            workers = sum(is_worker_client(client) for client in strangers)
            if strangers:
                programs = len(strangers) - workers
                raise build_group_in_use(subject, programs=programs, workers=workers)
        owned = [
            [
                one.partition
                for one in member.assignment.topic_partitions
                if one.topic == queue.topic
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
        """Return an offset for each partition, in their order."""
        found = self._client.list_offsets(
            dict.fromkeys(every, spec),
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=QUESTION_TIMEOUT_SECONDS,
        )
        by_number = {
            one.partition: self._answer(told, subject).offset for one, told in found.items()
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

    def _answer(self, asked: "Future[T]", subject: Subject) -> T:
        """Return what a question brought; raise a QueueError, in a few seconds at the latest."""
        deadline = min(time.monotonic() + QUESTION_TIMEOUT_SECONDS, self._ends_at)
        while True:
            try:
                return asked.result(LISTEN_SECONDS)
            except KafkaException as error:
                raise self._explain(read_error(error), subject) from error
            except NotYet:
                self._client.poll(0)
            hopeless = self._heard.is_hopeless and not self._is_connected
            if hopeless or time.monotonic() > deadline:
                raise self._explain(KafkaError(codes.TIMED_OUT), subject)

    def _explain(self, error: KafkaError, subject: Subject) -> Exception:
        # What is reported aside comes only when it is asked for.
        self._client.poll(0)
        failure = translate(error, subject, self._heard)
        self._heard.forget()
        return failure


def _sorted(partitions: Iterable[Any]) -> list[Any]:
    return sorted(partitions, key=lambda one: one.partition)


def connect(settings: KafkaConnection, allowed_hosts: AllowedHosts = ALL_HOSTS) -> KafkaProbe:
    """Open a probe; raise a QueueError when the cluster can't be reached or refuses.

    allowed_hosts: for what the brokers call themselves.
    """
    return KafkaProbe(settings, allowed_hosts)
