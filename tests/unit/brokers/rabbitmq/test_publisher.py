"""A message that is sent once, whatever an alarm of the broker does meanwhile."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pika import spec

from workqueuejob.brokers.rabbitmq.properties import Properties
from workqueuejob.brokers.rabbitmq.publisher import Publisher, Unanswered
from workqueuejob.brokers.rabbitmq.tables import Table, encode_field
from workqueuejob.brokers.rabbitmq.worker_connection import WorkerConnection
from workqueuejob.errors import BrokerUnavailable, HeadersTooLarge, PublishingUnavailable


class ScriptedBroker:
    """A connection with one channel, on which one event comes with every step."""

    def __init__(self) -> None:
        self.published: list[bytes] = []
        self.events: Iterator[str] = iter(())
        self.blocked = ""
        self.lost: Exception | None = None
        self.settings = SimpleNamespace(address="broker:5672")
        self.translated, self.driven, self.connection, self.raw = nullcontext(), self, self, self
        self.is_open = True
        self.frame_max_bytes = 131_072
        self._answer: Callable[[Any], None] = lambda _: None

    def open_channel(self) -> "ScriptedBroker":
        return self

    def add_on_return_callback(self, _callback: object) -> None:
        pass

    def call(self, _method: str, on_answer: Callable[[Any], None], **_: object) -> None:
        self._answer = on_answer

    def basic_publish(
        self, _exchange: str, queue: str, body: bytes, _properties: object, **_: object
    ) -> None:
        if queue:
            self.published.append(body)

    def wait(self, done: Callable[[], bool]) -> None:
        while not done():
            self.pump()

    def pump(self) -> None:
        event = next(self.events, "answer")
        if event == "silence":
            raise BrokerUnavailable("broker:5672: timeout")
        if event == "answer":
            self._answer(SimpleNamespace(method=spec.Basic.Ack()))
        else:
            self.blocked = {"blocked": "low on memory", "unblocked": "", "nothing": self.blocked}[
                event
            ]

    def raise_closed(self, queue: str, *, may: str) -> None:
        raise AssertionError(f"the channel is open ({queue}, {may})")

    def close(self) -> None:
        pass


@pytest.fixture
def broker() -> ScriptedBroker:
    return ScriptedBroker()


@pytest.fixture
def publisher(broker: ScriptedBroker) -> Publisher:
    return Publisher(lambda: cast("WorkerConnection", broker))


def test_message_is_sent_once_although_the_answer_comes_after_the_end_of_an_alarm(
    broker: ScriptedBroker, publisher: Publisher
) -> None:
    body = b"apple"
    broker.events = iter(["blocked", "nothing", "unblocked", "nothing", "answer"])
    for _ in range(2):
        with pytest.raises(PublishingUnavailable, match="low on memory"):
            publisher.publish("dead", body, Properties())
    publisher.publish("dead", body, Properties())
    assert broker.published == [body]


def test_other_message_is_sent_after_the_one_that_waited(
    broker: ScriptedBroker, publisher: Publisher
) -> None:
    broker.events = iter(["blocked", "unblocked", "answer", "answer"])
    with pytest.raises(PublishingUnavailable):
        publisher.publish("dead", b"apple", Properties())
    publisher.publish("dead", b"pear", Properties())
    assert broker.published == [b"apple", b"pear"]


def test_queue_that_is_silent_is_told_from_a_broker_that_is_lost(
    broker: ScriptedBroker, publisher: Publisher
) -> None:
    broker.events = iter(["silence", "silence"])
    with pytest.raises(Unanswered, match="queue 'rest' has not taken a message"):
        publisher.publish("rest", b"apple", Properties())
    broker.lost = ConnectionError()
    with pytest.raises(PublishingUnavailable) as raised:
        publisher.publish("rest", b"apple", Properties())
    assert not isinstance(raised.value, Unanswered)


def test_message_whose_headers_do_not_fit_into_a_frame_is_not_sent() -> None:
    broker = ScriptedBroker()
    publisher = Publisher(lambda: cast("WorkerConnection", broker))
    for size, fits in ((131_000, True), (131_072, False)):
        headers = Table(((b"large", encode_field("x" * size)),))
        properties = Properties().replace(headers=headers, without=(), delivery_mode=2)
        if fits:
            publisher.publish("job1", b"apple", properties)
        else:
            with pytest.raises(HeadersTooLarge, match="131,052 fit into a frame"):
                publisher.publish("job1", b"fig", properties)
    assert broker.published == [b"apple"]
