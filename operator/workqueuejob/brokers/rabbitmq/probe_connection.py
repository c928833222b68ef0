"""The operator's AMQP connection: declares queues passively, several at once, and never blocks.

Each declare has a channel of its own until it is answered. One that is not answered in time gives
up its channel, and not the connection, as long as the broker answers anything else: the process of
a queue can hang while its broker is well. It consumes, publishes and creates nothing.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Any

import pika

from workqueuejob.brokers.rabbitmq.errors import translate, translate_channel
from workqueuejob.brokers.rabbitmq.probe_opening import close_connection, open_connection, settle
from workqueuejob.brokers.rabbitmq.settings import RabbitMQConnection
from workqueuejob.errors import ConnectionFailed, MeasurementUnreliable, QueueError

ANSWER_SECONDS = 1.0
CONNECTION_SECONDS = 5.0
"""After which a broker that answers nothing at all is given up."""

CHECK_SECONDS = 0.25
MAX_QUESTIONS = 16
"""Channels for questions that were asked a moment ago."""

QUESTIONS_PER_CHANNEL = 4
PATIENCE_SECONDS = 0.03
"""Questions that may wait for each other, because an answer takes a millisecond, and how long."""

MAX_STUCK = 16
"""Channels whose question was given up and that the broker has not closed yet."""


@dataclass(frozen=True, slots=True)
class DeclaredQueue:
    """The answer to a passive declare: the numbers of ready messages and of consumers."""

    messages: int
    consumers: int


OnAnswer = Callable[[DeclaredQueue | QueueError], None]


@dataclass(eq=False, slots=True)
class _Question:
    queue: str
    on_answer: OnAnswer
    asked_at: float
    alive_since: float = 0.0
    """When the broker was seen to answer something else; 0 before."""


class ProbeConnection:
    """One connection and its channels; used by the measuring thread alone."""

    def __init__(
        self, settings: RabbitMQConnection, parameters: list[pika.ConnectionParameters]
    ) -> None:
        """Prepare without connecting. parameters: pika's, for each of the host's addresses."""
        self._settings = settings
        self._parameters = parameters
        self._connection: Any = None
        self._on_lost: Callable[[QueueError], None] = lambda _: None
        self._idle: list[Any] = []
        self._opening: set[Any] = set()
        self._asked: dict[Any, _Question] = {}
        self._waiting: deque[_Question] = deque()
        self._stuck: set[Any] = set()
        self._heard_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._opener: asyncio.TimerHandle | None = None

    async def open(
        self, loop: asyncio.AbstractEventLoop, on_lost: Callable[[QueueError], None]
    ) -> None:
        """Connect; raise a QueueError when that fails.

        on_lost: called once if the connection ends by itself later.
        """
        self._loop, self._on_lost = loop, on_lost
        opened = await open_connection(loop, self._settings, self._parameters)
        self._connection, self._heard_at = opened, loop.time()
        self._connection.add_on_close_callback(self._on_closed)

    @property
    def room(self) -> int:
        """How many more questions may be on their way; those that last do not count."""
        recent = self._loop.time() - CHECK_SECONDS
        lasting = sum(1 for question in self._asked.values() if question.asked_at < recent)
        free = MAX_QUESTIONS - len(self._asked) - len(self._waiting)
        return max(free + min(lasting, MAX_STUCK - len(self._stuck)), 0)

    @property
    def quarantine_room(self) -> int:
        """How many questions to queues that hung may be on their way."""
        return 1 if len(self._stuck) < MAX_STUCK else 0

    def ask(self, queue: str, on_answer: OnAnswer) -> None:
        """Declare a queue passively; `on_answer` is called later with what came of it.

        After a ConnectionFailed the connection can't be used any more; after another error it can.
        """
        question = _Question(queue, on_answer, self._loop.time())
        if self._idle:
            self._send(self._idle.pop(), question)
        else:
            self._waiting.append(question)
            if self._opener is None:
                self._open_channels()
        self._check_later()

    async def declare_passively(self, queue: str) -> DeclaredQueue:
        """Return the broker's answer for a queue; raise a QueueError."""
        answer: asyncio.Future[DeclaredQueue | QueueError] = self._loop.create_future()
        self.ask(queue, partial(settle, answer))
        answered = await answer
        if isinstance(answered, QueueError):
            raise answered
        return answered

    async def close(self) -> None:
        """Close the connection by the protocol if the broker answers in time; never raises."""
        connection, self._connection = self._connection, None
        if self._timer is not None:
            self._timer.cancel()
        if connection is None:
            return
        self._answer_all(ConnectionFailed(f"{self._settings.address}: the connection was closed"))
        await close_connection(self._loop, connection)

    def _open_channels(self) -> None:
        """Open channels for the questions that wait, one for some, within the limits.

        A channel whose question has not been answered quickly is of no use to those that wait.
        """
        self._opener = None
        if self._connection is None or not self._waiting:
            return
        recent = self._loop.time() - PATIENCE_SECONDS
        useful = sum(1 for question in self._asked.values() if question.asked_at >= recent)
        wanted = ceil(len(self._waiting) / QUESTIONS_PER_CHANNEL)
        room = MAX_QUESTIONS + MAX_STUCK - len(self._asked) - len(self._stuck)
        for _ in range(min(wanted - useful, room) - len(self._opening)):
            self._open_channel()
        self._opener = self._loop.call_later(PATIENCE_SECONDS, self._open_channels)

    def _open_channel(self) -> None:
        if self._connection is None:
            return
        try:
            channel = self._connection.channel(on_open_callback=self._on_channel_open)
        except Exception as error:  # noqa: BLE001 (pika's: wrong state, or no channel is free)
            self._lose(translate(error, self._settings))
            return
        self._opening.add(channel)
        channel.add_on_close_callback(self._on_channel_closed)

    def _on_channel_open(self, channel: Any) -> None:
        self._opening.discard(channel)
        self._go_on(channel)

    def _go_on(self, channel: Any) -> None:
        """Use a free channel for the question that waits the longest."""
        self._heard_at = self._loop.time()
        if not self._waiting:
            self._idle.append(channel)
            return
        question = self._waiting.popleft()
        question.asked_at = self._heard_at
        self._send(channel, question)

    def _send(self, channel: Any, question: _Question) -> None:
        self._asked[channel] = question
        try:
            self._connection.ask(
                channel.channel_number, question.queue, partial(self._on_declared, channel)
            )
        except Exception as error:  # noqa: BLE001 (pika's: the connection is just ending)
            self._lose(translate(error, self._settings))

    def _on_declared(self, channel: Any, method: Any) -> None:
        question = self._asked.pop(channel)
        self._go_on(channel)
        question.on_answer(DeclaredQueue(method.message_count, method.consumer_count))

    def _on_channel_closed(self, channel: Any, reason: BaseException) -> None:
        self._heard_at = self._loop.time()
        self._opening.discard(channel)
        self._stuck.discard(channel)
        if channel in self._idle:
            self._idle.remove(channel)
        if self._connection is None or not self._connection.is_open:
            # What was asked is answered when the connection's own end is known.
            return
        question = self._asked.pop(channel, None)
        self._connection.give_up(channel.channel_number)
        if self._opener is None:
            self._open_channels()
        if question is not None:
            question.on_answer(translate_channel(reason, self._settings, question.queue))

    def _check_later(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(CHECK_SECONDS, self._check)

    def _check(self) -> None:
        """Give up what has not been answered in time: a question, or the whole connection."""
        self._timer = None
        now = self._loop.time()
        for channel, question in list(self._asked.items()):
            self._judge(channel, question, now)
        if self._waiting and now - self._waiting[0].asked_at >= CONNECTION_SECONDS:
            self._lose(translate(TimeoutError(), self._settings))
        if self._connection is not None and (self._asked or self._waiting):
            self._check_later()

    def _judge(self, channel: Any, question: _Question, now: float) -> None:
        """Decide whether it is the queue that does not answer, or the broker.

        A broker may pause, or be overloaded. So a queue's time begins to count once the broker has
        answered something else since.
        """
        age = now - question.asked_at
        if self._connection is None or age < CHECK_SECONDS:
            return
        if self._heard_at > question.asked_at:
            question.alive_since = question.alive_since or now
            lasted = now - question.alive_since
            if age >= ANSWER_SECONDS and lasted >= ANSWER_SECONDS - CHECK_SECONDS:
                self._give_up(channel, question)
        elif age >= CONNECTION_SECONDS:
            self._lose(translate(TimeoutError(), self._settings))
        elif not self._opening:
            # Whether this is answered decides between the two.
            self._open_channel()

    def _give_up(self, channel: Any, question: _Question) -> None:
        del self._asked[channel]
        self._stuck.add(channel)
        self._connection.give_up(channel.channel_number)
        with suppress(Exception):
            channel.close()
        question.on_answer(
            MeasurementUnreliable(
                f"queue {question.queue!r} on {self._settings.address} did not answer within "
                f"{ANSWER_SECONDS:g} s; see the broker's log"
            )
        )

    def _on_closed(self, _connection: Any, reason: BaseException) -> None:
        if self._connection is not None:
            self._lose(translate(self._connection.ioloop.refused or reason, self._settings))

    def _lose(self, error: QueueError) -> None:
        """End: answer every question, and say once that the connection is lost."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        with suppress(Exception):
            connection.cut_off()
        self._answer_all(error)
        self._on_lost(error)

    def _answer_all(self, error: QueueError) -> None:
        questions = [*self._asked.values(), *self._waiting]
        self._asked.clear()
        self._waiting.clear()
        for question in questions:
            question.on_answer(error)
