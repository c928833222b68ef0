import pytest

from workqueuejob.contract.retry import RetrySettings

RETRY = RetrySettings(max_attempts=3, max_lost_attempts=2, initial_delay_seconds=10)


@pytest.mark.parametrize(
    ("failed", "lost", "is_exhausted"),
    [(0, 0, False), (2, 1, False), (3, 0, True), (0, 2, True), (4, 5, True)],
)
def test_either_limit_puts_an_item_aside(failed: int, lost: int, is_exhausted: bool) -> None:
    assert RETRY.is_exhausted(failed=failed, lost=lost) is is_exhausted


def test_delay_is_that_of_the_settings_unless_the_work_asks_for_one() -> None:
    assert RETRY.choose_delay_seconds(2, None) == 20
    assert RETRY.choose_delay_seconds(2, 0) == 0
    assert RETRY.choose_delay_seconds(2, 0.1) == 1
    assert RETRY.choose_delay_seconds(2, 86_400) == 86_400


@pytest.mark.parametrize("asked", [-1, 86_401, float("nan"), float("inf")])
def test_delay_that_no_item_may_have_is_refused(asked: float) -> None:
    with pytest.raises(ValueError, match="must be from 0 to 86400"):
        RETRY.choose_delay_seconds(1, asked)
