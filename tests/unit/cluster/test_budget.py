"""The budget of requests: its pace, its order, and that no turn is lost."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

import pytest

from workqueuejob.cluster.budget import BudgetLimits, RequestBudget, RequestKind, sending
from workqueuejob.errors import ObservationTooOld
from workqueuejob.planning.pacing.urgency import Urgency

SLOW = BudgetLimits(per_second=50.0, burst=1, at_a_time=12)


@dataclass
class Log:
    """Which requests were sent, in their order."""

    names: list[str] = field(default_factory=list)


async def send(
    budget: RequestBudget,
    log: Log,
    name: str,
    urgency: Urgency,
    *,
    kind: RequestKind = RequestKind.OTHER_WRITE,
) -> None:
    with sending(urgency):
        async with budget.place(kind):
            log.names.append(name)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_burst_goes_at_once_and_the_rest_at_a_steady_pace() -> None:
    budget = RequestBudget(BudgetLimits(per_second=100.0, burst=20))
    loop, log = asyncio.get_running_loop(), Log()
    began = loop.time()
    async with asyncio.TaskGroup() as tasks:
        for number in range(60):
            tasks.create_task(send(budget, log, str(number), Urgency.DECISION))
        await settle()
        assert 20 <= len(log.names) <= 21 + 100.0 * (loop.time() - began)
    assert loop.time() - began >= 0.38


async def test_wave_that_is_due_goes_before_reads_and_conditions_that_asked_earlier() -> None:
    budget, log = RequestBudget(SLOW), Log()
    async with asyncio.TaskGroup() as tasks:
        for number in range(6):
            tasks.create_task(
                send(budget, log, f"look{number}", Urgency.OBSERVATION, kind=RequestKind.READ)
            )
        for number in range(6):
            tasks.create_task(send(budget, log, f"show{number}", Urgency.VISIBLE))
        await settle()
        for number in range(3):
            tasks.create_task(send(budget, log, f"wave{number}", Urgency.DECISION))
    # The first token went to who came first. Every fourth request is the oldest.
    assert log.names[:5] == ["look0", "wave0", "wave1", "look1", "wave2"]
    assert sorted(log.names[5:]) == sorted(
        [*(f"look{n}" for n in range(2, 6)), *(f"show{n}" for n in range(6))]
    )


async def test_what_is_not_sent_costs_no_token_and_keeps_its_turn() -> None:
    budget, log = RequestBudget(SLOW), Log()
    refused = 0

    async def refuse() -> None:
        nonlocal refused
        async with budget.place(RequestKind.OTHER_WRITE):
            refused += 1
            raise ObservationTooOld("too old")

    async def write_after_a_refusal() -> None:
        with pytest.raises(ObservationTooOld):
            await refuse()
        # What is read for the new plan does not take the turn.
        await send(budget, log, "read", Urgency.DECISION, kind=RequestKind.READ)
        await send(budget, log, "first", Urgency.VISIBLE)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(send(budget, log, "token", Urgency.VISIBLE))
        tasks.create_task(write_after_a_refusal())
        await settle()
        for number in range(20):
            tasks.create_task(send(budget, log, f"later{number}", Urgency.VISIBLE))
    assert refused == 1
    assert log.names.index("first") < log.names.index("later8")


async def test_slow_writes_hold_up_no_read_and_an_urgent_write_waits_for_one_place() -> None:
    budget, log = RequestBudget(BudgetLimits(at_a_time=2)), Log()
    ended = [asyncio.Event() for _ in range(4)]

    async def write(number: int, urgency: Urgency) -> None:
        with sending(urgency):
            async with budget.place(RequestKind.OTHER_WRITE):
                log.names.append(f"write{number}")
                await ended[number].wait()

    async with asyncio.TaskGroup() as tasks:
        for number, urgency in enumerate([Urgency.VISIBLE] * 3 + [Urgency.DECISION]):
            tasks.create_task(write(number, urgency))
        await settle()
        for name in ("read0", "read1"):
            await send(budget, log, name, Urgency.OBSERVATION, kind=RequestKind.READ)
        ended[0].set()
        await settle()
        assert log.names == ["write0", "write1", "read0", "read1", "write3"]
        for event in ended:
            event.set()


async def test_task_that_is_cancelled_at_its_turn_gives_its_place_back() -> None:
    budget, log = RequestBudget(BudgetLimits(at_a_time=1)), Log()
    for number in range(5):
        waiting = asyncio.create_task(send(budget, log, f"cancelled{number}", Urgency.DECISION))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    async with asyncio.timeout(5):
        await send(budget, log, "next", Urgency.DECISION)
    assert log.names[-1] == "next"


async def test_numbers_go_at_a_pace_of_their_own_and_only_while_nobody_waits() -> None:
    now = 0.0
    budget = RequestBudget(BudgetLimits(numbers_per_second=20.0), clock=lambda: now)
    assert [budget.spare_for_numbers() for _ in range(25)].count(True) == 20
    now += 1.0
    assert budget.spare_for_numbers()

    crowded = RequestBudget(BudgetLimits(at_a_time=1))
    async with crowded.place(RequestKind.OTHER_WRITE):
        waiting = asyncio.create_task(send(crowded, Log(), "waits", Urgency.VISIBLE))
        await settle()
        assert not crowded.spare_for_numbers()
    await waiting
    assert crowded.spare_for_numbers()


async def test_numbers_leave_half_of_the_burst_to_others() -> None:
    budget = RequestBudget(BudgetLimits(per_second=0.001, burst=10, numbers_per_second=100.0))
    for number in range(6):
        await send(budget, Log(), str(number), Urgency.DECISION)
    assert not budget.spare_for_numbers()


async def test_status_that_takes_the_api_server_long_delays_only_other_statuses() -> None:
    budget, log, answer = RequestBudget(), Log(), asyncio.Event()

    async def change_slowly(name: str) -> None:
        async with budget.place(RequestKind.STATUS):
            log.names.append(name)
            await answer.wait()

    async with asyncio.TaskGroup() as tasks:
        for number in range(12):
            tasks.create_task(change_slowly(f"status{number}"))
        await settle()
        tasks.create_task(send(budget, log, "wave", Urgency.NUMBERS))
        tasks.create_task(send(budget, log, "look", Urgency.NUMBERS, kind=RequestKind.READ))
        await settle()
        assert log.names == [*(f"status{number}" for number in range(4)), "wave", "look"]
        answer.set()
    assert len(log.names) == 14


async def test_wait_is_told_by_urgency() -> None:
    waits: Counter[Urgency] = Counter()

    def note(urgency: Urgency, seconds: float) -> None:
        assert seconds >= 0
        waits[urgency] += 1

    budget = RequestBudget(on_wait=note)
    async with budget.place(RequestKind.READ), budget.place(RequestKind.OTHER_WRITE):
        pass
    with sending(Urgency.VISIBLE):
        async with budget.place(RequestKind.OTHER_WRITE):
            pass
    assert waits == {Urgency.OBSERVATION: 1, Urgency.DECISION: 1, Urgency.VISIBLE: 1}
