"""A server that plays a hostile author's broker: it drips, floods, stays silent, or talks nonsense.

It waits for the client's first words, because a client may refuse one that speaks unasked. What it
says is the same for every protocol; how a protocol's answer begins is up to the caller.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

DRIP_SECONDS = 0.5
FLOOD_BYTES = 400_000_000
CHUNK = 64 * 1024

Act = Callable[[socket.socket, threading.Event], None]
"""Plays on one connection until the server ends, which the event tells, or the client is gone."""


def silent(_connection: socket.socket, ended: threading.Event) -> None:
    """Accept, and never say a word."""
    ended.wait()


def drip(answer: bytes, then: bytes = b"a") -> Act:
    """Say the answer, and then a byte every half second, for ever."""

    def act(connection: socket.socket, ended: threading.Event) -> None:
        connection.recv(CHUNK)
        connection.sendall(answer)
        while not ended.wait(DRIP_SECONDS):
            connection.sendall(then)

    return act


def flood(answer: bytes, then: bytes = b"\0") -> Act:
    """Say the answer, then the same bytes as fast as they are taken, and then stay silent."""
    chunk = then * (CHUNK // len(then))

    def act(connection: socket.socket, ended: threading.Event) -> None:
        connection.recv(CHUNK)
        connection.sendall(answer)
        for _ in range(FLOOD_BYTES // CHUNK):
            connection.sendall(chunk)
        ended.wait()

    return act


def say(answer: bytes) -> Act:
    """Say the answer, and hang up."""

    def act(connection: socket.socket, _ended: threading.Event) -> None:
        connection.recv(CHUNK)
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(CHUNK):
            pass

    return act


@contextmanager
def hostile_server(act: Act, *, address: str = "127.0.0.1") -> Iterator[int]:
    """Play on every connection; yields the port."""
    ended = threading.Event()
    connections: list[socket.socket] = []

    def play(connection: socket.socket) -> None:
        with suppress(OSError), closing(connection):
            act(connection, ended)

    def serve(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connections.append(connection)
                threading.Thread(target=play, args=(connection,), daemon=True).start()

    with socket.create_server((address, 0), backlog=64) as listener:
        serving = threading.Thread(target=serve, args=(listener,), daemon=True)
        serving.start()
        try:
            yield listener.getsockname()[1]
        finally:
            ended.set()
            for one in (listener, *connections):
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
            serving.join(5)
