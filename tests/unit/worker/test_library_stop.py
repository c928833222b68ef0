"""How a user's program learns of a stop, in processes of their own."""

import signal
from pathlib import Path

import pytest

from tests.unit.worker.processes import WorkerProcess, eventually
from workqueuejob.contract.report import ItemCounts

CHECKPOINTS = """
import pathlib, time
begun = pathlib.Path({begun!r})
told = []
worker.on_stop(lambda: told.append(1 / 0))
worker.on_stop(lambda: told.append(worker.stopping))
for item in worker:
    with item:
        print(worker.stopping, worker.stop_seconds_left)
        begun.touch()
        while not (worker.stopping and told):
            time.sleep(0.01)
        print(told, 20 < worker.stop_seconds_left <= 25, flush=True)
        {end}
"""
IN_THREADS = """
import pathlib, time
begun = pathlib.Path({begun!r})
def work(item):
    begun.touch()
    while not worker.stopping:
        time.sleep(0.01)
    {end}
worker.run(work)
"""
ON_ASYNCIO = """
import asyncio, pathlib
from workqueuejob.worker import AsyncWorker
begun = pathlib.Path({begun!r})
async def main():
    stopped = asyncio.Event()
    worker = AsyncWorker(settings, broker=broker)
    worker.on_stop(stopped.set)
    async def work(item):
        begun.touch()
        await stopped.wait()
        assert worker.stopping
        {end}
    await worker.run(work)
asyncio.run(main())
"""


def stop(directory: Path, loop: str, end: str, *items: str) -> WorkerProcess:
    begun = directory / "begun"
    process = WorkerProcess(
        directory,
        list(items),
        loop=loop.format(begun=str(begun), end=end),
        idle_seconds=60,
        concurrency=2 if loop == IN_THREADS else 1,
    )
    eventually(begun.exists)
    process.signal(signal.SIGTERM)
    return process


def test_program_is_told_of_a_stop_while_its_work_goes_on(tmp_path: Path) -> None:
    ended = stop(tmp_path, CHECKPOINTS, "pass", "apple", "fig").end()
    assert ended.out == "False inf\n[True] True\n"
    assert (ended.code, ended.left) == (75, 1)
    assert ended.counts == ItemCounts(succeeded=1)
    assert "ZeroDivisionError" in ended.err


@pytest.mark.parametrize("loop", [CHECKPOINTS, IN_THREADS], ids=["loop", "threads"])
@pytest.mark.parametrize("end", ["item.release()", "raise SystemExit(3)"])
def test_work_that_leaves_because_of_a_stop_is_given_back(
    tmp_path: Path, loop: str, end: str
) -> None:
    ended = stop(tmp_path, loop, end, "apple").end()
    assert (ended.left, ended.letters) == (1, [])
    assert ended.counts == ItemCounts(released=1)


def test_work_that_fails_after_a_stop_has_failed(tmp_path: Path) -> None:
    ended = stop(tmp_path, CHECKPOINTS, "raise ValueError('no number')", "apple").end()
    assert ended.letters == [("apple", "ValueError: no number")]


@pytest.mark.parametrize("end", ["await item.release()", "raise SystemExit(3)"])
def test_task_is_told_of_a_stop(tmp_path: Path, end: str) -> None:
    ended = stop(tmp_path, ON_ASYNCIO, end, "apple").end()
    assert (ended.left, ended.letters) == (1, [])
    assert ended.counts == ItemCounts(released=1)
