import pytest

from workqueuejob.brokers.rabbitmq.names import CHOSEN_DELAYS_SECONDS, round_up_delay
from workqueuejob.contract.retry import DELAY_MAX_SECONDS


@pytest.mark.parametrize(
    ("asked", "rests"), [(1, 1), (7, 8), (60, 60), (61, 75), (3600, 3600), (86_400, 86_400)]
)
def test_chosen_delay_is_rounded_up(asked: int, rests: int) -> None:
    assert round_up_delay(asked) == rests


def test_every_delay_is_at_most_a_third_too_long() -> None:
    for asked in range(1, DELAY_MAX_SECONDS + 1):
        assert asked <= round_up_delay(asked) <= asked * 4 / 3


def test_there_are_few_chosen_delays() -> None:
    assert len(CHOSEN_DELAYS_SECONDS) < 50
