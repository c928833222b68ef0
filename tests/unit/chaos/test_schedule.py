"""A schedule of faults follows from its seed, and is bounded."""

from collections import Counter
from itertools import pairwise

import pytest

from tests.chaos.schedule import (
    COMPONENTS,
    EVERYTHING,
    LONG,
    SHORT,
    Card,
    Kind,
    Plan,
    Target,
    build_schedule,
)

SEEDS = range(20)


@pytest.mark.parametrize("plan", [LONG, SHORT], ids=["long", "short"])
def test_same_seed_is_the_same_schedule(plan: Plan) -> None:
    assert build_schedule(7, plan) == build_schedule(7, plan)
    assert build_schedule(7, plan) != build_schedule(8, plan)


@pytest.mark.parametrize("seed", SEEDS)
def test_long_schedule_has_every_way_to_break_everything(seed: int) -> None:
    schedule = build_schedule(seed, LONG)
    assert {Card(fault.kind, fault.target) for fault in schedule} == set(EVERYTHING)
    assert len(schedule) >= 44


@pytest.mark.parametrize("seed", SEEDS)
def test_short_schedule_leaves_node_and_control_plane_alone(seed: int) -> None:
    schedule = build_schedule(seed, SHORT)
    assert not {fault.target for fault in schedule} & COMPONENTS
    assert {fault.kind for fault in schedule} == set(Kind)
    assert len(schedule) >= 10


@pytest.mark.parametrize("seed", SEEDS)
def test_faults_are_in_order_within_the_plans_time(seed: int) -> None:
    schedule = build_schedule(seed, LONG)
    times = [fault.at_seconds for fault in schedule]
    assert times == sorted(times)
    assert times[0] >= 5
    assert times[-1] < 5 + LONG.seconds
    assert all(0 <= fault.choice < 1 for fault in schedule)
    assert max(fault.duration_seconds for fault in schedule) <= 12


@pytest.mark.parametrize("seed", SEEDS)
def test_target_rests_after_a_fault(seed: int) -> None:
    schedule = build_schedule(seed, LONG)
    for target in Target:
        own = [fault for fault in schedule if fault.target is target]
        for earlier, later in pairwise(own):
            assert later.at_seconds >= earlier.until_seconds + LONG.rest_seconds


def test_only_what_has_to_be_mended_lasts() -> None:
    for fault in build_schedule(3, LONG):
        lasts = fault.kind is Kind.FREEZE or (
            fault.kind is Kind.KILL and fault.target in COMPONENTS
        )
        assert (fault.duration_seconds > 0) == lasts


def test_every_card_is_dealt_before_one_comes_again() -> None:
    dealt = Counter((fault.kind, fault.target) for fault in build_schedule(5, LONG))
    assert max(dealt.values()) - min(dealt.values()) <= 2
