"""What every broker promises to the worker, on real servers, and the queue in memory with them.

A killed broker stands for a worker that was cut off or frozen, too: its own later calls may find
the connection broken (BrokerUnavailable, once), connect anew, and must then find the lease lost.
"""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.contract.worker.bench import Bench
from tests.contract.worker.conftest import Connect
from tests.contract.worker.places import Here
from workqueuejob.brokers.broker import Broker, Delivery, FetchesAhead
from workqueuejob.contract.retry import RetrySettings
from workqueuejob.errors import BrokerUnavailable, LeaseLost

pytestmark = pytest.mark.starts_early

PATIENCE_SECONDS = 15.0
ONCE_IDLE_SECONDS = 0.7


def take(broker: Broker, seconds: float = PATIENCE_SECONDS) -> Delivery:
    """Take the item that must be there."""
    delivery = broker.take(timeout_seconds=seconds)
    assert delivery is not None, "no item came"
    return delivery


def drain(broker: Broker) -> list[bytes]:
    """Take and acknowledge until nothing is ready."""
    bodies = []
    while (delivery := broker.take(timeout_seconds=ONCE_IDLE_SECONDS)) is not None:
        broker.ack(delivery)
        bodies.append(delivery.body)
    return bodies


def surviving(call: Callable[[], Delivery | None]) -> Delivery:
    """Call until there is an answer, whatever the connection goes through."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            delivery = call()
        except BrokerUnavailable:
            continue
        if delivery is not None:
            return delivery
    raise AssertionError("no item came")


def refused(settle: Callable[[], object]) -> bool:
    """Say whether the item is somebody else's, as told after a broken connection at the latest."""
    for _ in range(5):
        try:
            settle()
        except LeaseLost:
            return True
        except BrokerUnavailable:
            continue
        return False
    raise AssertionError("the broker did not come back")


def eventually_left(bench: Bench, count: int) -> bool:
    return eventually(lambda: bench.count_left() == count)


def eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def lose(bench: Bench, connect: Connect, *, losses: int) -> None:
    """Have the only item's worker killed so often."""
    for _ in range(losses):
        broker = connect()
        take(broker, after_kill(bench))
        bench.kill(broker)


def after_kill(bench: Bench) -> float:
    return bench.lease_seconds + PATIENCE_SECONDS


# Taking and acknowledging


def test_empty_queue_gives_nothing_after_the_timeout(connect: Connect) -> None:
    broker = connect()
    began = time.monotonic()
    assert broker.take(timeout_seconds=0.3) is None
    assert 0.25 < time.monotonic() - began < 3


def test_fresh_item_is_a_first_attempt(bench: Bench, connect: Connect) -> None:
    bench.produce(b"apple")
    item = take(connect())
    assert (item.body, item.attempt, item.redelivered, item.lost) == (b"apple", 1, False, False)
    assert item.id


def test_held_item_is_left_and_nobody_elses(bench: Bench, connect: Connect) -> None:
    bench.produce(b"apple")
    take(connect())
    assert connect().take(timeout_seconds=bench.lease_seconds / 3) is None
    assert bench.count_left() == 1


def test_acknowledged_item_is_gone_for_good(bench: Bench, connect: Connect) -> None:
    bench.produce(b"apple")
    broker = connect()
    broker.ack(take(broker))
    bench.kill(broker)
    assert eventually_left(bench, 0)
    assert connect().take(timeout_seconds=bench.lease_seconds + ONCE_IDLE_SECONDS) is None
    assert bench.dead_letters() == []


def test_fresh_items_come_in_order(bench: Bench, connect: Connect) -> None:
    fruits = [b"apple", b"banana", b"cherry", b"date", b"fig"]
    bench.produce(*fruits)
    assert drain(connect()) == fruits


def test_prefetched_items_come_in_order(bench: Bench, connect: Connect) -> None:
    bodies = [b"%d" % number for number in range(25)]
    bench.produce(*bodies)
    assert drain(connect(prefetch=10)) == bodies
    assert eventually_left(bench, 0)


