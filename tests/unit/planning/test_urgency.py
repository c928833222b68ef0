"""What goes first where requests are many, and what may wait."""

import itertools
from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from workqueuejob.planning.pacing.urgency import (
    NUMBERS_INTERVAL_SECONDS,
    NUMBERS_LONGEST_SECONDS,
    RESTLESS_SECONDS,
    RESTLESS_WRITES,
    Due,
    Urgency,
    choose_next,
    is_restless,
    judge_numbers,
)

QUEUED = (Urgency.DECISION, Urgency.VISIBLE, Urgency.OBSERVATION)
_waits = st.dictionaries(st.sampled_from(QUEUED), st.floats(0, 1000), min_size=1)


@given(waits=_waits, sent=st.integers(0, 10**9))
def test_what_goes_next_is_the_most_urgent_or_the_oldest(
    waits: dict[Urgency, float], sent: int
) -> None:
    chosen = choose_next(waits, sent=sent)
    assert chosen == min(waits) or waits[chosen] == min(waits.values())


@given(waits=_waits, sent=st.integers(0, 10**9))
def test_three_of_four_requests_are_the_most_urgent(waits: dict[Urgency, float], sent: int) -> None:
    chosen = [choose_next(waits, sent=sent + step) for step in range(4)]
    assert chosen.count(min(waits)) >= 3


@given(
    others=st.lists(st.sampled_from(QUEUED), max_size=30),
    mine=st.sampled_from(QUEUED),
    flood=st.sampled_from(QUEUED),
    sent=st.integers(0, 7),
)
def test_nothing_waits_without_an_end_however_many_more_urgent_ones_come(
    others: list[Urgency], mine: Urgency, flood: Urgency, sent: int
) -> None:
    lanes: dict[Urgency, deque[float]] = {urgency: deque() for urgency in QUEUED}
    clock = itertools.count()
    for urgency in others:
        lanes[urgency].append(next(clock))
    my_time = next(clock)
    lanes[mine].append(my_time)
    steps = 0
    while my_time in lanes[mine]:
        # Another one comes for each that is sent.
        lanes[flood].append(next(clock))
        heads = {urgency: lane[0] for urgency, lane in lanes.items() if lane}
        lanes[choose_next(heads, sent=sent + steps)].popleft()
        steps += 1
        assert steps <= 4 * (len(others) + 2)


@given(since_write=st.floats(0, 100), behind=st.floats(0, 100), restless=st.booleans())
def test_numbers_are_two_to_ten_seconds_old(
    since_write: float, behind: float, restless: bool
) -> None:
    due = judge_numbers(since_write=since_write, behind=behind, restless=restless)
    if restless:
        assert due is (Due.NOW if since_write >= NUMBERS_LONGEST_SECONDS else Due.LATER)
    elif since_write < NUMBERS_INTERVAL_SECONDS:
        assert due is Due.LATER
    else:
        assert due is (Due.NOW if behind >= NUMBERS_LONGEST_SECONDS else Due.IF_SPARE)


def test_conditions_that_go_to_and_fro_are_restless_for_ten_minutes() -> None:
    written = [float(second) for second in range(RESTLESS_WRITES)]
    assert is_restless(written, now=RESTLESS_WRITES)
    assert not is_restless(written[1:], now=RESTLESS_WRITES)
    assert not is_restless(written, now=RESTLESS_SECONDS)
