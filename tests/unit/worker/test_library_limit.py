"""The time limit of an item in the library's loop, in processes of their own."""

from pathlib import Path

import pytest

from tests.unit.worker.processes import Ended, WorkerProcess
from workqueuejob.contract import exit_codes
from workqueuejob.contract.report import ItemCounts

TIMED_OUT = "timed out after 1 s"
SLOW_AND_QUICK = ["slow", "quick"]

WORK = """
import time
def work(item):
    if item.text == "slow":
        time.sleep(60)
"""
IN_A_LOOP = (
    WORK
    + """
for item in worker:
    with item:
        work(item)
"""
)
WITH_RUN = (
    WORK
    + """
worker.run(work)
"""
)
WITH_RETRIES_OF_ITS_OWN = """
import time
def work(item):
    while item.text == "slow":
        try:
            time.sleep(60)
        except Exception:
            pass
worker.run(work)
"""
THAT_SWALLOWS_ALL = """
import time
def work(item):
    while item.text == "slow":
        try:
            time.sleep(60)
        except BaseException:
            pass
worker.run(work)
"""
WITHOUT_WITH = (
    WORK
    + """
for item in worker:
    work(item)
"""
)
IN_A_THREAD = """
import threading, time
ended = []
def work():
    try:
        for item in worker:
            with item:
                while not item.is_settled:
                    time.sleep(0.01)
    except SystemExit as error:
        ended.append(error.code)
thread = threading.Thread(target=work)
thread.start()
thread.join()
print(ended)
"""
ON_ASYNCIO = """
import asyncio
from workqueuejob.worker import AsyncWorker
async def main():
    async for item in AsyncWorker(settings, broker=broker):
        async with item:
            if item.text == "slow":
                await asyncio.sleep(60)
asyncio.run(main())
"""
ON_ASYNCIO_WITH_BOTH = """
import asyncio
from workqueuejob.worker import AsyncWorker
async def work(item):
    async with item:
        if item.text == "slow":
            await asyncio.sleep(60)
asyncio.run(AsyncWorker(settings, broker=broker).run(work))
"""


def run(directory: Path, loop: str) -> Ended:
    return WorkerProcess(directory, SLOW_AND_QUICK, loop=loop, item_timeout_seconds=1).end()


@pytest.mark.parametrize(
    "loop",
    [IN_A_LOOP, WITH_RUN, WITH_RETRIES_OF_ITS_OWN, ON_ASYNCIO, ON_ASYNCIO_WITH_BOTH],
    ids=["loop", "run", "own-retries", "asyncio", "asyncio-both"],
)
def test_item_that_takes_too_long_fails_and_the_loop_goes_on(tmp_path: Path, loop: str) -> None:
    ended = run(tmp_path, loop)
    assert (ended.code, ended.letters) == (exit_codes.DONE, [("slow", TIMED_OUT)])
    assert ended.counts == ItemCounts(succeeded=1, dead_lettered=1, attempts_failed=1)


def test_work_that_ignores_the_limit_ends_with_its_process(tmp_path: Path) -> None:
    ended = run(tmp_path, THAT_SWALLOWS_ALL)
    # The rest is in no report, because the process that has the queue in memory is gone.
    assert ended.code == exit_codes.STOPPED_EARLY
    assert ended.counts == ItemCounts(dead_lettered=1, attempts_failed=1)
    assert "a thread can't be ended" in ended.message


def test_loop_that_lets_the_limit_through_ends_with_its_program(tmp_path: Path) -> None:
    ended = run(tmp_path, WITHOUT_WITH)
    assert (ended.code, ended.letters) == (1, [("slow", TIMED_OUT)])
    assert "TimedOut: timed out after 1 s" in ended.err


def test_loop_in_another_thread_takes_no_more_after_the_limit(tmp_path: Path) -> None:
    ended = run(tmp_path, IN_A_THREAD)
    assert (ended.out, ended.letters) == ("[75]\n", [("slow", TIMED_OUT)])
    assert (ended.counts.dead_lettered, ended.counts.succeeded, ended.left) == (1, 0, 1)
