"""What is Kafka's alone: groups and their rebalances, offsets without items, targets, order."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import Producer

from tests.contract.worker.conftest import open_bench
from tests.contract.worker.kafka_bench import KafkaBench
from tests.contract.worker.kafka_headers import produce_with_header
from tests.contract.worker.test_worker_contract import ONCE_IDLE_SECONDS, drain, eventually, take
from workqueuejob.brokers.broker import Delivery
from workqueuejob.brokers.kafka.broker import KafkaBroker
from workqueuejob.contract.offsets import NextItem, read_metadata
from workqueuejob.contract.retry import RetrySettings
from workqueuejob.contract.settings import WorkerSettings
from workqueuejob.errors import DeadLetterTargetMissing, LeaseLost
from workqueuejob.worker.library import Worker

pytestmark = [pytest.mark.kafka, pytest.mark.starts_early]


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> KafkaBench:
    return open_bench(KafkaBench, request)


@pytest.fixture
def connect(bench: KafkaBench, stack: ExitStack) -> Callable[..., KafkaBroker]:
    def open_broker(**settings: Any) -> KafkaBroker:
        broker = bench.connect(**settings)
        stack.callback(broker.close)
        return broker

    return open_broker


Connect = Callable[..., KafkaBroker]


@contextmanager
def kept(broker: KafkaBroker, *held: Delivery) -> Iterator[list[Delivery]]:
    """Renew in a thread for the duration, as a worker's keeper does; yields what is lost."""
    lost: list[Delivery] = []
    ending = threading.Event()

    def keep() -> None:
        while not ending.wait(0.1):
            lost.extend(broker.renew(held))

    keeper = threading.Thread(target=keep)
    keeper.start()
    try:
        yield lost
    finally:
        ending.set()
        keeper.join()


def histories(bench: KafkaBench) -> list[tuple[int, NextItem]]:
    return [(one.offset, read_metadata(one.metadata)) for one in bench.committed()]


# Offsets without items


def test_end_behind_transactions_is_committed_so_that_no_lag_is_left(
    bench: KafkaBench, connect: Connect
) -> None:
    bench.open_transaction(b"apple", b"banana").commit_transaction(10)
    bench.open_transaction(b"never", b"seen").abort_transaction(10)
    bench.open_transaction(b"cherry").commit_transaction(10)
    bench.open_transaction(b"nor", b"this").abort_transaction(10)
    # The broker writes the end of a transaction after its answer.
    assert eventually(lambda: bench.ends() == [11])
    assert drain(connect()) == [b"apple", b"banana", b"cherry"]
    assert bench.count_left() == 0


def test_items_of_an_open_transaction_are_not_there_yet(
    bench: KafkaBench, connect: Connect
) -> None:
    producer = bench.open_transaction(b"apple")
    broker = connect()
    assert broker.take(timeout_seconds=ONCE_IDLE_SECONDS) is None
    assert bench.count_left() == 0
    producer.commit_transaction(10)
    assert drain(broker) == [b"apple"]
    assert bench.count_left() == 0


def test_end_behind_compacted_items_is_committed(bench: KafkaBench, connect: Connect) -> None:
    bench.topic = f"{bench.topic}.compacted"
    bench.create_topic(
        bench.topic,
        cleanup_policy="compact",
        segment_ms="200",
        min_cleanable_dirty_ratio="0.01",
        max_compaction_lag_ms="200",
        delete_retention_ms="100",
    )
    producer = Producer({"bootstrap.servers": bench.server.bootstrap})
    for number in range(30):
        producer.produce(bench.topic, b"%d" % number, key=b"same")
        producer.flush(10)
    deadline = time.monotonic() + 40
    while len(found := bench.read(bench.topic)) > 20 and time.monotonic() < deadline:
        # What is written makes the log roll, without which nothing is compacted.
        producer.produce(bench.topic, b"more", key=b"same")
        producer.flush(10)
        time.sleep(0.3)
    # A tombstone is an item, too: of an empty body.
    (end,) = bench.ends()
    assert len(found) < end
    bench.source = replace(bench.source, topic=bench.topic)
    assert len(drain(connect())) <= len(found) + 1
    assert bench.count_left() == 0


def test_offset_that_retention_removed_is_passed_over(bench: KafkaBench, connect: Connect) -> None:
    bench.produce(*[b"%d" % number for number in range(10)])
    first = connect()
    first.ack(take(first))
    first.close()
    bench.delete_before(6)
    assert drain(connect()) == [b"6", b"7", b"8", b"9"]
    assert bench.count_left() == 0


# Targets


