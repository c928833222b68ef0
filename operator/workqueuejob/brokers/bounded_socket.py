"""Sockets that give an answer so many seconds and so many bytes, however it arrives.

Clients' own timeouts are for one read each, so a server that sends a byte every few seconds would
hold a call for ever, and one that never ends would fill the memory. Here each read spends what is
left of the call. Nothing here knows what is read.
"""

import socket
import ssl
import time
from collections.abc import Callable
from typing import Any, TypeVar

from workqueuejob.brokers.connection import Reach
from workqueuejob.brokers.lookup import look_up

T = TypeVar("T")

KIB = 1024
MIB = 1024 * KIB


class AnswerTooSlow(OSError):
    """The other side says something, and does not come to an end in time.

    Not a TimeoutError, which clients replace by their own.
    """

    def __str__(self) -> str:
        return f"no whole answer within {self.args[0]:g} s"


class AnswerTooLong(OSError):
    """The other side says more than any answer to this needs."""

    def __str__(self) -> str:
        most = self.args[0]
        size = f"{most / MIB:g} MiB" if most >= MIB else f"{most / KIB:g} KiB"
        return f"more than {size} for an answer"


UNBOUNDED = (AnswerTooSlow, AnswerTooLong)


class Bounds:
    """What is left of a call's seconds and bytes; used by one thread."""

    def __init__(self, *, seconds: float, most_bytes: int) -> None:
        """Begin the first call."""
        self._seconds = seconds
        self._most_bytes = most_bytes
        self.begin()

    def within(self, seconds: float) -> "Bounds":
        """Return bounds for calls of so many seconds, and as many bytes."""
        return Bounds(seconds=seconds, most_bytes=self._most_bytes)

    def begin(self) -> None:
        """Begin a call: it has all of the seconds and bytes."""
        self._ends_at = time.monotonic() + self._seconds
        self._received = 0

    @property
    def seconds_left(self) -> float:
        """How long the call may still take; raises once it is over."""
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise self.build_overdue()
        return left

    def count(self, received: int) -> None:
        """Take bytes into account; raises AnswerTooLong."""
        self._received += received
        if self._received > self._most_bytes:
            raise AnswerTooLong(self._most_bytes)

    def build_overdue(self) -> OSError:
        """Return the error of a call that took too long: silence is another one than a drip."""
        return AnswerTooSlow(self._seconds) if self._received else TimeoutError("timed out")


class BoundedSocket(socket.socket):
    """A TCP socket under bounds."""

    bounds: Bounds | None = None

    def recv(self, *arguments: Any) -> bytes:
        """Receive as a socket does; raises AnswerTooSlow or AnswerTooLong."""
        return _receive(self, lambda: super(BoundedSocket, self).recv(*arguments), len)

    def recv_into(self, *arguments: Any) -> int:
        """Receive as a socket does; raises AnswerTooSlow or AnswerTooLong."""
        return _receive(self, lambda: super(BoundedSocket, self).recv_into(*arguments), int)


class BoundedTLSSocket(ssl.SSLSocket):
    """A TLS socket under bounds, which begin when its handshake is over.

    The handshake itself is bound by the socket's timeout as a whole.
    """

    bounds: Bounds | None = None

    def recv(self, *arguments: Any) -> bytes:
        """Receive as a socket does; raises AnswerTooSlow or AnswerTooLong."""
        return _receive(self, lambda: super(BoundedTLSSocket, self).recv(*arguments), len)

    def recv_into(self, *arguments: Any) -> int:
        """Receive as a socket does; raises AnswerTooSlow or AnswerTooLong."""
        return _receive(self, lambda: super(BoundedTLSSocket, self).recv_into(*arguments), int)


def open_socket(
    host: str, port: int, *, bounds: Bounds, connect_timeout_seconds: float, reach: Reach | None
) -> BoundedSocket:
    """Connect to the first of a host's addresses that takes it; raises what the last one did.

    connect_timeout_seconds: for one address; all of them share the bounds' seconds.
    reach: which addresses may be connected to; None: all.
    Raises HostNotAllowed if none of them may be.
    """
    failure: OSError = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in look_up(host, port, reach):
        opened = BoundedSocket(family, kind, protocol)
        try:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.settimeout(min(connect_timeout_seconds, bounds.seconds_left))
            opened.connect(address)
            opened.settimeout(bounds.seconds_left)
        except OSError as error:
            opened.close()
            failure = error
        else:
            opened.bounds = bounds
            return opened
    raise failure


def bind_tls(context: ssl.SSLContext) -> ssl.SSLContext:
    """Let a context make sockets that can be bound."""
    context.sslsocket_class = BoundedTLSSocket
    return context


def _receive(
    bounded: BoundedSocket | BoundedTLSSocket, receive: Callable[[], T], size: Callable[[T], int]
) -> T:
    bounds, timeout = bounded.bounds, bounded.gettimeout()
    if bounds is None or timeout == 0:
        return receive()
    left = bounds.seconds_left
    is_last = timeout is None or left <= timeout
    bounded.settimeout(left if is_last else timeout)
    try:
        received = receive()
    except TimeoutError:
        if is_last:
            raise bounds.build_overdue() from None
        raise
    finally:
        bounded.settimeout(timeout)
    bounds.count(size(received))
    return received
