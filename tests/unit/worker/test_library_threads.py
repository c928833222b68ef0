"""`Worker.run` with several items in hand, and `AsyncWorker`, as processes of their own."""

import signal
import textwrap
from pathlib import Path

import pytest

from tests.unit.worker.processes import Ended, WorkerProcess, eventually
from workqueuejob.contract.exit_codes import STOPPED_EARLY
from workqueuejob.contract.report import ItemCounts

ITEMS = [f"item-{number}" for number in range(8)]

THREADS = """
    import os, pathlib, sys, threading, time
    from workqueuejob.errors import SettingsInvalid
    folder = pathlib.Path({folder!r})
    def wait_for(condition):
        ends = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < ends
            time.sleep(0.01)
    def mark(name, item):
        (folder / (name + "-" + item.text)).touch()
    def count(name):
        return len(list(folder.glob(name + "-*")))
    def work(item):
        {work}
    worker.run(work)
"""
TASKS = """
    import asyncio, pathlib, sys, threading, time
    from workqueuejob.errors import SettingsInvalid
    from workqueuejob.worker import AsyncWorker
    folder = pathlib.Path({folder!r})
    async def wait_for(condition):
        ends = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < ends
            await asyncio.sleep(0.01)
    def mark(name, item):
        (folder / (name + "-" + item.text)).touch()
    def count(name):
        return len(list(folder.glob(name + "-*")))
    async def work(item):
        {work}
    async def main():
        async with AsyncWorker(settings, broker=broker) as worker:
            await worker.run(work)
    asyncio.run(main())
"""
KINDS = pytest.mark.parametrize("kind", [THREADS, TASKS], ids=["threads", "tasks"])


def start(
    directory: Path, kind: str, work: str, items: list[str] = ITEMS, **settings: object
) -> WorkerProcess:
    """Start a program whose handler is `work`, in which AWAIT stands for `await` in tasks."""
    work = work.replace("AWAIT ", "await " if kind is TASKS else "")
    work = textwrap.indent(textwrap.dedent(work).strip(), " " * 8).strip()
    loop = textwrap.dedent(kind.format(folder=str(directory), work=work))
    return WorkerProcess(directory, items, loop=loop, **{"concurrency": 4, **settings})  # type: ignore[arg-type] # a test names the options


def run(
    directory: Path, kind: str, work: str, items: list[str] = ITEMS, **settings: object
) -> Ended:
    return start(directory, kind, work, items, **settings).end()


def count(directory: Path, name: str) -> int:
    return len(list(directory.glob(f"{name}-*")))


@KINDS
def test_handler_works_on_as_many_items_at_once_as_asked_for(tmp_path: Path, kind: str) -> None:
    work = """
        mark("began", item); mark("in", item)
        AWAIT wait_for(lambda: count("began") >= 4)
        if count("in") > 4: mark("fifth", item)
        (folder / ("in-" + item.text)).unlink()
    """
    ended = run(tmp_path, kind, work)
    assert (ended.code, ended.left, ended.err) == (0, 0, "")
    assert ended.counts == ItemCounts(succeeded=8)
    assert count(tmp_path, "fifth") == 0


@KINDS
def test_exception_fails_its_item_alone(tmp_path: Path, kind: str) -> None:
    work = 'if item.text == "item-3": raise ValueError("no number")'
    ended = run(tmp_path, kind, work)
    assert (ended.code, ended.letters) == (0, [("item-3", "ValueError: no number")])
    assert ended.counts == ItemCounts(succeeded=7, dead_lettered=1, attempts_failed=1)
    assert "Traceback" in ended.err


@KINDS
def test_handler_may_settle_its_item_itself(tmp_path: Path, kind: str) -> None:
    work = """
        number = int(item.text[-1])
        if number == 1: AWAIT item.fail("odd one")
        elif number == 2: AWAIT item.ack()
        else: AWAIT item.extend()
    """
    ended = run(tmp_path, kind, work)
    assert ended.letters == [("item-1", "odd one")]
    assert ended.counts == ItemCounts(succeeded=7, dead_lettered=1, attempts_failed=1)


@KINDS
def test_quota_is_never_exceeded(tmp_path: Path, kind: str) -> None:
    ended = run(tmp_path, kind, 'mark("began", item)', quota=6)
    assert (ended.code, ended.left, count(tmp_path, "began")) == (0, 2, 6)


@KINDS
def test_stop_lets_the_items_in_hand_end(tmp_path: Path, kind: str) -> None:
    work = 'mark("began", item); AWAIT wait_for((folder / "go").exists)'
    worker = start(tmp_path, kind, work)
    eventually(lambda: count(tmp_path, "began") == 4)
    worker.signal()
    eventually(lambda: '"stopping":true' in worker.message.read_text())
    (tmp_path / "go").touch()
    ended = worker.end()
    assert (ended.code, ended.left) == (STOPPED_EARLY, 4)
    assert ended.counts == ItemCounts(succeeded=4)


