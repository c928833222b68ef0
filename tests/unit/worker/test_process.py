import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from workqueuejob.worker.output import LINE_MAX_BYTES, Stream
from workqueuejob.worker.poller import Poller
from workqueuejob.worker.process import Processes


@contextmanager
def handlers_kept(number: int) -> Iterator[None]:
    before = signal.getsignal(number)
    try:
        yield
    finally:
        signal.signal(number, before)


def test_end_of_a_command_is_noticed_without_process_descriptors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_pid: int) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", refuse)
    poller = Poller()
    processes = Processes(poller)
    with handlers_kept(signal.SIGCHLD):
        for _ in range(3):
            began = time.monotonic()
            process = processes.start(b"/bin/sh", [b"sh", b"-c", b"sleep 0.1; exit 3"], {}, ())
            while (code := processes.poll(process)) is None:
                poller.wait(10)
            assert (code, processes.running) == (3, [])
            assert time.monotonic() - began < 5
    poller.close()


def test_ring_before_falling_asleep_is_not_missed() -> None:
    poller = Poller()
    poller.wake()
    began = time.monotonic()
    assert poller.wait(10) == []
    assert time.monotonic() - began < 1
    poller.close()


def test_rings_that_nobody_hears_block_nobody() -> None:
    poller = Poller()
    for _ in range(100_000):
        poller.wake()
    poller.wait(0)
    poller.close()


def test_signal_without_a_command_goes_nowhere() -> None:
    poller = Poller()
    Processes(poller).signal(signal.SIGTERM)
    poller.close()


def test_line_without_an_end_is_passed_on_in_pieces() -> None:
    target = os.memfd_create("target")
    stream = Stream(target, b"[1] ")
    for _ in range(2 * LINE_MAX_BYTES // 2**15):
        os.write(stream.writing, b"x" * 2**15)
        assert stream.pump()
    stream.drain()
    text = os.pread(target, 3 * LINE_MAX_BYTES, 0)
    assert text.count(b"x") == 2 * LINE_MAX_BYTES
    assert text.count(b"[1] ") in {2, 3}
    for descriptor in (target, stream.reading, stream.writing):
        os.close(descriptor)


@pytest.mark.parametrize(
    ("chunks", "shown"),
    [
        ((b"10%\r50%\r",), b"[1] 10%\n[1] 50%\n"),
        ((b"done\r\n", b"more\n"), b"[1] done\n[1] more\n"),
        ((b"done\r", b"\nmore\n"), b"[1] done\n[1] more\n"),
        ((b"a\n\nb",), b"[1] a\n[1] \n"),
    ],
)
def test_line_ends_with_a_line_feed_or_a_carriage_return(
    chunks: tuple[bytes, ...], shown: bytes
) -> None:
    target = os.memfd_create("target")
    stream = Stream(target, b"[1] ")
    for chunk in chunks:
        os.write(stream.writing, chunk)
        assert stream.pump()
    assert os.pread(target, 1000, 0) == shown
    for descriptor in (target, stream.reading, stream.writing):
        os.close(descriptor)
