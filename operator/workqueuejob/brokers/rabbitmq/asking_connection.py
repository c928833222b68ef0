"""pika's connection on an asyncio loop, with a limit of bytes and a short way for questions.

pika keeps a list of callbacks for each channel and method, and searches it for every frame: two
thirds of what a question costs. So a question is sent as a frame, and its answer is taken before
pika looks for callbacks. Everything else is pika's. It patches nothing in pika.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from pika import spec
from pika.adapters.asyncio_connection import AsyncioConnection

from workqueuejob.brokers.bounded_socket import KIB, AnswerTooLong
from workqueuejob.brokers.rabbitmq.frames import read_frame

MOST_BYTES = 64 * KIB
"""That are received without a question, such as the greeting, which has 500."""

BYTES_PER_QUESTION = 512
"""What a question adds to those that are left. A queue's name makes an answer 300 bytes long."""

OnDeclared = Callable[[Any], None]


class ConnectionLoop:
    """The thread's loop as one connection sees it, with the bytes that the connection may receive.

    refused: the error of an answer beyond the limit; None where there was none. While a connection
        is not open yet, pika only reports that it was lost.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.refused: AnswerTooLong | None = None
        self._loop = loop
        self._left = MOST_BYTES

    def __getattr__(self, name: str) -> Any:
        """Return whatever else pika uses of the loop."""
        return getattr(self._loop, name)

    def expect_answer(self) -> None:
        """Take a question into account."""
        self._left = min(self._left + BYTES_PER_QUESTION, MOST_BYTES)

    def count(self, data: bytes) -> None:
        """Count received bytes; raise AnswerTooLong beyond the limit."""
        self._left -= len(data)
        if self._left < 0:
            self.refused = AnswerTooLong(MOST_BYTES)
            raise self.refused


class AskingConnection(AsyncioConnection):  # type: ignore[misc] # pika carries no types
    """pika's connection. pika offers no hook for a decoder, so these three methods are overridden.

    All received bytes pass through them.
    """

    def ask(self, channel: int, queue: str, on_declared: OnDeclared) -> None:
        """Declare a queue passively on an open channel, which has no other question on its way.

        on_declared: called with pika's `Queue.DeclareOk`. A refusal closes the channel instead.
        """
        self._asked[channel] = on_declared
        self.ioloop.expect_answer()
        self._send_method(channel, spec.Queue.Declare(queue=queue, passive=True))

    def give_up(self, channel: int) -> None:
        """Expect no answer on a channel any more."""
        self._asked.pop(channel, None)

    def cut_off(self) -> None:
        """Close the socket, whatever the broker is doing."""
        if self._transport is not None:
            self._transport.abort()

    def _init_connection_state(self) -> None:
        self._asked: dict[int, OnDeclared] = {}
        super()._init_connection_state()

    def _on_data_available(self, data_in: bytes) -> None:
        self.ioloop.count(data_in)
        super()._on_data_available(data_in)

    def _read_frame(self) -> Any:
        return read_frame(self._frame_buffer)

    def _process_frame(self, frame_value: Any) -> None:
        method = getattr(frame_value, "method", None)
        if type(method) is spec.Queue.DeclareOk:
            on_declared = self._asked.pop(frame_value.channel_number, None)
            if on_declared is not None:
                on_declared(method)
            return
        super()._process_frame(frame_value)
