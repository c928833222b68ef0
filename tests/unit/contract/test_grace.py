"""What of the grace is the item's, and how a deadline is told by age."""

import pytest

from workqueuejob.contract.grace import is_deadline, patience_seconds


@pytest.mark.parametrize(("grace", "patience"), [(30, 25), (8, 4), (1, 0.5)])
def test_grace_is_shared_out(grace: int, patience: float) -> None:
    assert patience_seconds(grace) == patience


@pytest.mark.parametrize(
    ("age", "deadline", "expected"),
    [(600.0, 600, True), (545.0, 600, True), (300.0, 600, False), (1e6, None, False)],
)
def test_stop_shortly_before_the_deadline_is_the_deadline(
    age: float, deadline: int | None, *, expected: bool
) -> None:
    assert is_deadline(age, deadline) is expected
