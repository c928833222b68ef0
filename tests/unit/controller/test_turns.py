"""However many actors are ready at once, others get between them."""

import asyncio
from itertools import pairwise

from workqueuejob.controller.turns import Turns


async def test_others_run_between_two_turns() -> None:
    turns = Turns()
    seen: list[str] = []

    async def act(number: int) -> None:
        await turns.take()
        seen.append(str(number))

    async def renew() -> None:
        while len(seen) < 12:
            seen.append("renewed")
            await asyncio.sleep(0)

    await asyncio.gather(renew(), *(act(number) for number in range(5)))

    turns_taken = [index for index, who in enumerate(seen) if who != "renewed"]
    assert [seen[index] for index in turns_taken] == ["0", "1", "2", "3", "4"]
    assert all(after - before > 1 for before, after in pairwise(turns_taken))


async def test_one_that_has_stopped_waiting_holds_up_nobody() -> None:
    turns = Turns()
    first = asyncio.create_task(turns.take())
    second = asyncio.create_task(turns.take())
    await asyncio.sleep(0)
    first.cancel()

    async with asyncio.timeout(5):
        await second
        await turns.take()