def test_items_added_while_draining_are_taken(bench: Bench, connect: Connect) -> None:
    bench.produce(b"apple", b"banana")
    broker = connect()
    broker.ack(take(broker))
    bench.produce(b"cherry")
    assert drain(broker) == [b"banana", b"cherry"]
    bench.produce(b"date")
    assert drain(broker) == [b"date"]


def test_200_equal_payloads_are_200_items(bench: Bench, connect: Connect) -> None:
    bench.produce(*[b"same"] * 200)
    broker = connect()
    ids = set()
    while (item := broker.take(timeout_seconds=ONCE_IDLE_SECONDS)) is not None:
        assert (item.body, item.attempt) == (b"same", 1)
        ids.add(item.id)
        broker.ack(item)
    assert len(ids) == 200
    assert eventually_left(bench, 0)


def test_settling_one_of_two_equal_items_leaves_the_other(bench: Bench, connect: Connect) -> None:
    bench.make_room(2)
    bench.produce(b"same", b"same")
    one, two = connect(), connect()
    first, second = take(one), take(two)
    one.ack(first)
    two.release(second)
    assert eventually_left(bench, 1)
    assert drain(one) == [b"same"] or drain(two) == [b"same"]


@pytest.mark.parametrize(
    "body",
    [b"", b"two\nlines\r\n\n", bytes(range(256)), "Käse".encode(), b"x" * 2**20],
    ids=["empty", "newlines", "binary", "utf8", "1MiB"],
)
def test_payload_stays_as_it_is(bench: Bench, connect: Connect, body: bytes) -> None:
    bench.produce(body)
    broker = connect()
    first = take(broker)
    assert first.body == body
    broker.retry(first, reason="once more", delay_seconds=0)
    second = take(broker)
    assert second.body == body
    broker.release(second)
    third = take(broker)
    assert third.body == body
    broker.dead_letter(third, reason="enough")
    assert [dead.body for dead in bench.dead_letters()] == [body]
    assert eventually_left(bench, 0)


def test_item_comes_with_all_that_its_broker_keeps(bench: Bench, connect: Connect) -> None:
    produced = bench.produce_whole()
    broker = connect()
    item = take(broker)
    assert item.read_envelope() == produced.envelope
    broker.ack(item)
    assert item.read_envelope() == produced.envelope


@pytest.mark.parametrize("verb", ["retry", "rest", "release", "close", "kill"])
def test_whole_item_comes_again(bench: Bench, connect: Connect, verb: str) -> None:
    if verb == "close":
        bench.produce_ahead(b"first")
    produced = bench.produce_whole()
    broker = connect(prefetch=2)
    item = take(broker)
    match verb:
        case "retry":
            broker.retry(item, reason="once more", delay_seconds=0)
        case "rest":
            broker.retry(item, reason="once more", delay_seconds=1)
        case "release":
            broker.release(item)
        case "close":
            broker.ack(item)
        case "kill":
            bench.kill(broker)
    broker.close()
    bench.place = Here()
    with closing(bench.place):
        again = take(connect(), after_kill(bench))
    assert bench.read_raw(again) == produced.raw
    assert again.read_envelope() == produced.envelope


def test_whole_item_becomes_a_dead_letter(bench: Bench, connect: Connect) -> None:
    produced = bench.produce_whole()
    broker = connect()
    broker.dead_letter(take(broker), reason="enough")
    assert bench.read_raw_letter() == produced.raw


def test_two_workers_share_without_overlap(bench: Bench, connect: Connect) -> None:
    bench.make_room(2)
    bodies = [b"%d" % number for number in range(40)]
    bench.produce(*bodies)
    workers = [connect(pod="pod-1"), connect(pod="pod-2")]
    done: list[bytes] = []
    idle = 0
    while idle < len(workers):
        idle = 0
        for worker in workers:
            item = worker.take(timeout_seconds=ONCE_IDLE_SECONDS)
            if item is None:
                idle += 1
                continue
            done.append(item.body)
            worker.ack(item)
    assert sorted(done) == sorted(bodies)


# Failed attempts and dead letters


