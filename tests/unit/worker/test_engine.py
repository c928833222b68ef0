from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from tests.unit.worker.builders import ONE_ATTEMPT, RETRY, Plant, take
from workqueuejob.brokers.broker import Broker, Delivery
from workqueuejob.brokers.memory.broker import MemoryBroker
from workqueuejob.contract import exit_codes
from workqueuejob.contract.report import ItemCounts, read_report
from workqueuejob.contract.retry import RetrySettings
from workqueuejob.errors import (
    AuthenticationFailed,
    BrokerUnavailable,
    DeadLetterTargetMissing,
    LeaseLost,
)
from workqueuejob.worker.engine import Engine

FEW_LOSSES = replace(RETRY, max_lost_attempts=2)


def lose(plant: Plant) -> None:
    """Have the first item's worker killed."""
    assert plant.connect().take(timeout_seconds=0) is not None
    plant.clock.sleep(plant.queue.lease_seconds)


def drain(engine: Engine) -> list[bytes]:
    bodies = []
    while (item := engine.next()) is not None:
        engine.settlement.succeed(item)
        bodies.append(item.body)
    return bodies


# When a worker is done


def test_drained_queue_ends_the_worker_after_the_idle_time() -> None:
    plant = Plant(b"apple", b"banana", idle_seconds=2.0)
    began = plant.clock()
    assert drain(plant.engine) == [b"apple", b"banana"]
    assert 2.0 <= plant.clock() - began < 2.5
    assert plant.engine.exit_code == exit_codes.DONE


def test_item_that_comes_within_the_idle_time_is_worked_on() -> None:
    plant = Plant(idle_seconds=2.0)
    late = plant.clock() + 1.9
    fresh = [b"late"]

    def produce() -> None:
        if plant.clock() >= late and fresh:
            plant.queue.put(fresh.pop())

    plant.clock.on_sleep = produce
    assert drain(plant.engine) == [b"late"]


def test_worker_of_a_warm_pod_waits_for_its_first_item_without_end() -> None:
    plant = Plant(idle_seconds=2.0, waits_for_first=True)
    began = plant.clock()
    fresh = [b"late", b"next"]

    def produce() -> None:
        if plant.clock() >= began + 3600 and fresh:
            plant.queue.put(fresh.pop(0))

    plant.clock.on_sleep = produce
    assert drain(plant.engine) == [b"late", b"next"]
    assert 3602.0 <= plant.clock() - began < 3603.5
    assert plant.engine.exit_code == exit_codes.DONE


def test_item_that_failed_was_a_first_item_too() -> None:
    plant = Plant(b"poison", idle_seconds=2.0, waits_for_first=True, retry=ONE_ATTEMPT)
    plant.engine.settlement.fail(take(plant.engine), "no good")
    began = plant.clock()
    assert plant.engine.next() is None
    assert plant.clock() - began < 2.5


def test_worker_that_waits_for_its_first_item_stops_when_it_is_told_to() -> None:
    plant = Plant(waits_for_first=True)
    began = plant.clock()

    def tell() -> None:
        if plant.clock() > began + 60:
            plant.stop.request()

    plant.clock.on_sleep = tell
    assert plant.engine.next() is None
    assert plant.clock() - began < 61
    assert plant.engine.exit_code == exit_codes.STOPPED_EARLY


class LateShare(MemoryBroker):
    """Has nothing to take from before its time has come."""

    share_at = 0.0

    @property
    def has_share(self) -> bool:
        return self.queue.clock() >= self.share_at


def test_waiting_for_a_share_of_the_queue_is_not_to_be_idle() -> None:
    plant = Plant(idle_seconds=2.0)
    broker = LateShare(plant.queue)
    broker.share_at = plant.clock() + 60
    engine = plant.build_engine(lambda: broker)
    assert engine.next() is None
    assert 61.5 < plant.clock() - broker.share_at + 60 < 63


