"""The Lease's thread: what it does while the loop that works stalls, and when it ends the process.

`tests/crd/test_replicas.py` has whole processes of the operator stall before a real API server.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

import pytest

from dev.servers.ports import find_free_ports
from tests.unit.leadership.fake_lease import FakeLease
from workqueuejob.controller.lease_thread import LeaseThread, Questions
from workqueuejob.controller.pulse import Pulse
from workqueuejob.controller.settings import Settings
from workqueuejob.errors import NotLeading
from workqueuejob.leadership.election import LeaseStore

QUESTIONS = Questions(find_hanging=lambda: None, is_watching=lambda: True, count_by_reason=list)


@dataclass
class Ends:
    """When and why the process would have ended."""

    times: list[float] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def __call__(self, event: str, *, error: str) -> None:
        self.times.append(time.monotonic())
        self.messages.append(f"{event}: {error}")


def a_thread(
    store: FakeLease, ends: Ends, *, port: int | None = None, silence_seconds: float = 30.0
) -> tuple[LeaseThread, Pulse]:
    @asynccontextmanager
    async def open_leases(_: Settings) -> AsyncIterator[LeaseStore]:
        yield store

    settings = Settings(identity="first", http_port=port or find_free_ports(1)[0])
    pulse = Pulse()
    thread = LeaseThread(
        settings,
        pulse,
        longest_silence_seconds=silence_seconds,
        open_leases=open_leases,
        end=ends,
    )
    return thread, pulse


@asynccontextmanager
async def beating(pulse: Pulse) -> AsyncIterator[None]:
    task = asyncio.create_task(pulse.beat())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_lease_that_passes_to_another_ends_the_process_although_the_loop_stalls() -> None:
    store, ends = FakeLease(), Ends()
    thread, pulse = a_thread(store, ends)
    async with beating(pulse), thread.running(QUESTIONS):
        await asyncio.wait_for(thread.wait_until_leading(), 10)
        thread.require()
        assert store.lease is not None
        store.lease = replace(store.lease, holder="second", resource_version="99")

        deadline = time.monotonic() + 20
        while not ends.times and time.monotonic() < deadline:
            time.sleep(0.05)  # noqa: ASYNC251 - the loop stalls
        assert ends.messages[0].startswith("leadership lost, process ends: the Lease of first")
        with pytest.raises(NotLeading):
            thread.require()


async def test_loop_that_stalls_for_too_long_ends_the_process() -> None:
    ends = Ends()
    thread, pulse = a_thread(FakeLease(), ends, silence_seconds=2.0)
    async with beating(pulse), thread.running(QUESTIONS):
        await asyncio.wait_for(thread.wait_until_leading(), 10)
        stalled_at = time.monotonic()
        while not ends.times and time.monotonic() < stalled_at + 20:
            time.sleep(0.05)  # noqa: ASYNC251 - the loop stalls
    assert ends.times[0] - stalled_at >= 1.0
    assert ends.messages[0] == (
        "the event loop stalls, process ends: a step of the event loop has not ended for 2 s"
    )


async def test_loop_that_goes_on_keeps_its_process() -> None:
    ends = Ends()
    thread, pulse = a_thread(FakeLease(), ends, silence_seconds=2.0)
    async with beating(pulse), thread.running(QUESTIONS):
        before = pulse.beats
        while pulse.beats < before + 4:
            await asyncio.sleep(0.05)
    assert ends.messages == []


async def test_clean_end_gives_the_lease_up() -> None:
    store, ends = FakeLease(), Ends()
    thread, pulse = a_thread(store, ends)
    async with beating(pulse), thread.running(QUESTIONS):
        await asyncio.wait_for(thread.wait_until_leading(), 10)
        await thread.release()
        assert store.holder == ""
        with pytest.raises(NotLeading):
            thread.require()
    assert ends.messages == []


async def test_port_that_is_taken_ends_the_start() -> None:
    (port,) = find_free_ports(1)
    server = await asyncio.start_server(lambda *_: None, port=port)
    thread, _ = a_thread(FakeLease(), Ends(), port=port)
    async with server:
        with pytest.raises(OSError, match=str(port)):
            async with thread.running(QUESTIONS):
                pass


async def test_bug_in_the_thread_ends_the_process() -> None:
    class Broken(FakeLease):
        async def read(self) -> None:
            raise RuntimeError("a bug")

    ends = Ends()
    thread, pulse = a_thread(Broken(), ends)
    async with beating(pulse):
        with suppress(RuntimeError):  # its loop is closed by then
            async with thread.running(QUESTIONS):
                while not ends.messages:
                    await asyncio.sleep(0.01)
    assert ends.messages[0].startswith("the Lease's thread failed, process ends")


HELD_LOG = """
import logging, threading, time
from workqueuejob.controller.lease_thread import end_process
from workqueuejob.controller.logs import LogFormat, configure_logs

configure_logs(log_format=LogFormat.JSON, level="info")
logging.getLogger().handlers[0].acquire()
threading.Thread(target=end_process, args=("x",), kwargs={"error": "y"}).start()
time.sleep(60)
"""


def test_process_ends_even_if_its_log_hangs() -> None:
    ended = subprocess.run([sys.executable, "-c", HELD_LOG], check=False, timeout=100)

    assert ended.returncode == 1