def test_failed_item_without_delay_is_ready_at_once(bench: Bench, connect: Connect) -> None:
    bench.produce(b"apple")
    broker = connect()
    broker.retry(take(broker), reason="exit code 3", delay_seconds=0)
    item = take(broker)
    assert (item.body, item.attempt, item.redelivered, item.lost) == (b"apple", 2, True, False)


def test_failed_item_rests_before_it_comes_back(bench: Bench, connect: Connect) -> None:
    bench.produce(b"apple")
    broker = connect()
    failed = take(broker)
    began = time.monotonic()
    broker.retry(failed, reason="exit code 3", delay_seconds=1)
    assert broker.take(timeout_seconds=0.5) is None
    # Also in the moment in which it comes back, and is in both places.
    assert eventually_left(bench, 1)
    item = take(broker)
    assert time.monotonic() - began > 0.9
    assert (item.body, item.attempt, item.lost) == (b"apple", 2, False)
    broker.ack(item)
    assert eventually_left(bench, 0)


def test_item_rests_for_as_long_as_its_work_asks(bench: Bench, connect: Connect) -> None:
    bench.produce(b"apple")
    broker = connect(retry=RetrySettings(initial_delay_seconds=60, dead_letter=None))
    failed = take(broker)
    began = time.monotonic()
    broker.retry(failed, reason="not yet", delay_seconds=1)
    assert broker.take(timeout_seconds=0.5) is None
    item = take(broker)
    assert time.monotonic() - began > 0.9
    assert (item.body, item.attempt, item.lost) == (b"apple", 2, False)
    broker.ack(item)
    assert eventually_left(bench, 0)


def test_resting_item_holds_up_the_others_only_where_order_is_kept(
    bench: Bench, connect: Connect
) -> None:
    bench.produce(b"poison", b"apple", b"banana")
    broker = connect()
    broker.retry(take(broker), reason="exit code 3", delay_seconds=1)
    if bench.rests_aside:
        assert take(broker, 0.7).body == b"apple"
    else:
        assert broker.take(timeout_seconds=0.7) is None
        assert drain(broker) == [b"poison", b"apple", b"banana"]


def test_resting_item_outlives_its_worker(bench: Bench, connect: Connect) -> None:
    bench.produce(b"apple")
    broker = connect()
    broker.retry(take(broker), reason="exit code 3", delay_seconds=1)
    bench.kill(broker)
    item = take(connect(pod="pod-2"))
    assert (item.attempt, item.lost) == (2, False)


def test_every_failed_attempt_counts(bench: Bench, connect: Connect) -> None:
    bench.produce(b"apple")
    broker = connect()
    for attempt in (1, 2, 3):
        item = take(broker)
        assert item.attempt == attempt
        broker.retry(item, reason="exit code 3", delay_seconds=0)
    assert take(broker).attempt == 4


def test_dead_letter_says_why_when_and_where(bench: Bench, connect: Connect) -> None:
    bench.produce(b"poison")
    broker = connect(pod="pod-7")
    for _ in range(2):
        broker.retry(take(broker), reason="exit code 3", delay_seconds=0)
    broker.dead_letter(take(broker), reason='exit code 3: "no such fruit"\nKäse')
    (dead,) = bench.dead_letters()
    assert (dead.body, dead.attempts, dead.pod) == (b"poison", 3, "pod-7")
    assert dead.reason == 'exit code 3: "no such fruit"\nKäse'
    age = datetime.now(UTC) - datetime.fromisoformat(dead.time)
    assert -5 < age.total_seconds() < 60
    assert eventually_left(bench, 0)


def test_dead_letters_are_kept_in_order(bench: Bench, connect: Connect) -> None:
    bench.produce(b"one", b"two", b"three")
    broker = connect()
    for _ in range(3):
        broker.dead_letter(take(broker), reason="no good")
    assert [dead.body for dead in bench.dead_letters()] == [b"one", b"two", b"three"]


def test_without_a_target_exhausted_items_are_discarded(bench: Bench, connect: Connect) -> None:
    bench.produce(b"poison")
    broker = connect(retry=RetrySettings(dead_letter=None))
    broker.dead_letter(take(broker), reason="no good")
    assert eventually_left(bench, 0)
    assert bench.dead_letters() == []


# Giving back