def test_nothing_behind_the_target_is_taken(bench: KafkaBench, connect: Connect) -> None:
    bench.produce(b"apple", b"banana", b"cherry", b"date")
    broker = connect(targets="id:2")
    assert drain(broker) == [b"apple", b"banana"]
    # For as long as it takes to hear of the end, which is further on.
    assert broker.take(timeout_seconds=1) is None
    assert [offset for offset, _ in histories(bench)] == [2]
    broker.close()
    assert drain(connect()) == [b"cherry", b"date"]


def test_partition_that_came_after_the_targets_is_left_alone(
    bench: KafkaBench, connect: Connect
) -> None:
    bench.make_room(2)
    bench.produce(b"apple", b"late", b"banana", b"later")
    assert drain(connect(targets="id:2")) == [b"apple", b"banana"]
    assert bench.count_left() == 2


def test_worker_at_its_targets_ends_although_items_keep_coming(bench: KafkaBench) -> None:
    bench.produce(b"apple", b"banana")
    settings = WorkerSettings(source=bench.source, idle_seconds=0.5)
    broker = bench.connect(targets="id:2")
    done = []
    for item in Worker(settings, broker=broker):
        bench.produce(b"more")
        done.append(item.body)
    assert done == [b"apple", b"banana"]


# Where to start


def test_group_starts_at_the_end_where_that_is_wanted_and_stays_there(
    bench: KafkaBench, connect: Connect
) -> None:
    bench.produce(b"old", b"older")
    first = connect(start_from="Latest")
    assert first.take(timeout_seconds=ONCE_IDLE_SECONDS) is None
    first.close()
    bench.produce(b"new")
    assert drain(connect(start_from="Latest")) == [b"new"]


# Long items and rebalances


def test_item_of_twice_the_poll_interval_is_worked_on_once_without_a_rebalance(
    bench: KafkaBench, connect: Connect
) -> None:
    bench.make_room(2)
    bench.produce(b"0", b"1", b"2", b"3")
    broker = connect(max_poll_interval_seconds=1.5)
    item = take(broker)
    generation = bench.describe_group()
    with kept(broker, item) as lost:
        time.sleep(3)
    broker.ack(item)
    assert not lost
    assert bench.describe_group() == generation
    assert sorted([item.body, *drain(broker)]) == [b"0", b"1", b"2", b"3"]
    assert bench.count_left() == 0


def test_nothing_is_worked_on_twice_however_many_come_and_go(bench: KafkaBench) -> None:
    bench.make_room(4)
    bodies = [b"%03d" % number for number in range(120)]
    bench.produce(*bodies)
    done: list[bytes] = []

    def work(number: int) -> None:
        # They come while the others are at work, and every item takes a heartbeat's time.
        time.sleep(number)
        settings = WorkerSettings(source=bench.source, idle_seconds=1.0)
        broker = bench.connect(pod=f"pod-{number}")
        for item in Worker(settings, broker=broker):
            time.sleep(0.1)
            done.append(item.body)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert sorted(done) == bodies
    assert bench.count_left() == 0
    for partition in range(4):
        in_order = [body for body in done if int(body) % 4 == partition]
        assert in_order == sorted(in_order)


def test_newcomer_waits_for_what_is_worked_on_and_then_gets_it(
    bench: KafkaBench, connect: Connect
) -> None:
    bench.make_room(2)
    bench.produce(b"0", b"1", b"2", b"3")
    old = connect(max_poll_interval_seconds=2)
    items = [take(old), take(old)]
    with kept(old, *items) as lost:
        new = connect(pod="pod-2")
        # For longer than its interval, in which the group does not lose patience.
        assert new.take(timeout_seconds=1.5) is None
        assert not new.has_share
        time.sleep(1.5)
    assert not lost
    for item in items:
        old.ack(item)
    with kept(old):
        given = take(new)
        new.ack(given)
    kept_by_old = drain(old)
    assert sorted([given.body, *kept_by_old]) == [b"2", b"3"]
    assert bench.count_left() == 0


def test_partition_that_was_given_away_while_paused_is_read_when_it_comes_back(
    bench: KafkaBench, connect: Connect
) -> None:
    bench.make_room(4)
    bench.produce(*[b"%d" % number for number in range(8)])
    old = connect()
    item = take(old)
    with kept(old, item):
        new = connect(pod="pod-2")
        time.sleep(1)
    old.ack(item)
    with kept(old):
        new.release(take(new))
        new.close()
    assert len(drain(old)) == 7
    assert bench.count_left() == 0


def test_frozen_worker_is_told_of_its_loss_when_it_thaws(
    bench: KafkaBench, connect: Connect
) -> None:
    bench.produce(b"apple", b"banana")
    frozen, other = connect(max_poll_interval_seconds=1), connect(pod="pod-2")
    item = take(frozen)
    # It does not poll, as who is stuck does not.
    assert take(other).body == b"apple"
    with pytest.raises(LeaseLost, match="was given to another member of group"):
        frozen.ack(item)
    assert list(frozen.renew([item])) == [item]