def test_settled_quota_ends_the_worker_and_leaves_the_rest() -> None:
    plant = Plant(b"apple", b"banana", b"cherry", quota=2)
    assert drain(plant.engine) == [b"apple", b"banana"]
    assert plant.engine.is_done
    plant.engine.close()
    assert plant.queue.count_left() == 1


def test_quota_counts_settled_items_and_no_failed_attempts() -> None:
    plant = Plant(b"poison", b"apple", b"banana", quota=2)
    bodies = []
    while (item := plant.engine.next()) is not None:
        bodies.append(item.body)
        if item.body == b"poison":
            item.fail("no good")
        else:
            item.ack()
    assert bodies == [b"poison", b"poison", b"poison", b"apple"]
    assert plant.engine.report.counts == ItemCounts(succeeded=1, dead_lettered=1, attempts_failed=3)


def test_nothing_is_fetched_ahead_of_the_last_item_of_a_quota() -> None:
    plant = Plant(b"apple", b"banana", quota=1)
    plant.engine.settlement.succeed(take(plant.engine))
    assert plant.broker.fetch_ahead is False


def test_next_item_is_fetched_ahead_while_the_quota_lasts() -> None:
    plant = Plant(b"apple", b"banana", quota=2)
    take(plant.engine).ack()
    assert plant.broker.fetch_ahead is True
    take(plant.engine).fail("no good")
    assert plant.broker.fetch_ahead is True


def test_stopped_worker_has_nothing_fetched_ahead() -> None:
    plant = Plant(b"apple", b"banana")
    item = take(plant.engine)
    plant.stop.request()
    item.release()
    assert plant.broker.fetch_ahead is False


def test_stopped_worker_takes_nothing_more() -> None:
    plant = Plant(b"apple")
    plant.stop.request()
    assert plant.engine.next() is None
    assert plant.engine.exit_code == exit_codes.STOPPED_EARLY


def test_stopped_worker_whose_quota_is_settled_is_done() -> None:
    plant = Plant(b"apple", quota=1)
    item = take(plant.engine)
    plant.stop.request()
    item.ack()
    assert plant.engine.exit_code == exit_codes.DONE


# Failed attempts


def test_failed_item_rests_by_the_retry_settings() -> None:
    retry = RetrySettings(max_attempts=3, initial_delay_seconds=10, dead_letter="dead")
    plant = Plant(b"apple", retry=retry, idle_seconds=60)
    began = plant.clock()
    take(plant.engine).fail("no good")
    again = take(plant.engine)
    assert again.attempt == 2
    assert plant.clock() - began >= 10
    again.fail("no good")
    assert take(plant.engine).attempt == 3
    assert plant.clock() - began >= 30


def test_last_failed_attempt_makes_a_dead_letter_with_its_reason() -> None:
    plant = Plant(b"poison")
    for attempt in (1, 2, 3):
        take(plant.engine).fail(f"no good {attempt}")
    assert plant.letters == [(b"poison", "no good 3", 3)]
    assert plant.engine.next() is None


def test_item_that_failed_for_good_is_not_tried_again() -> None:
    plant = Plant(b"poison")
    assert take(plant.engine).fail("not for me", retry=False)
    assert plant.letters == [(b"poison", "not for me", 1)]
    assert plant.engine.report.counts == ItemCounts(dead_lettered=1, attempts_failed=1)


def test_failed_item_rests_for_as_long_as_its_work_asks() -> None:
    plant = Plant(b"apple", idle_seconds=200)
    began = plant.clock()
    take(plant.engine).fail("not yet", delay_seconds=90.5)
    assert take(plant.engine).attempt == 2
    assert 91 <= plant.clock() - began < 92


def test_rest_that_its_work_asks_for_gives_an_item_no_further_attempt() -> None:
    plant = Plant(b"poison", retry=ONE_ATTEMPT)
    take(plant.engine).fail("not yet", delay_seconds=90)
    assert plant.letters == [(b"poison", "not yet", 1)]


def test_impossible_rest_settles_nothing() -> None:
    plant = Plant(b"apple")
    item = take(plant.engine)
    with pytest.raises(ValueError, match="delay_seconds is -1"):
        item.fail("not yet", delay_seconds=-1)
    assert item.ack()


