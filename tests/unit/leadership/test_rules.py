"""Who may take a Lease, and what is written into it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from workqueuejob.leadership.rules import (
    Lease,
    LeaseTimes,
    claim,
    give_up,
    seconds_until_free,
    sight,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(seconds=2)
TIMES = LeaseTimes(duration_seconds=8, renew_deadline_seconds=6.0, retry_seconds=2.0)


def a_lease(holder: str = "other", *, version: str = "1", duration: int = 8) -> Lease:
    return Lease(holder, duration, acquired=NOON, renewed=NOON, resource_version=version)


def test_a_killed_holder_is_succeeded_within_fifteen_seconds() -> None:
    times = LeaseTimes()

    assert times.duration_seconds + times.retry_seconds <= 12, (
        "the rest is for the watches to begin"
    )
    assert times.renew_deadline_seconds + 1 < times.duration_seconds
    assert 2 * times.retry_seconds < times.renew_deadline_seconds


def test_anothers_lease_is_left_alone_until_it_was_seen_unchanged_for_its_duration() -> None:
    first = sight(None, a_lease(), now=100.0)
    again = sight(first, a_lease(), now=105.0)

    assert seconds_until_free(again, "me", now=105.0) == 3.0
    assert seconds_until_free(again, "me", now=108.0) == 0.0


def test_a_renewed_lease_is_left_alone_anew() -> None:
    seen = sight(sight(None, a_lease(), now=100.0), a_lease(version="2"), now=107.9)

    assert seconds_until_free(seen, "me", now=108.0) > 7.8


def test_the_leases_own_duration_counts_not_ours() -> None:
    seen = sight(None, a_lease(duration=60), now=0.0)

    assert seconds_until_free(seen, "me", now=8.0) == 52.0


def test_a_lease_that_was_given_up_or_is_ours_is_free_at_once() -> None:
    for holder in ("", "me"):
        assert seconds_until_free(sight(None, a_lease(holder), now=0.0), "me", now=0.0) == 0.0


def test_times_in_the_lease_decide_nothing() -> None:
    ancient = replace(a_lease(), renewed=NOON - timedelta(days=9), acquired=None)

    assert seconds_until_free(sight(None, ancient, now=50.0), "me", now=50.0) == 8.0


def test_taking_over_counts_a_transition_and_renewing_does_not() -> None:
    taken = claim(a_lease(), "me", TIMES, time=LATER)
    renewed = claim(taken, "me", TIMES, time=LATER + timedelta(seconds=2))

    assert (taken.holder, taken.transitions, taken.acquired) == ("me", 1, LATER)
    assert (renewed.transitions, renewed.acquired) == (1, LATER)
    assert renewed.renewed == LATER + timedelta(seconds=2)


def test_what_is_written_carries_the_version_that_it_was_made_from() -> None:
    assert claim(None, "me", TIMES, time=NOON).resource_version == ""
    assert claim(a_lease(version="7"), "me", TIMES, time=NOON).resource_version == "7"
    assert give_up(a_lease("me", version="8"), time=NOON).resource_version == "8"


@given(st.lists(st.floats(0, 5), max_size=20), st.floats(0, 100))
def test_a_lease_that_is_renewed_in_time_is_never_free(gaps: list[float], start: float) -> None:
    now, seen = start, sight(None, a_lease(version="0"), now=start)
    for version, gap in enumerate(gaps, start=1):
        now += gap
        assert seconds_until_free(seen, "me", now=now) > 0
        seen = sight(seen, a_lease(version=str(version)), now=now)
