"""What of the grace is the item's, and how a deadline is told by age."""

import pytest

from workqueuejob.contract.grace import find_stop_seconds, is_deadline, patience_seconds


@pytest.mark.parametrize(("grace", "patience"), [(30, 25), (8, 4), (1, 0.5)])
def test_grace_is_shared_out(grace: int, patience: float) -> None:
    assert patience_seconds(grace) == patience


def test_command_has_less_time_after_a_later_signal() -> None:
    assert find_stop_seconds(30, "AtOnce") == 25
    assert find_stop_seconds(30, "AtEndOfGrace") == 2


@pytest.mark.parametrize(
    ("age", "deadline", "expected"),
    [(600.0, 600, True), (545.0, 600, True), (300.0, 600, False), (1e6, None, False)],
)
def test_stop_shortly_before_the_deadline_is_the_deadline(
    age: float, deadline: int | None, *, expected: bool
) -> None:
    assert is_deadline(age, deadline) is expected