def test_exhausted_item_without_a_target_is_counted_as_discarded() -> None:
    plant = Plant(b"poison", retry=RetrySettings(max_attempts=1))
    take(plant.engine).fail("no good")
    assert plant.engine.report.counts == ItemCounts(discarded=1, attempts_failed=1)
    assert plant.queue.count_left() == 0


def test_item_that_killed_its_workers_is_dead_lettered_before_it_is_worked_on() -> None:
    plant = Plant(b"poison", b"apple", retry=FEW_LOSSES)
    for _ in range(FEW_LOSSES.max_lost_attempts):
        lose(plant)
    assert drain(plant.engine) == [b"apple"]
    ((body, reason, attempts),) = plant.letters
    assert (body, attempts) == (b"poison", 2)
    assert reason == (
        "2 attempts ended without a word, and retry.maxLostAttempts is 2: the worker was killed or"
        " lost its connection"
    )
    assert plant.engine.report.counts == ItemCounts(succeeded=1, dead_lettered=1, attempts_lost=1)


def test_lost_attempts_take_none_of_those_that_may_fail() -> None:
    plant = Plant(b"apple", retry=replace(ONE_ATTEMPT, max_lost_attempts=10))
    for _ in range(9):
        lose(plant)
    item = take(plant.engine)
    assert (item.attempt, item.delivery.lost_attempts) == (10, 9)
    assert item.ack()
    assert plant.letters == []


def test_failed_attempts_take_none_of_those_that_may_be_lost() -> None:
    plant = Plant(b"poison", retry=replace(FEW_LOSSES, max_attempts=3))
    for reason in ("no good 1", "no good 2"):
        take(plant.engine).fail(reason)
    lose(plant)
    take(plant.engine).fail("no good 3")
    assert plant.letters == [(b"poison", "no good 3", 4)]


def test_item_rests_by_its_failed_attempts_alone() -> None:
    retry = RetrySettings(max_attempts=3, initial_delay_seconds=10, dead_letter="dead")
    plant = Plant(b"apple", retry=retry, idle_seconds=60)
    for _ in range(4):
        lose(plant)
    began = plant.clock()
    take(plant.engine).fail("no good")
    assert take(plant.engine).attempt == 6
    assert 10 <= plant.clock() - began < 11


def test_item_that_failed_more_often_than_is_allowed_by_now_is_not_tried_again() -> None:
    plant = Plant(b"poison")
    take(plant.engine).fail("no good")
    plant.settings = replace(plant.settings, retry=ONE_ATTEMPT)
    assert drain(plant.build_engine(plant.connect)) == []
    assert plant.letters == [(b"poison", "1 attempt failed, and retry.maxAttempts is 1", 1)]


def test_dead_letter_of_a_lost_attempt_tells_the_last_failure() -> None:
    plant = Plant(b"poison", retry=FEW_LOSSES)
    take(plant.engine).fail("exit code 3")
    for _ in range(FEW_LOSSES.max_lost_attempts):
        lose(plant)
    assert drain(plant.engine) == []
    ((_, reason, _),) = plant.letters
    assert reason.startswith("2 attempts ended without a word, ")
    assert reason.endswith("; the last that failed: exit code 3")


def test_lost_attempt_is_counted_by_who_takes_the_item_next() -> None:
    plant = Plant(b"apple")
    plant.connect().take(timeout_seconds=0)
    plant.clock.sleep(30)
    assert drain(plant.engine) == [b"apple"]
    assert plant.engine.report.counts == ItemCounts(succeeded=1, attempts_lost=1)


def test_released_item_is_counted_and_no_attempt() -> None:
    plant = Plant(b"apple")
    take(plant.engine).release()
    again = take(plant.engine)
    assert again.attempt == 1
    assert plant.engine.report.counts == ItemCounts(released=1)


# Leases


