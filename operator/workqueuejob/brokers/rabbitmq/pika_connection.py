"""A worker's pika connection and its loop, with quick writes and a decoder that does not fail.

This module and `asking_connection` override methods of pika, and no other does. It patches nothing
in pika, and opens no connection.
"""

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pika
from pika.adapters.select_connection import IOLoop

from workqueuejob.brokers.rabbitmq.frames import read_frame


class PikaLoop(IOLoop):  # type: ignore[misc] # pika carries no types
    """pika's loop, with a `flush` that writes at once, and a `cut_off` that closes all sockets.

    For every frame, pika asks the kernel whether the socket can be written to. Nearly always it
    can, so the question costs three system calls more than the sending. So this loop changes the
    events of a socket only when it waits, and `flush` sends before that.

    pika closes a socket only when the broker agrees, or the garbage collector finds it. Until then
    a broker that hung goes on sending items to a consumer that is gone.
    """

    def __init__(self) -> None:
        super().__init__()
        self._sockets: dict[int, Callable[[int, int], None]] = {}
        self._watched: dict[int, int] = {}
        self._wanted: dict[int, int] = {}

    def add_handler(self, fd: int, handler: Callable[[int, int], None], events: int) -> None:
        """Watch a socket, as pika's loop does, and remember its handler."""
        self._sockets[fd] = handler
        self._watched[fd] = events
        super().add_handler(fd, handler, events)

    def update_handler(self, fd: int, events: int) -> None:
        """Note the events to watch a socket for; `poll` passes them on to pika's loop."""
        if events == self._watched[fd]:
            self._wanted.pop(fd, None)
        else:
            self._wanted[fd] = events

    def remove_handler(self, fd: int) -> None:
        """Watch a socket no more."""
        del self._sockets[fd], self._watched[fd]
        self._wanted.pop(fd, None)
        super().remove_handler(fd)

    def poll(self) -> None:
        """Wait for an event or a timer, and handle the events."""
        for fd, events in self._wanted.items():
            super().update_handler(fd, events)
        self._watched.update(self._wanted)
        self._wanted.clear()
        super().poll()

    def flush(self) -> bool:
        """Send what can be sent; return whether that was everything."""
        for fd, events in list(self._wanted.items()):
            if events & self.WRITE:
                self._sockets[fd](fd, self.WRITE)
        return not self._wanted

    def cut_off(self) -> None:
        """Shut down all sockets."""
        for number in self._sockets:
            with suppress(OSError), socket.socket(fileno=os.dup(number)) as duplicate:
                duplicate.shutdown(socket.SHUT_RDWR)


class PikaConnection(pika.SelectConnection):  # type: ignore[misc] # pika carries no types
    """pika's connection, with `frames` as its decoder, for which pika offers no hook."""

    def _read_frame(self) -> Any:
        return read_frame(self._frame_buffer)
