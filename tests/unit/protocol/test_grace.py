"""A probe's grace is over before a worker gives its item back, and a deadline is told by age."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workqueuejob.protocol.grace import is_deadline, patience_seconds, probe_grace_seconds


@given(st.integers(6, 86_400))
def test_probe_kills_before_a_worker_gives_its_item_back(grace_seconds: int) -> None:
    assert 1 <= probe_grace_seconds(grace_seconds) <= patience_seconds(grace_seconds) - 2


@pytest.mark.parametrize(("grace", "patience", "of_probe"), [(30, 25, 23), (8, 4, 2), (1, 0.5, 1)])
def test_grace_is_shared_out(grace: int, patience: float, of_probe: int) -> None:
    assert (patience_seconds(grace), probe_grace_seconds(grace)) == (patience, of_probe)


@pytest.mark.parametrize(
    ("age", "deadline", "expected"),
    [(600.0, 600, True), (545.0, 600, True), (300.0, 600, False), (1e6, None, False)],
)
def test_stop_shortly_before_the_deadline_is_the_deadline(
    age: float, deadline: int | None, *, expected: bool
) -> None:
    assert is_deadline(age, deadline) is expected
