"""Who is asked next: requests first, turns between logins, and never more than the budget."""

from hypothesis import given
from hypothesis import strategies as st

from workqueuejob.measuring.turns import Demand, Kind, take_turns

counts = st.integers(min_value=0, max_value=30)
demands = st.lists(
    st.builds(
        Demand,
        due=st.tuples(counts, counts, counts, counts),
        room=st.integers(0, 20),
        quarantine_room=st.integers(0, 2),
        entry=st.sampled_from([0.0, 20.0]),
    ),
    max_size=8,
)
tokens = st.floats(-10, 100)
firsts = st.integers(0, 100)

REGULAR = (Kind.REQUESTED, Kind.AT_WORK, Kind.IDLE)


@given(demands, tokens, firsts)
def test_no_login_is_granted_more_than_is_due_or_than_it_has_room_for(
    wanted: list[Demand], budget: float, first: int
) -> None:
    for demand, grant in zip(wanted, take_turns(wanted, tokens=budget, first=first), strict=True):
        assert all(granted <= due for granted, due in zip(grant, demand.due, strict=True))
        assert sum(grant[kind] for kind in REGULAR) <= demand.room
        assert grant[Kind.IN_QUARANTINE] <= demand.quarantine_room


@given(demands, tokens, firsts)
def test_budget_is_overdrawn_by_one_question_at_most(
    wanted: list[Demand], budget: float, first: int
) -> None:
    grants = take_turns(wanted, tokens=budget, first=first)
    spent = sum(
        sum(grant) + (demand.entry if any(grant) else 0.0)
        for demand, grant in zip(wanted, grants, strict=True)
    )
    assert spent <= max(budget, 0.0) + 21.0


@given(demands, tokens, firsts)
def test_no_regular_question_while_a_request_that_has_room_waits(
    wanted: list[Demand], budget: float, first: int
) -> None:
    grants = take_turns(wanted, tokens=budget, first=first)
    waits = any(
        grant[Kind.REQUESTED] < min(demand.due[Kind.REQUESTED], demand.room)
        for demand, grant in zip(wanted, grants, strict=True)
    )
    assert not waits or all(sum(grant[1:]) == 0 for grant in grants)


@given(demands, tokens, firsts)
def test_logins_that_want_the_same_differ_by_one_question_at_most(
    wanted: list[Demand], budget: float, first: int
) -> None:
    greedy = [Demand((0, 0, 30, 0), 20, 0) for _ in wanted]
    granted = [grant[Kind.IDLE] for grant in take_turns(greedy, tokens=budget, first=first)]
    assert not granted or max(granted) - min(granted) <= 1


def test_login_with_one_queue_does_not_wait_for_one_with_a_thousand() -> None:
    large, small = Demand((0, 0, 1000, 0), 1000, 0), Demand((0, 0, 1, 0), 16, 0)
    assert take_turns([large, small], tokens=10) == [(0, 0, 9, 0), (0, 0, 1, 0)]


def test_hung_queues_take_no_room_from_others() -> None:
    assert take_turns([Demand((0, 5, 0, 10), 16, 1)], tokens=100) == [(0, 5, 0, 1)]