def test_item_that_is_kept_outlasts_its_lease() -> None:
    plant = Plant(b"apple", lease_seconds=30)
    item = take(plant.engine)
    for _ in range(10):
        plant.clock.sleep(plant.engine.renew())
    assert plant.clock() >= 1100
    assert item.ack()


def test_nothing_is_kept_before_the_first_connection() -> None:
    assert Plant().engine.renew() < 1


def test_lost_item_is_told_once_and_never_settled() -> None:
    plant = Plant(b"apple", lease_seconds=30)
    told = []
    plant.engine.settlement.on_lost = lambda: told.append(1)
    item = take(plant.engine)
    plant.clock.sleep(31)
    other = plant.connect().take(timeout_seconds=0)
    assert other is not None
    plant.engine.renew()
    plant.engine.renew()
    assert item.is_lost
    assert not item.ack()
    assert not item.fail("no good")
    assert not item.release()
    assert told == [1]
    assert plant.engine.report.counts == ItemCounts(leases_lost=1)
    assert plant.queue.count_left() == 1


def test_lease_that_is_found_lost_by_the_acknowledgement_is_counted_too() -> None:
    plant = Plant(b"apple", lease_seconds=30)
    item = take(plant.engine)
    plant.clock.sleep(31)
    assert not item.ack()
    assert item.is_lost
    assert plant.engine.settlement.held == []
    assert plant.engine.report.counts == ItemCounts(leases_lost=1)


def test_extend_renews_at_once() -> None:
    plant = Plant(b"apple", lease_seconds=30)
    item = take(plant.engine)
    plant.clock.sleep(20)
    item.extend()
    plant.clock.sleep(20)
    assert item.ack()


def test_extend_tells_that_the_item_is_lost() -> None:
    plant = Plant(b"apple", lease_seconds=30)
    item = take(plant.engine)
    plant.clock.sleep(31)
    with pytest.raises(LeaseLost, match="somebody else's"):
        item.extend()
    assert item.is_lost


def test_extend_tells_that_the_item_is_settled() -> None:
    plant = Plant(b"apple")
    item = take(plant.engine)
    item.ack()
    with pytest.raises(LeaseLost, match="settled already"):
        item.extend()


def test_settling_twice_settles_once() -> None:
    plant = Plant(b"apple")
    item = take(plant.engine)
    assert item.ack()
    assert item.fail("too late")
    assert plant.engine.report.counts == ItemCounts(succeeded=1)


def test_settled_item_is_not_said_to_have_failed(capfd: pytest.CaptureFixture[str]) -> None:
    plant = Plant(b"apple")
    item = take(plant.engine)
    item.release()
    item.fail("the loop was left")
    assert capfd.readouterr().err == ""


# Items that a stop interrupts


def test_interrupted_item_is_given_back() -> None:
    plant = Plant(b"apple")
    item = take(plant.engine)
    plant.stop.request()
    assert plant.engine.settlement.interrupt(item)
    assert plant.engine.report.counts == ItemCounts(released=1)


def test_item_that_the_pods_deadline_interrupts_has_failed() -> None:
    plant = Plant(b"slow", lease_seconds=9999, retry=ONE_ATTEMPT, deadline_seconds=600)
    item = take(plant.engine)
    plant.clock.now += 590
    plant.stop.request()
    plant.engine.settlement.interrupt(item)
    assert plant.letters == [
        (b"slow", "not done when the pod's activeDeadlineSeconds of 600 s ended", 1)
    ]
    assert plant.engine.exit_code == exit_codes.STOPPED_EARLY


def test_item_that_is_interrupted_long_before_the_deadline_is_given_back() -> None:
    plant = Plant(b"apple", lease_seconds=9999, deadline_seconds=600)
    item = take(plant.engine)
    plant.clock.now += 100
    plant.stop.request()
    plant.clock.now += 1000
    plant.engine.settlement.interrupt(item)
    assert plant.engine.report.counts == ItemCounts(released=1)


# Outages and refusals