def test_released_item_is_ready_at_once_and_the_attempt_does_not_count(
    bench: Bench, connect: Connect
) -> None:
    bench.produce(b"apple")
    broker = connect()
    for _ in range(5):
        item = take(broker)
        assert (item.attempt, item.lost) == (1, False)
        broker.release(item)
    broker.close()
    assert take(connect(pod="pod-2")).attempt == 1


def test_released_item_keeps_its_failed_attempts(bench: Bench, connect: Connect) -> None:
    bench.produce(b"apple")
    broker = connect()
    broker.retry(take(broker), reason="exit code 3", delay_seconds=0)
    broker.release(take(broker))
    item = take(broker)
    assert (item.attempt, item.lost) == (2, False)


def test_closing_gives_back_what_was_fetched_but_not_taken(bench: Bench, connect: Connect) -> None:
    bench.produce(*[b"%d" % number for number in range(5)])
    broker = connect(prefetch=5)
    broker.ack(take(broker))
    broker.close()
    other = connect(pod="pod-2")
    found = []
    while (item := other.take(timeout_seconds=ONCE_IDLE_SECONDS)) is not None:
        other.ack(item)
        found.append(item)
    assert sorted(item.body for item in found) == [b"1", b"2", b"3", b"4"]
    assert {(item.attempt, item.lost) for item in found} == {(1, False)}


def test_last_item_is_acknowledged_without_another_being_touched(
    bench: Bench, connect: Connect
) -> None:
    bench.produce(b"apple", b"banana")
    broker = connect()
    item = take(broker)
    if isinstance(broker, FetchesAhead):
        broker.fetch_ahead = False
    broker.ack(item)
    if not bench.shares_every_item:
        # Its share is free when it leaves.
        broker.close()
    found = take(connect(pod="pod-2"))
    assert (found.body, found.attempt, found.lost) == (b"banana", 1, False)
    broker.close()


def test_closing_twice_or_after_a_kill_is_harmless(bench: Bench, connect: Connect) -> None:
    broker, killed = connect(), connect()
    broker.close()
    broker.close()
    bench.kill(killed)
    killed.close()


# Leases


def test_renewed_item_is_held_for_longer_than_the_lease(bench: Bench, connect: Connect) -> None:
    bench.produce(b"apple")
    broker, other = connect(), connect(pod="pod-2")
    item = take(broker)
    ends = time.monotonic() + 1.5 * bench.lease_seconds
    while time.monotonic() < ends:
        assert not broker.renew([item])
        pause = min(broker.renew_seconds, bench.lease_seconds / 3)
        assert other.take(timeout_seconds=pause) is None
    broker.ack(item)
    assert eventually_left(bench, 0)


def test_item_of_a_killed_worker_comes_back_as_another_attempt(
    bench: Bench, connect: Connect
) -> None:
    bench.produce(b"apple")
    lose(bench, connect, losses=bench.free_losses + 1)
    item = take(connect(pod="pod-2"), after_kill(bench))
    assert (item.body, item.attempt, item.redelivered, item.lost) == (b"apple", 2, True, True)


def test_loss_that_may_be_the_brokers_own_counts_no_attempt(bench: Bench, connect: Connect) -> None:
    bench.produce(b"apple")
    lose(bench, connect, losses=bench.free_losses)
    item = take(connect(pod="pod-2"), after_kill(bench))
    assert (item.attempt, item.lost) == (1, False)
    assert item.redelivered == (bench.free_losses > 0)


def test_lost_item_is_not_acknowledged_and_stays_the_others(bench: Bench, connect: Connect) -> None:
    bench.produce(b"apple")
    frozen, other = connect(), connect(pod="pod-2")
    lost = take(frozen)
    bench.kill(frozen)
    item = take(other, after_kill(bench))
    assert refused(lambda: frozen.ack(lost))
    assert bench.count_left() == 1
    other.ack(item)
    assert eventually_left(bench, 0)


