"""Where a worker's connection is opened: in this process, or for another one that asks.

Started as a program it opens brokers for the process at the other end of stdin and stdout, which
is how the runtime that travels is held to the contract. So it imports nothing but the standard
library and the worker: what else it needed would have to be in the runtime.
"""

import os
import pickle
import socket
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from typing import Any, Protocol, TypeVar

from workqueuejob.brokers.broker import Broker, Delivery
from workqueuejob.brokers.envelope import Envelope
from workqueuejob.errors import WorkQueueJobError

B = TypeVar("B", bound=Broker)


class Place(Protocol):
    """Where brokers are opened and cut off."""

    def open(self, open_broker: Callable[..., B], *arguments: Any, **settings: Any) -> B:
        """Return what `open_broker` returns for the arguments."""
        ...

    def cut(self, broker: Broker) -> None:
        """Let a worker vanish: its connection breaks without a word."""
        ...

    def close(self) -> None:
        """Close what belongs to the place."""
        ...


class Here:
    """This process. A broker that can't be told to vanish has its sockets shut down."""

    def __init__(self) -> None:
        self._sockets: dict[Broker, list[socket.socket]] = {}

    def open(self, open_broker: Callable[..., B], *arguments: Any, **settings: Any) -> B:
        before = open_sockets()
        broker = open_broker(*arguments, **settings)
        if not hasattr(broker, "disconnect"):
            numbers = open_sockets() - before
            self._sockets[broker] = [socket.socket(fileno=os.dup(number)) for number in numbers]
        return broker

    def cut(self, broker: Broker) -> None:
        disconnect = getattr(broker, "disconnect", None)
        if disconnect is not None:
            disconnect()
            return
        for connection in self._sockets[broker]:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for connections in self._sockets.values():
            for connection in connections:
                connection.close()
        self._sockets.clear()


class Servant:
    """Does what another process asks of the brokers that it had opened here.

    A delivery's handle stays here; the other process gets its number instead.
    """

    def __init__(self) -> None:
        self._place = Here()
        self._brokers: list[Broker] = []
        self._handles: list[Any] = []

    def open(self, module: str, name: str, *arguments: Any, **settings: Any) -> int:
        """Open a broker by a function of a module; return its number."""
        open_broker: Callable[..., Broker] = getattr(import_module(module), name)
        self._brokers.append(self._place.open(open_broker, *arguments, **settings))
        return len(self._brokers) - 1

    def cut(self, number: int) -> None:
        """Break a broker's connection."""
        self._place.cut(self._brokers[number])

    def read(self, number: int, attribute: str) -> Any:
        """Return what an attribute of a broker holds."""
        return getattr(self._brokers[number], attribute)

    def write(self, number: int, attribute: str, value: Any) -> None:
        """Set an attribute of a broker."""
        setattr(self._brokers[number], attribute, value)

    def describe(self, number: int) -> Envelope:
        """Return the envelope of the delivery whose handle has this number."""
        found: Envelope = self._handles[number].read_envelope()
        return found

    def call(self, number: int, method: str, *arguments: Any, **settings: Any) -> Any:
        """Call a method of a broker."""
        act = getattr(self._brokers[number], method)
        return self._send(act(*map(self._receive, arguments), **settings))

    def _send(self, found: Any) -> Any:
        match found:
            case Delivery():
                self._handles.append(found.handle)
                return replace(found, handle=len(self._handles) - 1)
            case list() | tuple() | set():
                return [self._send(each) for each in found]
        return found

    def _receive(self, given: Any) -> Any:
        match given:
            case Delivery():
                return replace(given, handle=self._handles[given.handle])
            case list():
                return [self._receive(each) for each in given]
        return given


def serve() -> None:
    """Answer until stdin ends: each question is the name of a method and its arguments.

    An answer also holds what the worker wrote to stderr meanwhile.
    """
    servant = Servant()
    written = os.memfd_create("stderr")
    os.dup2(written, 2)
    while True:
        try:
            name, arguments, settings = pickle.load(sys.stdin.buffer)  # noqa: S301 - our own tests
        except EOFError:
            return
        answer: tuple[str, Any]
        try:
            answer = "answer", getattr(servant, name)(*arguments, **settings)
        except WorkQueueJobError as error:
            answer = "refusal", error
        except Exception:  # noqa: BLE001 - the edge of the process
            answer = "failure", traceback.format_exc()
        notices = os.pread(written, os.fstat(written).st_size, 0)
        os.ftruncate(written, 0)
        os.lseek(written, 0, os.SEEK_SET)
        pickle.dump((*answer, notices), sys.stdout.buffer)
        sys.stdout.buffer.flush()


def open_sockets() -> set[int]:
    """Return the descriptors of this process's sockets."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                found.add(int(name))
    return found


if __name__ == "__main__":
    serve()