class RefusesLetters(MemoryBroker):
    """One that is full: it renews leases, and takes no dead letter. refusals: how many more."""

    refusals = 6

    def dead_letter(self, delivery: Delivery, *, reason: str) -> None:
        if self.refusals:
            self.refusals -= 1
            raise BrokerUnavailable("redis:6379: the server's memory is full")
        super().dead_letter(delivery, reason=reason)


def test_lease_that_is_renewed_meanwhile_does_not_end_an_outage(
    capfd: pytest.CaptureFixture[str],
) -> None:
    plant = Plant(b"poison", retry=ONE_ATTEMPT)
    plant.broker = RefusesLetters(plant.queue, retry=plant.settings.retry)
    item = take(plant.engine)
    pauses: list[float] = []

    def keep() -> None:
        pauses.append(plant.clock.now)
        plant.engine.renew()

    plant.clock.on_sleep = keep
    item.fail("no good")

    assert plant.letters == [(b"poison", "no good", 1)]
    assert capfd.readouterr().err.count("broker unavailable") == 1
    # The pause doubles with each refusal: 0.2 s, then 0.4 s and so on, of which half is chance.
    assert pauses[-1] - pauses[0] > 0.1 * (2 + 4 + 8 + 16 + 32)


def test_worker_goes_on_after_an_outage(capfd: pytest.CaptureFixture[str]) -> None:
    plant = Plant(b"apple", b"banana")
    failures = iter([BrokerUnavailable("mq:5672: refused")] * 3)

    def open_broker() -> Broker:
        for error in failures:
            raise error
        return plant.broker

    assert drain(plant.build_engine(open_broker)) == [b"apple", b"banana"]
    said = capfd.readouterr().err
    assert said.count("broker unavailable") == 1
    assert "mq:5672: refused" in said
    assert said.count("broker available again failures=3") == 1


def test_time_of_an_outage_is_no_idle_time() -> None:
    plant = Plant(idle_seconds=2.0)
    began = plant.clock()

    def open_broker() -> Broker:
        if plant.clock() < began + 60:
            raise BrokerUnavailable("mq:5672: refused")
        plant.queue.put(b"late")
        return plant.broker

    assert drain(plant.build_engine(open_broker)) == [b"late"]


def test_pauses_between_tries_are_bounded() -> None:
    plant = Plant()
    began, tries = plant.clock(), []

    def open_broker() -> Broker:
        tries.append(plant.clock())
        if plant.clock() < began + 300:
            raise BrokerUnavailable("mq:5672: refused")
        return plant.broker

    drain(plant.build_engine(open_broker))
    pauses = [later - earlier for earlier, later in pairwise(tries)]
    assert 0.1 <= pauses[0] <= 0.2
    assert 5 <= pauses[-1] <= 10


def test_acknowledgement_is_repeated_after_an_outage() -> None:
    plant = Plant(b"apple")
    item = take(plant.engine)
    plant.broker.cut()
    assert item.ack()
    assert plant.queue.count_left() == 0


def test_stop_ends_the_waiting_for_a_broker() -> None:
    plant = Plant()

    def open_broker() -> Broker:
        plant.stop.request()
        raise BrokerUnavailable("mq:5672: refused")

    engine = plant.build_engine(open_broker)
    assert engine.next() is None
    assert engine.exit_code == exit_codes.STOPPED_EARLY


class AwayBroker(MemoryBroker):
    is_away = False

    def ack(self, delivery: Delivery) -> None:
        if self.is_away:
            raise BrokerUnavailable("mq:5672: refused")
        super().ack(delivery)


def test_item_is_left_to_its_lease_when_the_broker_is_away_past_the_grace() -> None:
    plant = Plant(b"apple")
    broker = AwayBroker(plant.queue)
    item = take(plant.build_engine(lambda: broker))
    plant.stop.request()
    broker.is_away = True
    assert not item.ack()
    assert plant.clock() - 1000 < plant.settings.grace_seconds


def test_refused_credentials_end_a_worker_that_was_never_let_in_as_failed() -> None:
    plant = Plant()

    def open_broker() -> Broker:
        raise AuthenticationFailed("mq:5672: login refused")

    engine = plant.build_engine(open_broker)
    with pytest.raises(AuthenticationFailed) as caught:
        engine.next()
    assert engine.exit_code_after(caught.value) == exit_codes.FAILED


