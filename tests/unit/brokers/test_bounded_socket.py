"""A call's seconds and bytes, spent over all of its reads."""

import socket
import time
from collections.abc import Callable

import pytest

from tests.hostile_server import drip, flood, hostile_server, say, silent
from workqueuejob.brokers.bounded_socket import (
    AnswerTooLong,
    AnswerTooSlow,
    BoundedSocket,
    Bounds,
    open_socket,
)

SECONDS = 1.2
LIMIT = 100_000


def connected(port: int, bounds: Bounds) -> BoundedSocket:
    opened = open_socket("127.0.0.1", port, bounds=bounds, connect_timeout_seconds=1.0, reach=None)
    opened.sendall(b"?")
    return opened


@pytest.fixture
def bounds() -> Bounds:
    return Bounds(seconds=SECONDS, most_bytes=LIMIT)


def read_all(opened: BoundedSocket) -> int:
    received = 0
    while data := opened.recv(4096):
        received += len(data)
    return received


def test_drip_ends_with_the_call_however_short_each_wait_is(bounds: Bounds) -> None:
    with hostile_server(drip(b"a")) as port, connected(port, bounds) as opened:
        began = time.monotonic()
        with pytest.raises(AnswerTooSlow, match=r"no whole answer within 1\.2 s"):
            read_all(opened)
        assert time.monotonic() - began < 2 * SECONDS


def test_silence_is_a_timeout(bounds: Bounds) -> None:
    with (
        hostile_server(silent) as port,
        connected(port, bounds) as opened,
        pytest.raises(TimeoutError),
    ):
        read_all(opened)


def read_buffered(opened: BoundedSocket) -> None:
    opened.makefile("rb").read()


@pytest.mark.parametrize("read", [read_all, read_buffered])
def test_flood_ends_at_the_limit(bounds: Bounds, read: Callable[[BoundedSocket], object]) -> None:
    with (
        hostile_server(flood(b"")) as port,
        connected(port, bounds) as opened,
        pytest.raises(AnswerTooLong, match="for an answer"),
    ):
        read(opened)


def test_each_call_has_all_of_it_again(bounds: Bounds) -> None:
    with hostile_server(say(b"x" * LIMIT)) as port, connected(port, bounds) as opened:
        assert read_all(opened) == LIMIT
        with pytest.raises(AnswerTooLong):
            bounds.count(1)
        bounds.begin()
        bounds.count(LIMIT)


def test_own_timeout_that_is_shorter_still_counts(bounds: Bounds) -> None:
    with hostile_server(silent) as port, connected(port, bounds) as opened:
        opened.settimeout(0.05)
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            opened.recv(1)
        assert time.monotonic() - began < SECONDS


def test_socket_that_is_looked_at_only_does_not_wait(bounds: Bounds) -> None:
    with hostile_server(silent) as port, connected(port, bounds) as opened:
        opened.setblocking(False)
        with pytest.raises(BlockingIOError):
            opened.recv(1)


def test_connecting_ends_with_the_call_too() -> None:
    spent = Bounds(seconds=0.0, most_bytes=LIMIT)
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(TimeoutError):
        connected(server.getsockname()[1], spent)
