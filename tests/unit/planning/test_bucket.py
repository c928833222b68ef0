"""What a bucket lets through: its rate, what was saved, and nothing for a clock that steps back."""

from hypothesis import given
from hypothesis import strategies as st

from workqueuejob.planning.pacing.bucket import Bucket


@given(st.lists(st.floats(0.0, 3.0), min_size=1, max_size=50))
def test_no_more_is_asked_than_the_rate_and_what_was_saved(pauses: list[float]) -> None:
    bucket, now, taken = Bucket(rate=100, limit=10), 0.0, 0
    for pause in pauses:
        now += pause
        while bucket.fill(now) > 0:
            bucket.take(1)
            taken += 1
    assert taken <= 10 + now * 100 + 1


def test_clock_that_steps_back_earns_nothing() -> None:
    bucket = Bucket(rate=100, limit=10)
    bucket.fill(100)
    bucket.take(10)
    assert bucket.fill(50) == 0


def test_token_that_was_not_used_can_be_used_again() -> None:
    bucket = Bucket(rate=100, limit=1)
    bucket.fill(0.0)
    bucket.take()
    assert bucket.seconds_until_one() == 0.01
    bucket.give_back()
    bucket.give_back()
    assert bucket.fill(0.0) == 1