def test_refused_credentials_after_work_end_a_worker_for_another_to_try() -> None:
    plant = Plant(b"apple")
    drain(plant.engine)
    error = AuthenticationFailed("mq:5672: login refused")
    assert plant.engine.exit_code_after(error) == exit_codes.STOPPED_EARLY


class WithoutDeadLetterQueue(MemoryBroker):
    def dead_letter(self, delivery: Delivery, *, reason: str) -> None:  # noqa: ARG002 - a fake
        raise DeadLetterTargetMissing("queue 'dead' not found; create it")


def test_missing_dead_letter_queue_ends_the_worker_and_the_item_stays() -> None:
    plant = Plant(b"poison", retry=RetrySettings(max_attempts=1, dead_letter="dead"))
    broker = WithoutDeadLetterQueue(plant.queue)
    engine = plant.build_engine(lambda: broker)
    with pytest.raises(DeadLetterTargetMissing) as caught:
        take(engine).fail("no good")
    assert engine.exit_code_after(caught.value) == exit_codes.FAILED
    again = plant.connect().take(timeout_seconds=0)
    assert again is not None
    assert again.attempt == 1
    assert engine.report.counts == ItemCounts(released=1)


# The termination message


def test_report_holds_what_was_done_after_every_item(tmp_path: Path) -> None:
    path = tmp_path / "message"
    path.touch()
    plant = Plant(b"apple", b"banana", path=path)
    first = take(plant.engine)
    report = read_report(path.read_text())
    assert report is not None
    assert (report.counts, report.holding) == (ItemCounts(), True)
    first.ack()
    report = read_report(path.read_text())
    assert report is not None
    assert (report.counts, report.holding) == (ItemCounts(succeeded=1), False)
    take(plant.engine).fail("no good")
    report = read_report(path.read_text())
    assert report is not None
    assert report.counts == ItemCounts(succeeded=1, attempts_failed=1)


# What is counted once


class Forgetful(MemoryBroker):
    """Delivers what another worker may have counted before."""

    def take(self, *, timeout_seconds: float) -> Delivery | None:
        delivery = super().take(timeout_seconds=timeout_seconds)
        return None if delivery is None else replace(delivery, doubtful=True)


def test_item_that_may_have_been_counted_before_is_counted_as_uncertain() -> None:
    plant = Plant(b"apple", b"poison", retry=ONE_ATTEMPT)
    engine = plant.build_engine(lambda: Forgetful(plant.queue, retry=ONE_ATTEMPT))
    engine.settlement.succeed(take(engine))
    engine.settlement.fail(take(engine), "no good")
    counts = engine.report.counts
    assert (counts.succeeded, counts.dead_lettered, counts.uncertain) == (1, 1, 2)


def test_item_of_which_nothing_is_in_doubt_is_counted_for_certain() -> None:
    plant = Plant(b"apple", b"poison", retry=ONE_ATTEMPT)
    plant.engine.settlement.succeed(take(plant.engine))
    plant.engine.settlement.fail(take(plant.engine), "no good")
    assert plant.engine.report.counts.uncertain == 0


class Unanswering(MemoryBroker):
    """Loses the item in the moment in which it is acknowledged, and its answer."""

    asked = False

    def ack(self, delivery: Delivery) -> None:
        if self.asked:
            raise LeaseLost(f"{delivery.id} is gone")
        self.asked = True
        raise BrokerUnavailable("connection lost")

    def is_uncertain(self, delivery: Delivery) -> bool:
        return self.asked and delivery.body == b"apple"


def test_acknowledgement_that_nobody_answered_is_uncertain() -> None:
    plant = Plant(b"apple")
    engine = plant.build_engine(lambda: Unanswering(plant.queue))
    assert not engine.settlement.succeed(take(engine))
    counts = engine.report.counts
    assert (counts.succeeded, counts.leases_lost, counts.uncertain) == (0, 1, 1)