@KINDS
def test_end_of_the_grace_gives_all_items_back(tmp_path: Path, kind: str) -> None:
    work = 'mark("began", item); AWAIT wait_for((folder / "go").exists)'
    worker = start(tmp_path, kind, work, grace_seconds=2)
    eventually(lambda: count(tmp_path, "began") == 4)
    worker.signal()
    ended = worker.end()
    assert (ended.code, ended.left) == (STOPPED_EARLY, 8)
    assert ended.counts == ItemCounts(released=4)


@KINDS
def test_error_of_the_worker_ends_it_after_the_other_items(tmp_path: Path, kind: str) -> None:
    work = """
        mark("began", item)
        AWAIT wait_for(lambda: count("began") >= 4)
        if item.text == "item-0": raise SettingsInvalid("set something")
        time.sleep(0.2); mark("done", item)
    """
    ended = run(tmp_path, kind, work)
    assert (ended.code, count(tmp_path, "done"), ended.left) == (1, 3, 5)
    assert ended.counts == ItemCounts(succeeded=3, released=1)
    assert "set something" in ended.message


def test_thread_that_outlasts_its_items_limit_ends_the_worker(tmp_path: Path) -> None:
    # The others that are in hand are done first, and no more are taken.
    work = """
        mark("began", item)
        wait_for(lambda: count("began") >= 4)
        if item.text == "item-0": time.sleep(3600)
        time.sleep(1.5); mark("done", item)
    """
    worker = start(tmp_path, THREADS, work, item_timeout_seconds=2, concurrency=4)
    ended = worker.end()
    assert (ended.code, count(tmp_path, "began"), count(tmp_path, "done")) == (STOPPED_EARLY, 7, 6)
    assert ended.letters == [("item-0", "timed out after 2 s")]
    assert "a thread can't be ended" in ended.message


def test_task_that_outlasts_its_items_limit_is_cancelled_alone(tmp_path: Path) -> None:
    work = 'await asyncio.sleep(3600 if item.text == "item-0" else 0)'
    ended = run(tmp_path, TASKS, work, item_timeout_seconds=1)
    assert (ended.code, ended.letters) == (0, [("item-0", "timed out after 1 s")])
    assert ended.counts == ItemCounts(succeeded=7, dead_lettered=1, attempts_failed=1)


@KINDS
def test_handler_that_blocks_keeps_the_leases_of_all_items(tmp_path: Path, kind: str) -> None:
    # In tasks the event loop stands still for three leases.
    work = 'mark("began", item); time.sleep(1.2)'
    ended = run(tmp_path, kind, work, ITEMS[:4], lease_seconds=0.4)
    assert ended.counts == ItemCounts(succeeded=4)
    assert count(tmp_path, "began") == 4


def test_cancelled_run_gives_its_items_back(tmp_path: Path) -> None:
    loop = f"""
    import asyncio, pathlib
    from workqueuejob.worker import AsyncWorker
    folder = pathlib.Path({str(tmp_path)!r})
    async def work(item):
        (folder / ("began-" + item.text)).touch()
        await asyncio.sleep(3600)
    async def main():
        async with AsyncWorker(settings, broker=broker) as worker:
            running = asyncio.create_task(worker.run(work))
            while len(list(folder.glob("began-*"))) < 4:
                await asyncio.sleep(0.01)
            running.cancel()
            try:
                await running
            except asyncio.CancelledError:
                print("cancelled")
    asyncio.run(main())
    """
    worker = WorkerProcess(tmp_path, ITEMS, loop=textwrap.dedent(loop), concurrency=4)
    ended = worker.end()
    assert (ended.code, ended.out, ended.left) == (0, "cancelled\n", 8)
    assert ended.counts == ItemCounts(released=4)


def test_items_come_one_at_a_time_in_a_loop(tmp_path: Path) -> None:
    loop = """
    import asyncio
    from workqueuejob.worker import AsyncWorker
    async def main():
        async for item in AsyncWorker(settings, broker=broker):
            if item.text == "item-1":
                await item.fail("no")
            elif item.text == "item-2":
                async with item:
                    raise ValueError("bad")
            print(item.text, item.attempt)
    asyncio.run(main())
    """
    ended = WorkerProcess(tmp_path, ITEMS, loop=textwrap.dedent(loop), concurrency=4).end()
    assert ended.out.splitlines() == [f"{item} 1" for item in ITEMS]
    assert sorted(ended.letters) == [("item-1", "no"), ("item-2", "ValueError: bad")]
    assert (ended.code, ended.counts.succeeded) == (0, 6)


def test_handler_that_is_no_coroutine_function_is_refused(tmp_path: Path) -> None:
    loop = """
    import asyncio
    from workqueuejob.worker import AsyncWorker
    asyncio.run(AsyncWorker(settings, broker=broker).run(print))
    """
    ended = WorkerProcess(tmp_path, ITEMS, loop=textwrap.dedent(loop)).end()
    assert (ended.code, ended.left) == (1, 8)
    assert "write it with async def" in ended.err


def test_killed_program_says_how_many_items_it_had_in_hand(tmp_path: Path) -> None:
    worker = start(tmp_path, THREADS, 'mark("began", item); time.sleep(3600)')
    eventually(lambda: count(tmp_path, "began") == 4)
    worker.signal(signal.SIGKILL)
    worker.process.wait()
    assert '"held":4' in worker.message.read_text()
