"""What is bounded: threads of a kind, connections, back-off, what is said."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workqueuejob.brokers.rabbitmq.management_rests import Rests
from workqueuejob.measuring.backoff import MeterPace
from workqueuejob.measuring.interval import STEPS_SECONDS, say_interval, smooth
from workqueuejob.measuring.places import (
    MAX_OPENING,
    MAX_OPENING_AGAIN,
    MAX_OPENING_TO_ADDRESS,
    Places,
    choose_spare,
)
from workqueuejob.measuring.pool import LANE_THREADS, MOST_THREADS, Lane, may_start

lanes = st.sampled_from(list(Lane))


@given(st.lists(lanes, max_size=60))
def test_broken_brokers_leave_threads_for_those_that_answer(asked: list[Lane]) -> None:
    running: list[Lane] = []
    for lane in asked:
        if may_start(lane, running=running, fresh=[]):
            running.append(lane)
    assert len(running) <= MOST_THREADS
    for lane in (Lane.UNKNOWN, Lane.DOUBTFUL):
        assert sum(other >= lane for other in running) <= LANE_THREADS[lane]
    if Lane.PROVEN not in running:
        assert may_start(Lane.PROVEN, running=running, fresh=[])


@given(st.lists(lanes, max_size=10))
def test_calls_that_have_just_begun_leave_room_for_a_proven_login(asked: list[Lane]) -> None:
    fresh: list[Lane] = []
    for lane in (lane for lane in asked if lane is not Lane.PROVEN):
        if may_start(lane, running=fresh, fresh=fresh):
            fresh.append(lane)
    assert may_start(Lane.PROVEN, running=fresh, fresh=fresh)


@dataclass
class FakeWay:
    used_at: float
    address: str = "mq:5672"
    is_open: bool = True
    is_opening: bool = False
    is_opening_again: bool = False
    is_busy: bool = False


def test_connections_have_a_limit_and_those_unused_for_longest_make_room() -> None:
    ways = [FakeWay(1.0), FakeWay(0.5, is_busy=True), FakeWay(3.0), FakeWay(2.0), FakeWay(9.5)]
    places = Places(5, ways)
    assert not places.take("mq:5672", is_failing=False)
    assert not places.take("mq:5672", is_failing=False)
    assert [way.used_at for way in choose_spare(ways, places.wanted, now=10.0)] == [1.0, 2.0]


def test_only_so_many_connect_at_once_and_fewer_of_those_that_failed() -> None:
    failing = Places(200, [])
    brokers = [f"mq-{number}" for number in range(100)]
    assert sum(failing.take(one, is_failing=True) for one in brokers) == MAX_OPENING_AGAIN
    assert sum(failing.take(one, is_failing=False) for one in brokers[50:]) == (
        MAX_OPENING - MAX_OPENING_AGAIN
    )


def test_logins_on_one_broker_connect_a_few_at_once() -> None:
    places = Places(200, [])
    taken = sum(places.take("mq:5672", is_failing=False) for _ in range(100))
    assert taken == MAX_OPENING_TO_ADDRESS


@given(st.integers(1, 10_000))
def test_quarantine_lasts_one_second_at_first_and_sixty_at_most(hangs: int) -> None:
    pace = MeterPace()
    assert pace.next_quarantine_try(1) == 1
    assert pace.next_quarantine_try(hangs) <= pace.next_quarantine_try(hangs + 1) <= 60


@given(st.floats(0, 10_000))
def test_interval_is_never_said_longer_than_it_is(seconds: float) -> None:
    said = say_interval(seconds)
    assert said <= seconds
    assert said in {0, *STEPS_SECONDS}


def test_interval_of_a_few_seconds_needs_no_words() -> None:
    assert say_interval(8.0) == 0


@given(st.floats(0.1, 100), st.floats(0.1, 100))
def test_mean_lies_between_the_old_mean_and_the_new_interval(mean: float, interval: float) -> None:
    assert min(mean, interval) - 1e-9 <= smooth(mean, interval) <= max(mean, interval) + 1e-9


@given(st.floats(0, 4))
def test_management_api_works_a_tenth_of_the_time_at_most_for_rounds(worked: float) -> None:
    rests = Rests()
    rests.begin(100.0, worked_seconds=worked)
    assert rests.find_end(is_requested=False) == pytest.approx(100.0 + 9 * worked)
    assert rests.find_end(is_requested=True) == pytest.approx(100.0 + worked)