def test_worker_that_lost_its_membership_joins_again(bench: KafkaBench, connect: Connect) -> None:
    bench.produce(b"apple", b"banana")
    broker = connect(max_poll_interval_seconds=1)
    item = take(broker)
    time.sleep(2.5)
    with pytest.raises(LeaseLost):
        broker.ack(item)
    again = take(broker)
    assert (again.body, again.attempt, again.lost) == (b"apple", 2, True)
    broker.ack(again)
    assert drain(broker) == [b"banana"]


# Attempts over the deaths of workers


def test_attempts_stand_beside_the_committed_offset(bench: KafkaBench, connect: Connect) -> None:
    bench.produce(b"apple", b"banana")
    broker = connect()
    item = take(broker)
    assert histories(bench) == [(0, NextItem(1, is_held=True))]
    broker.retry(item, reason="exit code 3", delay_seconds=0)
    assert histories(bench) == [(0, NextItem(1))]
    item = take(broker)
    assert histories(bench) == [(0, NextItem(2, is_held=True))]
    broker.ack(item)
    assert histories(bench) == [(1, NextItem(1, is_held=True))]
    broker.close()
    assert histories(bench) == [(1, NextItem())]


def test_rest_is_kept_by_who_takes_the_partition_over(bench: KafkaBench, connect: Connect) -> None:
    bench.produce(b"apple")
    broker = connect()
    began = time.monotonic()
    broker.retry(take(broker), reason="exit code 3", delay_seconds=3)
    broker.close()
    other = connect(pod="pod-2")
    assert other.take(timeout_seconds=ONCE_IDLE_SECONDS) is None
    assert take(other).attempt == 2
    assert time.monotonic() - began > 2.5


# Dead letters


def test_dead_letter_keeps_key_and_headers_and_says_where_it_came_from(
    bench: KafkaBench, connect: Connect
) -> None:
    producer = Producer({"bootstrap.servers": bench.server.bootstrap})
    producer.produce(bench.topic, b"poison", key=b"ann", headers=[("trace", b"t-1")])
    producer.flush(10)
    broker = connect()
    broker.dead_letter(take(broker), reason="no good")
    (letter,) = bench.read(bench.dead_letter)
    headers = dict(letter.headers())
    assert (letter.key(), headers["trace"]) == (b"ann", b"t-1")
    assert headers["wqj-source"] == f"{bench.topic}/0/0".encode()


def test_item_whose_headers_can_not_be_read_is_put_aside_without_them(
    bench: KafkaBench, connect: Connect
) -> None:
    produce_with_header(bench.server.bootstrap, bench.topic, b"poison", name=b"caf\xe9")
    broker = connect()
    item = take(broker)
    assert item.read_envelope().headers == {}
    broker.retry(item, reason="no good", delay_seconds=0)
    item = take(broker)
    assert item.read_envelope().headers == {}
    broker.dead_letter(item, reason="no good")
    (letter,) = bench.read(bench.dead_letter)
    headers = dict(letter.headers())
    assert (letter.value(), headers["wqj-reason"]) == (b"poison", b"no good")
    assert headers["wqj-left-out"] == b"headers, because a name is not UTF-8"


def test_time_of_the_log_is_the_items_time_where_the_topic_keeps_that(
    bench: KafkaBench, connect: Connect
) -> None:
    began = time.time()
    bench.topic = f"{bench.topic}.stamped"
    bench.create_topic(bench.topic, message_timestamp_type="LogAppendTime")
    bench.produce_whole()
    envelope = take(connect(topic=bench.topic)).read_envelope()
    assert envelope.properties["timestamp_type"] == "LogAppendTime"
    assert envelope.enqueued_at is not None
    assert began - 5 < envelope.enqueued_at.timestamp() < time.time() + 5


def test_missing_dead_letter_topic_is_named_and_not_made(
    bench: KafkaBench, connect: Connect
) -> None:
    bench.produce(b"poison")
    broker = connect(retry=RetrySettings(dead_letter="nowhere"))
    item = take(broker)
    with pytest.raises(DeadLetterTargetMissing, match=r"topic 'nowhere' not found on .*create it"):
        broker.dead_letter(item, reason="no good")
    broker.release(item)
    assert "nowhere" not in bench.admin.list_topics(timeout=5).topics
    assert bench.count_left() == 1


def test_item_too_large_for_the_dead_letter_topic_is_kept(
    bench: KafkaBench, connect: Connect
) -> None:
    small = f"{bench.topic}.small"
    bench.create_topic(small, max_message_bytes="1000")
    bench.produce(b"x" * 5000)
    broker = connect(retry=RetrySettings(dead_letter=small))
    with pytest.raises(DeadLetterTargetMissing, match=r"takes no item of 5000 bytes; raise its"):
        broker.dead_letter(take(broker), reason="no good")
    assert bench.count_left() == 1