@pytest.mark.parametrize("settle", ["retry", "dead_letter", "release"])
def test_lost_item_is_not_settled_in_any_other_way(
    bench: Bench, connect: Connect, settle: str
) -> None:
    bench.produce(b"apple")
    frozen, other = connect(), connect(pod="pod-2")
    lost = take(frozen)
    bench.kill(frozen)
    item = take(other, after_kill(bench))
    ways: dict[str, Callable[[], None]] = {
        "retry": lambda: frozen.retry(lost, reason="exit code 3", delay_seconds=0),
        "dead_letter": lambda: frozen.dead_letter(lost, reason="exit code 3"),
        "release": lambda: frozen.release(lost),
    }
    assert refused(ways[settle])
    assert bench.count_left() == 1
    assert bench.dead_letters() == []
    other.ack(item)
    assert eventually_left(bench, 0)


def test_renewing_nothing_is_harmless(bench: Bench, connect: Connect) -> None:
    bench.produce(b"apple")
    broker = connect()
    assert not broker.renew([])
    broker.ack(take(broker))
    assert not broker.renew([])
    assert eventually_left(bench, 0)


def test_renewing_tells_what_is_lost(bench: Bench, connect: Connect) -> None:
    bench.produce(b"apple")
    frozen, other = connect(), connect(pod="pod-2")
    lost = take(frozen)
    bench.kill(frozen)
    item = take(other, after_kill(bench))

    def renew() -> None:
        if [one.id for one in frozen.renew([lost])] == [lost.id]:
            raise LeaseLost("told")

    assert refused(renew)
    other.ack(item)
    assert eventually_left(bench, 0)


def test_cut_off_worker_goes_on_with_a_new_connection(bench: Bench, connect: Connect) -> None:
    bench.produce(b"apple")
    broker = connect()
    take(broker)
    bench.kill(broker)
    bench.produce(b"banana")
    found = {}
    for _ in range(2):
        item = surviving(lambda: broker.take(timeout_seconds=bench.lease_seconds))
        found[item.body] = (item.attempt, item.lost, item.redelivered)
        broker.ack(item)
    lost = (1, False, True) if bench.free_losses else (2, True, True)
    assert found == {b"apple": lost, b"banana": (1, False, False)}
    assert eventually_left(bench, 0)


def test_item_that_kills_its_worker_every_time_runs_out_of_attempts(
    bench: Bench, connect: Connect
) -> None:
    bench.produce(b"poison")
    attempts = range(1, 4)
    lose(bench, connect, losses=bench.free_losses)
    for attempt in attempts:
        broker = connect()
        item = take(broker, after_kill(bench))
        assert (item.attempt, item.lost_attempts) == (attempt, attempt - 1)
        bench.kill(broker)
    last = connect()
    item = take(last, after_kill(bench))
    assert item.attempt > max(attempts)
    assert (item.lost, item.lost_attempts, item.failed_attempts) == (True, max(attempts), 0)
    last.dead_letter(replace(item, attempt=max(attempts)), reason="killed its workers")
    assert [dead.attempts for dead in bench.dead_letters()] == [max(attempts)]


def test_failures_and_kills_add_up(bench: Bench, connect: Connect) -> None:
    bench.produce(b"apple")
    first = connect()
    first.retry(take(first), reason="exit code 3", delay_seconds=0)
    assert take(first).attempt == 2
    bench.kill(first)
    lose(bench, connect, losses=bench.free_losses)
    second = connect()
    item = take(second, after_kill(bench))
    assert (item.attempt, item.lost, item.lost_attempts) == (3, True, 1)
    second.retry(item, reason="exit code 3", delay_seconds=0)
    again = take(second)
    assert (again.attempt, again.lost, again.lost_attempts) == (4, False, 1)
    second.retry(again, reason="exit code 3", delay_seconds=1)
    rested = take(second)
    assert (rested.attempt, rested.lost_attempts, rested.failed_attempts) == (5, 1, 3)
    second.ack(rested)
    assert eventually_left(bench, 0)


def test_released_after_a_kill_counts_the_kill_only(bench: Bench, connect: Connect) -> None:
    bench.produce(b"apple")
    lose(bench, connect, losses=bench.free_losses + 1)
    second = connect(pod="pod-2")
    second.release(take(second, after_kill(bench)))
    item = take(second)
    assert (item.attempt, item.lost, item.lost_attempts) == (2, False, 1)
