"""How far a group is behind, on a real Kafka."""

import time
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from confluent_kafka import Consumer, TopicPartition

from dev.servers.kafka import KafkaServer, kafka_server
from tests.contract.worker.kafka_bench import KafkaBench
from workqueuejob.brokers.depth import QueueDepth
from workqueuejob.brokers.kafka.broker import KafkaBroker
from workqueuejob.brokers.kafka.probe import KafkaProbe, connect
from workqueuejob.brokers.kafka.reference import KafkaReference
from workqueuejob.brokers.positions import Lag, TopicSpan, is_same_topic, measure_lag
from workqueuejob.errors import ConsumerGroupInUse, QueueNotFound

__all__ = ["kafka_server"]

pytestmark = pytest.mark.kafka

RUN = "uid-1"


class Probed(KafkaBench):
    """A bench, and a probe of its topic."""

    def __init__(self, server: KafkaServer, stack: ExitStack) -> None:
        super().__init__(server, stack)
        self.probe: KafkaProbe = connect(self.connection)
        stack.callback(self.probe.close)

    def reference(self, **how: str | bool | None) -> KafkaReference:
        told: dict[str, str | bool | None] = {"run": RUN, "dead_letter": self.dead_letter, **how}
        return KafkaReference(self.topic, self.source.consumer_group, **told)  # type: ignore[arg-type] # a test names the fields

    def measure(self, **how: str | bool | None) -> QueueDepth:
        return self.probe.measure(self.reference(**how))

    def eventually(self, holds: Callable[[QueueDepth], bool]) -> QueueDepth:
        deadline = time.monotonic() + 15
        while not holds(depth := self.measure()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return depth


@pytest.fixture
def bench(kafka_server: KafkaServer, stack: ExitStack) -> Probed:
    return Probed(kafka_server, stack)


@pytest.fixture
def broker(bench: Probed, stack: ExitStack) -> Callable[..., KafkaBroker]:
    def open_broker(**settings: object) -> KafkaBroker:
        opened = bench.connect(**{"run": RUN, **settings})  # type: ignore[arg-type] # a test names the fields
        stack.callback(opened.close)
        return opened

    return open_broker


Broker = Callable[..., KafkaBroker]


def write_ends(span: TopicSpan) -> str:
    assert span.ends is not None
    return span.ends.write()


def work_off(broker: KafkaBroker) -> int:
    done = 0
    while (item := broker.take(timeout_seconds=0.7)) is not None:
        broker.ack(item)
        done += 1
    return done


def test_group_that_was_never_there_has_everything_before_it(bench: Probed) -> None:
    bench.make_room(3)
    bench.produce(*[b"%d" % number for number in range(7)])
    depth = bench.measure()
    assert (depth.ready, depth.in_flight, depth.delayed, depth.consumers) == (7, 0, 0, None)
    assert depth.partitions == 3
    assert depth.log is not None
    assert [one.end for one in depth.log.partitions] == [3, 2, 2]
    assert bench.measure(start_from="Latest").ready == 0


def test_measuring_does_not_join_the_group(bench: Probed) -> None:
    bench.produce(b"apple")
    bench.measure()
    assert bench.describe_group() == []


def test_item_in_hand_is_in_flight_and_done_is_done(bench: Probed, broker: Broker) -> None:
    bench.produce(b"apple", b"banana")
    worker = broker()
    item = worker.take(timeout_seconds=10)
    assert item is not None
    depth = bench.measure()
    assert (depth.ready, depth.in_flight, depth.consumers) == (1, 1, None)
    worker.fetch_ahead = False
    worker.ack(item)
    depth = bench.measure()
    assert (depth.ready, depth.in_flight) == (1, 0)
    assert work_off(worker) == 1
    assert bench.measure().ready == 0


def test_item_of_a_killed_worker_is_ready_again_when_its_session_ends(
    bench: Probed, broker: Broker
) -> None:
    bench.produce(b"apple", b"banana")
    worker = broker()
    worker.take(timeout_seconds=10)
    bench.kill(worker)
    assert bench.measure().in_flight == 1
    depth = bench.eventually(lambda depth: depth.in_flight == 0)
    assert (depth.ready, depth.in_flight) == (2, 0)


def test_resting_item_delays_its_partition(bench: Probed, broker: Broker) -> None:
    bench.make_room(2)
    bench.produce(b"0", b"1", b"2", b"3")
    worker = broker()
    item = worker.take(timeout_seconds=10)
    assert item is not None
    worker.retry(item, reason="exit code 3", delay_seconds=60)
    depth = bench.measure()
    assert (depth.ready, depth.delayed, depth.in_flight) == (2, 2, 0)


def test_dead_letters_are_counted_and_a_missing_target_is_unknown(
    bench: Probed, broker: Broker
) -> None:
    bench.produce(b"poison")
    worker = broker()
    item = worker.take(timeout_seconds=10)
    assert item is not None
    worker.dead_letter(item, reason="no good")
    assert bench.measure().dead_lettered == 1
    assert bench.measure(dead_letter="nowhere").dead_lettered is None
    assert bench.measure(dead_letter=None).dead_lettered is None
    assert "nowhere" not in bench.admin.list_topics(timeout=5).topics


def test_transactions_leave_no_phantom_item(bench: Probed, broker: Broker) -> None:
    bench.open_transaction(b"apple").commit_transaction(10)
    bench.open_transaction(b"apple").abort_transaction(10)
    # Two items, one of which does not count, and a marker for each, which comes a moment later.
    depth = bench.eventually(lambda depth: depth.ready == 4)
    assert depth.log is not None
    span = depth.log.span()
    assert work_off(broker(targets=write_ends(span))) == 1
    after = bench.measure()
    assert (after.ready, after.in_flight) == (0, 0)
    assert after.log is not None
    assert measure_lag(after.log, now=0, span=span) == Lag()


def test_aborted_transactions_alone_leave_no_phantom_item(bench: Probed, broker: Broker) -> None:
    bench.open_transaction(b"never").abort_transaction(10)
    assert bench.eventually(lambda depth: depth.ready == 2).ready == 2
    assert work_off(broker()) == 0
    assert bench.measure().ready == 0


def test_open_transaction_is_no_lag(bench: Probed) -> None:
    producer = bench.open_transaction(b"apple")
    assert bench.measure().ready == 0
    producer.commit_transaction(10)
    assert bench.eventually(lambda depth: depth.ready == 2).ready == 2


def test_what_retention_removed_is_no_lag_but_expired(bench: Probed, broker: Broker) -> None:
    bench.produce(*[b"%d" % number for number in range(10)])
    worker = broker()
    item = worker.take(timeout_seconds=10)
    assert item is not None
    worker.fetch_ahead = False
    worker.ack(item)
    worker.close()
    bench.delete_before(6)
    depth = bench.measure()
    assert depth.ready == 4
    assert depth.log is not None
    assert measure_lag(depth.log, now=0).removed == 5


def test_items_that_come_after_the_targets_are_told_apart(bench: Probed, broker: Broker) -> None:
    bench.produce(b"apple", b"banana")
    first = bench.measure()
    assert first.log is not None
    span = first.log.span()
    bench.produce(b"late")
    assert work_off(broker(targets=write_ends(span))) == 2
    depth = bench.measure()
    assert depth.log is not None
    assert measure_lag(depth.log, now=0, span=span) == Lag(later=1)


def test_added_partition_is_behind_the_targets(bench: Probed) -> None:
    bench.produce(b"apple")
    first = bench.measure()
    assert first.log is not None
    bench.make_room(2)
    bench.produce(b"0", b"1", b"2")
    depth = bench.eventually(lambda one: one.log is not None and len(one.log.partitions) == 2)
    assert depth.log is not None
    span = first.log.span()
    assert is_same_topic(depth.log, span.starts)
    assert measure_lag(depth.log, now=0, span=span).ready == 1


def test_topic_that_was_created_anew_is_noticed(bench: Probed) -> None:
    bench.produce(b"apple")
    first = bench.measure()
    bench.admin.delete_topics([bench.topic])[bench.topic].result(10)
    with pytest.raises(QueueNotFound):
        bench.measure()
    bench.create_topic(bench.topic)
    again = bench.eventually(lambda depth: depth.ready == 0)
    assert first.log is not None
    assert again.log is not None
    assert not is_same_topic(again.log, first.log.span().starts)


def test_missing_topic_is_named_and_not_made(bench: Probed) -> None:
    missing = KafkaReference("nowhere", "workers")
    with pytest.raises(QueueNotFound, match=r"topic 'nowhere' not found on 127.0.0.1:\d+; create"):
        bench.probe.measure(missing)
    assert bench.measure().ready == 0
    assert "nowhere" not in bench.admin.list_topics(timeout=5).topics


def test_strangers_in_the_group_are_told_of_without_their_names(
    bench: Probed, stack: ExitStack
) -> None:
    stranger = Consumer(
        {
            "bootstrap.servers": bench.server.bootstrap,
            "group.id": bench.source.consumer_group,
            "client.id": "billing-app",
        }
    )
    stack.callback(stranger.close)
    stranger.subscribe([bench.topic])
    deadline = time.monotonic() + 15
    while not stranger.assignment() and time.monotonic() < deadline:
        stranger.poll(0.1)
    with pytest.raises(ConsumerGroupInUse, match=r"not of this run: 1 other program;") as refused:
        bench.measure()
    assert "billing-app" not in str(refused.value)
    assert "/127.0.0.1" not in str(refused.value)
    # Without our worker nobody knows who is a stranger.
    depth = bench.measure(worker=False)
    assert (depth.consumers, depth.in_flight) == (1, None)


def test_worker_of_another_run_is_a_stranger(bench: Probed, broker: Broker) -> None:
    broker(run="uid-2")
    with pytest.raises(ConsumerGroupInUse, match=r"1 worker of another WorkQueueJob;") as refused:
        bench.measure()
    assert "uid-2" not in str(refused.value)


def test_metadata_of_other_programs_is_of_no_account(bench: Probed) -> None:
    bench.produce(b"apple", b"banana")
    other = Consumer(
        {"bootstrap.servers": bench.server.bootstrap, "group.id": bench.source.consumer_group}
    )
    other.commit(offsets=[TopicPartition(bench.topic, 0, 1, "host-7")], asynchronous=False)
    other.close()
    assert bench.measure().ready == 1
